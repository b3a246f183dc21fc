"""What all commands share: their help, and one clear line for a mistake."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chatlab import __version__, cli
from chatlab.cli.help import EXAMPLES, first_sentence
from chatlab.errors import ExitCode
from tests.support.command_line import run, run_here
from tests.support.commands import COMMANDS, LISTED

NOWHERE = "ws://127.0.0.1:1"
NO_SERVER = "nothing listens on 127.0.0.1:1: "


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "optimised"], "did you mean 'optimized'"),
        (["compare", "naive+reader=zzz"], "unknown reader 'zzz'"),
        (["compare", "--scenario", "noon"], "unknown scenario 'noon'"),
        (["compare", "--users", "2", "--rooms", "3"], "3 rooms for 2 users"),
        (["compare", "--json", "no/such/folder/result.json"], "no/such/folder"),
        (["compare", "--json", "."], "--json"),
        (["compare", "--disk", "floppy"], "--disk 'floppy' is not known; there are: hdd, network"),
        (["compare", "--fault", "enospc"], "--fault 'enospc'"),
        (["compare", "--fault", "slow=fast"], "--fault 'slow=fast'"),
        (["compare", "--race", "--rounds", "3"], "Leave out --rounds, or leave out --race"),
        (["compare", "--fail-if", "naiv.cpu_s > 1"], "did you mean 'naive'"),
        (["load", NOWHERE], NO_SERVER),
        (["load", ":1"], "start it with `chatlab serve --port 1`, or check the address"),
        (["load", "http://127.0.0.1:1"], NO_SERVER),
        (["load", "ftp://127.0.0.1"], "write :8765, localhost:8765 or ws://127.0.0.1:8765"),
        (["load", NOWHERE, "--scenario", "noon"], "unknown scenario 'noon'"),
        (["load", NOWHERE, "--json", "no/such/folder/x.json"], "no/such/folder"),
        (["top", NOWHERE], NO_SERVER),
        (["top", NOWHERE + "/"], NO_SERVER),
        (["top", ":1?token=hush"], f"{NO_SERVER}start"),
        (["chat", "1"], NO_SERVER),
        (["chat", "no sense"], "'no sense' is not a server address"),
        (["serve", "-m", "mine"], "`chatlab learn init"),
        (["compare", "mine"], "there is no course in"),
        (["crash", "mine"], "there is no course in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_line_before_anything_starts(words, said, tmp_path) -> None:
    assert said in run_here(*words, folder=tmp_path).complaint


@pytest.mark.parametrize(
    "wrong",
    [
        *("--no-such-option", "--rounds 0", "--messages many", "--rate nan"),
        *("--work no/such/folder", "--rounds", "compair", "help compair"),
    ],
)
def test_a_wrong_option_or_command_ends_with_code_2_and_is_named(wrong: str) -> None:
    name, *value = wrong.split()
    done = run_here(*["compare"] * name.startswith("--"), name, *value)
    assert done.code == 2
    complaint, where_to_look = done.err.splitlines()
    assert complaint.startswith("chatlab: ")
    assert (value[0] if name == "help" else name) in complaint
    assert "--help" in where_to_look


async def test_the_module_is_the_command() -> None:
    assert await run("--version") == (0, f"chatlab {__version__}\n", "")


IN_HELP = {"": list(COMMANDS)} | {
    name: [p.opts[0] for p in command.params if p.opts[0].startswith("--") and not p.hidden]
    for name, command in COMMANDS.items()
}


@pytest.mark.parametrize(("command", "names"), IN_HELP.items(), ids=IN_HELP)
def test_help_lists_every_command_and_that_of_a_command_its_options(
    command: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = run_here(*command.split(), "--help")
    assert done.code == 0
    assert "Usage" in done.out or command == ""
    assert [name for name in names if not re.search(rf"(?<!\w){name}\b", done.out)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_paragraph_of_its_help(name: str) -> None:
    assert first_sentence(LISTED[name].help) == first_sentence(COMMANDS[name].help)


WIDE_AS_USUAL = os.environ | {"COLUMNS": "80"}
PRINT_IMPORTED = """
import sys
from chatlab.cli.app import app
app(["--help"], standalone_mode=False)
print(*(name for name in sys.modules if name.startswith("chatlab.")), file=sys.stderr)
"""


def test_the_whole_list_has_a_line_for_each_command_and_imports_none() -> None:
    words = [sys.executable, "-c", PRINT_IMPORTED]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=WIDE_AS_USUAL)
    used = "cli cli.app cli.help cli.streams errors plain_text signals view view.console"
    assert set(done.stderr.split()) == {f"chatlab.{name}" for name in used.split()}
    lines = done.stdout.splitlines()
    assert (len(lines) <= 45, lines[2]) == (True, "Start here")
    headings = [line for line in lines if re.match(r"\w.*[^ ]$", line)][2:]
    assert headings == ["Run", "Measure", "Learn", "Look inside", "Teach", "More"]
    assert max(map(len, lines)) <= 80


def test_chatlab_alone_fits_24_rows_and_names_every_command_and_what_explains_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = run_here()
    lines = done.out.splitlines()
    assert (done.code, lines[2], len(lines) <= 23) == (0, "Start here", True)
    assert max(map(len, lines)) <= 80
    assert [name for name in set(LISTED) - {"help"} if f" {name}" not in done.out] == []
    assert "chatlab --help " in done.out
    assert "chatlab help COMMAND " in done.out


def test_chatlab_help_lists_all() -> None:
    assert run_here("help") == run_here("--help")


def test_modes_prints_the_pages_that_it_is_asked_for() -> None:
    said = {"": "in memory: a crash loses it", "--parts": "each | broadcast", "--knobs": "it takes"}
    for typed in ("", "--parts", "--knobs", "--parts --knobs"):
        out = run_here("modes", *typed.split()).out
        assert [flag for flag, text in said.items() if text in out] == (typed.split() or [""])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_examples_that_can_be_typed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run_here("help", name)
    assert (shown.code, shown.out) == run_here(name, "--help")[:2]
    examples = shown.out.partition("\nExamples\n")[2].strip().splitlines()
    assert len(examples) == len(EXAMPLES[name]) > 0
    for example in EXAMPLES[name]:
        first, command, *words = shlex.split(re.sub(r" > \w+\.json$", "", example))
        assert (first, command) == ("chatlab", name)
        entry = COMMANDS[name]
        if words and words[0] in getattr(entry, "commands", {}):
            entry = entry.commands[words.pop(0)]
        if "--help" not in words:
            entry.make_context(name, words)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("comp", ["compare", "compression"]),
        ("compare jour", ["journal"]),
        ("serve -m naive+reader=t", ["naive+reader=ttl"]),
        ("crash naive opt", ["optimized"]),
        ("load --scenario cl", ["class"]),
    ],
)
def test_a_shell_completes_commands_modes_and_scenarios(
    typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_CHATLAB_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"chatlab {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))
    assert run_here().out.split() == offered


def test_the_guide_and_the_help_list_every_exit_code() -> None:
    rows = [f"| {code.value} | {code.meaning} |" for code in ExitCode]
    guide = (Path(cli.__path__[0]).parent / "bench" / "README.md").read_text("utf-8")
    table = guide.partition("| exit code | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows
    said = " ".join(run_here("help", "exit-codes").out.split())
    assert [code.meaning for code in ExitCode if f"{code.value} {code.meaning}" not in said] == []
