"""Standard streams as a shell may hand them over: full, closed, cut off, or in ASCII."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import CHATLAB, ENVIRONMENT, Done

if sys.platform == "win32":
    pytest.skip("needs a POSIX shell", allow_module_level=True)

FULL = "chatlab: cannot write to standard output: No space left on device\n"
CLOSED = "chatlab: standard output is closed: send it somewhere, such as `> /dev/null`\n"
COMPARE = "compare --no-live --rounds 1 --history 0 --scenario tiny.toml naive"
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(script: str, folder: Path, **environment: str) -> Done:
    """What comes of a script, in which `chatlab` is ours."""
    done = subprocess.run(
        ["bash", "-c", f'chatlab() {{ {shlex.join(CHATLAB)} "$@"; }}; {script}'],
        check=False,
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": ""} | environment,
        capture_output=True,
        timeout=60,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["modes", "--version"])
def test_a_full_output_is_one_line_and_no_traceback(words: str, tmp_path: Path) -> None:
    assert shell(f"chatlab {words} > /dev/full", tmp_path) == (73, "", FULL)


def test_a_closed_output_is_refused_before_any_work(tmp_path: Path) -> None:
    assert shell("chatlab compare >&-", tmp_path) == (2, "", CLOSED)


def test_a_closed_input_and_a_closed_error_output_cost_nothing(tmp_path: Path) -> None:
    as_usual = shell("chatlab modes", tmp_path)
    assert shell("chatlab modes <&- 2>&-", tmp_path) == as_usual
    assert shell("chatlab nosuch <&- 2>&-", tmp_path) == (2, "", "")


@pytest.mark.parametrize(("words", "unbuffered"), [("modes", ""), ("--help", "1")])
def test_a_reader_who_leaves_ends_a_command_in_silence(
    words: str, unbuffered: str, tmp_path: Path
) -> None:
    # It starts only when its reader has gone.
    script = f"mkfifo p; (read -r _ < p; chatlab {words}; echo $? > code) | (exec <&-; echo > p)"
    done = shell(f"{script}; wait; cat code", tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert done == (0, "130\n", "")


@pytest.mark.real
@pytest.mark.parametrize("output", ["> /dev/full", "| true"])
def test_a_long_command_whose_output_fails_still_writes_its_documents(
    output: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text('name = "tiny"\nwords = "20"\nmessages = 20\n')
    done = shell(f"set -o pipefail; chatlab {COMPARE} --json out.json {output}", tmp_path)
    assert done.code in (73, 130)
    assert "Traceback" not in done.err
    assert (FULL in done.err) == (done.code == 73)
    assert (tmp_path / "out.json").stat().st_size


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        PLAIN_C | {"PYTHONIOENCODING": ""},
    ],
    ids=["ascii", "cp1252", "a plain C locale"],
)
def test_what_an_encoding_lacks_is_a_question_mark(
    environment: dict[str, str], tmp_path: Path
) -> None:
    shown = shell("chatlab modes; chatlab data inspect データ", tmp_path, **environment)
    assert shown.code == 2
    assert "racy" in shown.out
    assert "Traceback" not in shown.err
    assert "???" in shown.err


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path) -> None:
    done = shell("chatlab compare $'naive+store=caf\\xe9.py:X'", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("chatlab: the argument naive+store=caf?.py:X is no text in ")
