"""`chatlab compare` as its user meets it, and the front door that all commands share."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chatlab import __version__
from tests.support.commands import COMMANDS, LISTED

CHATLAB = [sys.executable, "-m", "chatlab"]
TIMEOUT_S = 40
ENVIRONMENT = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def run(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command, from start to end."""
    return subprocess.run(
        [*CHATLAB, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env=ENVIRONMENT,
        timeout=TIMEOUT_S,
        check=False,
    )


def interrupted(*words: str, after: str) -> tuple[int, str, str]:
    """A command that gets a Ctrl-C once its standard error shows `after`: code, output, errors."""
    process = subprocess.Popen(
        [*CHATLAB, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    assert process.stderr is not None
    seen = ""
    while not re.search(after, seen):
        line = process.stderr.readline()
        assert line, f"it ended without showing {after}: {seen}"
        seen += line
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, seen + errors


def processes_that_name(folder: Path) -> list[str]:
    """The commands of all running processes in which a folder is named."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if str(folder) in command:
            found.append(command)
    return found


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The complaint of a command that was used wrongly."""
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


# A comparison from start to end.


def test_a_comparison_prints_its_table_and_writes_its_json(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = tmp_path / "result.json"
    words = ["--rounds", "1", "--messages", "50", "--work", str(work), "--json", str(file)]
    done = run("compare", *words)

    assert done.returncode == 0, done.stderr
    assert "NOT SAFE" not in done.stdout
    for label in ("naive", "optimized", "delivered per second", "an ack means", "clean"):
        assert label in done.stdout
    assert "Traceback" not in done.stderr
    found = json.loads(file.read_bytes())
    assert found["schema"] == "chatlab.compare/1"
    assert found["command"].startswith("chatlab compare --rounds 1 --messages 50")
    assert list(found["modes"]) == ["naive", "optimized"]
    assert {mode["audit"]["sent"] for mode in found["modes"].values()} == {50}
    assert list(work.iterdir()) == []


def test_a_disk_that_is_not_as_it_seems_is_given_to_each_server_and_named_in_the_result(
    tmp_path: Path,
) -> None:
    file, table = tmp_path / "result.json", tmp_path / "result.csv"
    plan = ["--disk", "network", "--fault", "eio@write:20+3"]
    load = ["--rounds", "1", "--messages", "60", "--users", "2", "--no-live"]
    files = ["--json", str(file), "--csv", str(table)]
    done = run("compare", "naive+writer=atomic", *plan, *load, *files)

    assert done.returncode == 0, done.stderr
    assert "simulated: disk network (" in done.stdout
    assert "! simulated disk: disk network (" in " ".join(done.stdout.split())
    report = json.loads(file.read_bytes())
    (mode,) = report["modes"].values()
    assert [words.split()[0] for words in report["simulated"]] == ["disk", "eio@write:20+3"]
    assert "--disk network --fault eio@write:20+3" in report["command"]
    assert mode["refusals"] == {"storage_failed": 3}
    assert mode["ack_ms"]["p50"] > 2
    assert "eio@write:20+3" in table.read_text("utf-8")


def test_output_for_a_pipe_has_no_codes_in_it(tmp_path: Path) -> None:
    words = ["--rounds", "1", "--messages", "20", "--users", "2", "--work", str(tmp_path)]
    done = run("compare", "naive", *words)

    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_a_mode_that_loses_messages_ends_with_code_1() -> None:
    done = run("compare", "racy", "--rounds", "1", "--messages", "200", "--users", "10")

    assert done.returncode == 1
    assert "racy is NOT SAFE" in done.stdout
    assert "NOT CLEAN" in done.stdout


# Mistakes.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optimised"], "did you mean 'optimized'"),
        (["naive+reader=zzz"], "unknown reader 'zzz'"),
        (["--scenario", "noon"], "unknown scenario 'noon'"),
        (["--users", "2", "--rooms", "3"], "3 rooms for 2 users"),
        (["--json", "no/such/folder/result.json"], "no/such/folder"),
        (["--disk", "floppy"], "--disk 'floppy' is not known; there are: hdd, network"),
        (["--fault", "enospc"], "--fault 'enospc'"),
        (["--fault", "slow=fast"], "--fault 'slow=fast'"),
        (["--json", "."], "--json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_line_before_anything_starts(
    words: list[str], said: str, tmp_path: Path
) -> None:
    line = one_line(run("compare", *words, folder=tmp_path))

    assert line.startswith("chatlab: ")
    assert said in line


@pytest.mark.parametrize(
    "words",
    [
        ["--no-such-option"],
        ["--rounds", "0"],
        ["--messages", "many"],
        ["--rate", "nan"],
        ["--work", "no/such/folder"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_ends_with_code_2_and_names_the_option(words: list[str]) -> None:
    done = run("compare", *words)

    assert done.returncode == 2
    assert words[0] in done.stderr
    assert "Traceback" not in done.stderr


# Ctrl-C.


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_in_the_middle_prints_what_there_is_and_leaves_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = tmp_path / "result.json"
    options = ["--rounds", "500", "--messages", "50", "--users", "4"]
    places = ["--work", str(work), "--json", str(file)]
    code, out, errors = interrupted(
        "compare", *options, *places, after=r"round ([2-9]|\d\d+) of 1000"
    )

    assert code == 130, errors
    assert "PARTIAL" in out
    assert "delivered per second" in out
    assert "Traceback" not in errors
    found = json.loads(file.read_bytes())
    assert found["complete"] is False
    assert found["modes"]["naive"]["audit"]["sent"] >= 50
    assert processes_that_name(work) == []
    assert list(work.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_in_the_first_round_says_that_nothing_was_measured(tmp_path: Path) -> None:
    # At one message a second the first round takes longer than any test.
    slow = ["--messages", "1000", "--rate", "1", "--work", str(tmp_path)]
    code, out, errors = interrupted("compare", *slow, after="round 1 of")

    assert code == 130, errors
    assert "Nothing was measured" in out
    assert "Traceback" not in errors
    assert processes_that_name(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


# The front door.


def test_the_module_is_the_command() -> None:
    done = run("--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"chatlab {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_lists_its_options(command: str) -> None:
    done = run(command, "--help")
    options = [
        option.opts[0]
        for option in COMMANDS[command].params
        if option.opts[0].startswith("--") and not option.hidden
    ]

    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert [option for option in options if option not in done.stdout] == []


def test_the_help_lists_every_command() -> None:
    done = run("--help")

    assert done.returncode == 0
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b", done.stdout)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_paragraph_of_its_help(name: str) -> None:
    first, *_ = COMMANDS[name].help.split("\n\n")

    assert LISTED[name].help == " ".join(first.split())


def test_the_help_imports_no_command() -> None:
    code = "import sys, chatlab.cli; print(*(m for m in sys.modules if m.startswith('chatlab.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) == {
        *("chatlab.cli", "chatlab.cli.app", "chatlab.errors", "chatlab.exit_codes"),
        "chatlab.labs",  # the table of labs; no lab
    }


def test_an_unknown_command_ends_with_code_2() -> None:
    done = run("compair")

    assert done.returncode == 2
    assert "compair" in done.stderr
