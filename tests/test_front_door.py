"""What all commands share: their help, and one clear line for a mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatlab import __version__
from tests.support.command_line import run, run_here
from tests.support.commands import COMMANDS, LISTED

NOWHERE = "ws://127.0.0.1:1"
NO_SERVER = f"no server answers at {NOWHERE}"


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
        (["compare", "--clock", "wall"], "--clock 'wall'"),
        (["load", NOWHERE], NO_SERVER),
        (["load", NOWHERE], "start one with `chatlab serve`, or check the address"),
        (["load", "http://127.0.0.1:1"], "write it as ws://127.0.0.1:8765"),
        (["load", NOWHERE, "--scenario", "noon"], "unknown scenario 'noon'"),
        (["load", NOWHERE, "--json", "no/such/folder/x.json"], "no/such/folder"),
        (["top", NOWHERE], NO_SERVER),
        (["top", NOWHERE + "/"], NO_SERVER),
        (["top", "localhost"], "localhost is not a server address: write it as ws://127.0.0.1"),
        (["chat", NOWHERE], NO_SERVER),
        (["chat", "nonsense"], "is not a server address"),
        (["serve", "-m", "mine"], "`chatlab learn init"),
        (["compare", "mine"], "there is no course in"),
        (["crash", "mine"], "there is no course in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_line_before_anything_starts(
    words: list[str], said: str, tmp_path: Path
) -> None:
    assert said in run_here(*words, folder=tmp_path).complaint


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
    done = run_here("compare", *words)

    assert done.code == 2
    assert words[0] in done.err


async def test_the_module_is_the_command() -> None:
    assert await run("--version") == (0, f"chatlab {__version__}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_lists_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = run_here(name, "--help")
    options = [
        option.opts[0]
        for option in COMMANDS[name].params
        if option.opts[0].startswith("--") and not option.hidden
    ]

    assert done.code == 0
    assert "Usage" in done.out
    assert [option for option in options if option not in done.out] == []


def test_the_help_lists_every_command() -> None:
    done = run_here("--help")

    assert done.code == 0
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b", done.out)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_paragraph_of_its_help(name: str) -> None:
    first, *_ = COMMANDS[name].help.split("\n\n")

    assert LISTED[name].help == " ".join(first.split())


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys, chatlab.cli.app; print(*(m for m in sys.modules if m.startswith('chatlab.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    used = ("chatlab.cli", "chatlab.cli.app", "chatlab.errors")
    assert set(done.stdout.split()) == set(used)


def test_an_unknown_command_ends_with_code_2() -> None:
    done = run_here("compair")

    assert done.code == 2
    assert "compair" in done.err
