"""What the documents show is true: each command in them runs, each command has help."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatlab.chat.modes import MODES, ack_means, parse
from chatlab.course.workplace import make_course
from tests.support.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "chatlab").rglob("README.md"))]
"""The texts whose commands readers type."""
MODES_TABLE = (ROOT / "chatlab" / "chat" / "README.md").read_text(encoding="utf-8")
ELSEWHERE = {"chatlab top", "chatlab capacity"}
"""Commands that have no quick end: tests of their own run them."""
COURSE = {"learn", "list", "check", "hint", "replay", "reset", "solution", "course"}
"""Commands that work on a course: they get a fresh one."""


def shown_commands() -> list[str]:
    """Every `chatlab ...` line in a shell block of a guide, once."""
    texts = "\n".join(guide.read_text(encoding="utf-8") for guide in GUIDES)
    blocks = re.findall(r"```sh\n(.*?)```", texts, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("chatlab ")})


def elsewhere(command: str) -> bool:
    """Whether other tests run it; those of `chatlab data` need a folder with something in it."""
    return command in ELSEWHERE or command.startswith("chatlab data ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server, for the commands that need one."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "chatlab", "serve", "--port", "0", "--stop-with-stdin"),
            *("--no-dashboard", "--data", str(tmp_path_factory.mktemp("docs") / "data")),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield process.stdout.readline().removeprefix("listening on ").strip()
    process.stdin.close()
    process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0


def fresh_course(folder: Path) -> Path:
    """A course of our own: what the commands keep must not end up in a checkout."""
    make_course(folder)
    return folder


def small_course(folder: Path) -> None:
    """A course of one exercise in the folder in which the command runs: `mine` checks all."""
    name = "02_cache"
    shutil.copytree(ROOT / "exercises" / name, folder / "exercises" / name)


def made_quick(command: str, url: str, folder: Path) -> list[str]:
    """The same command, with less to do, on a server of our own."""
    words = shlex.split(command)[1:]
    match words[0]:
        case "compare":
            words += ["--rounds", "1", "--messages", "40"]
            if "mine" in command:
                small_course(folder.parent)
            if "--fail-if" in words:  # one round of forty messages has no such figures to show
                words[words.index("--fail-if") + 1] = "naive.throughput_per_s < 0"
        case "growth":
            words += ["--history", "0,50", "--rounds", "1"]
        case "tune":
            words += ["--batch-sizes", "10", "--flush-intervals", "20"]
            words += ["--burst", "100", "--steady", "200", "--rate", "1000"]
        case "pitfalls":
            words += ["list"]
        case "crash":
            words += ["journal", "--trials", "1", "--only", "kill"]
        case "rungs":
            words += ["--rounds", "1", "--history", "100", "--messages", "60"]
        case "compression":
            words += ["--rounds", "1", "--messages", "100"]
        case "generator":
            words += ["optimized", "--rounds", "1", "--messages", "2000"]
        case "watching":
            words += ["--rounds", "1", "--messages", "200"]
        case "load":
            words[1:1] = [url]
            words += ["--messages", "40"]
        case "chat":
            words[1:1] = [url]
        case name if name in COURSE and words[1:2] != ["init"]:
            words += ["--course", str(fresh_course(folder.parent / "course"))]
            if "verify" in words:
                words += ["--seeds", "2"]
        case "serve":
            if "mine" in command:
                small_course(folder.parent)
            words += ["--port", "0", "--no-dashboard", "--stop-with-stdin"]
            words += ["--data", str(folder)]
    return [sys.executable, "-m", "chatlab", *words]


@pytest.mark.real
@pytest.mark.parametrize("command", [c for c in shown_commands() if not elsewhere(c)])
def test_a_command_in_a_guide_runs(command: str, server: str, tmp_path: Path) -> None:
    done = subprocess.run(
        made_quick(command, server, tmp_path / "data"),
        input="",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=tmp_path,
    )
    # A race that loses messages, and a starter that has not passed.
    expected = 1 if {"racy", "check", "replay"} & set(command.split()) else 0
    assert done.returncode in {0, expected}, done.stderr
    assert "Traceback" not in done.stderr


def test_the_guides_show_every_command() -> None:
    shown = {shlex.split(line)[1] for line in shown_commands()}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command: str) -> None:
    entry = COMMANDS[command]
    assert entry.help
    assert all(
        getattr(option, "help", None) for option in entry.params if not getattr(option, "hidden", 0)
    )


@pytest.mark.parametrize("name", MODES)
def test_the_guide_says_of_each_mode_what_the_code_says(name: str) -> None:
    assert f"| `{name}` | {MODES[name].words} | {ack_means(parse(name))} |" in MODES_TABLE


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(text: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", text.read_text(encoding="utf-8")):
        assert (text.parent / target).exists(), target


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_sends_people_to_another_package_of_the_same_name(text: Path) -> None:
    assert "install chatlab" not in text.read_text(encoding="utf-8")
