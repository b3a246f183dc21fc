"""What the documents show is true: each command in them runs, each command has help."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import fields

from chatlab.chat.modes import MODES, ack_means, parse
from chatlab.chat.protocol import Outgoing, Request, RoomInfo
from chatlab.course.workplace import make_course
from chatlab.errors import ExitCode
from tests.support.command_line import CHATLAB
from tests.support.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "chatlab").rglob("README.md"))]
"""The texts whose commands readers type."""
SERVER_GUIDE = (ROOT / "chatlab" / "chat" / "README.md").read_text(encoding="utf-8")
ELSEWHERE = re.compile("chatlab (top|capacity|data .*)")
"""Commands that have no quick end, or need a folder with something in it: their tests run them."""
COURSE = {"learn", "list", "check", "hint", "replay", "reset", "solution", "course"}
"""Commands that work on a course: they get a fresh one."""


def shown_commands() -> list[str]:
    """Every `chatlab ...` line in a shell block of a guide, once."""
    texts = "\n".join(guide.read_text(encoding="utf-8") for guide in GUIDES)
    blocks = re.findall(r"```sh\n(.*?)```", texts, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("chatlab ")})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server, for the commands that need one."""
    data, pipe = str(tmp_path_factory.mktemp("docs") / "data"), subprocess.PIPE
    words = ("serve", "--port", "0", "--stop-with-stdin", "--no-dashboard", "--data", data)
    with subprocess.Popen([*CHATLAB, *words], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.communicate()
    assert process.returncode == 0


LESS_TO_DO = {
    "compare": "--rounds 1 --messages 40",
    "growth": "--history 0,50 --rounds 1",
    "tune": "--batch-sizes 10 --flush-intervals 20 --burst 100 --steady 200 --rate 1000",
    "pitfalls": "list",
    "xray": "--messages 2 --history 100",
    "plug": "journal --messages 10",
    "crash": "journal --trials 1 --only kill",
    "rungs": "--rounds 1 --history 100 --messages 60",
    "compression": "--rounds 1 --messages 100",
    "generator": "optimized --rounds 1 --messages 2000",
    "watching": "--rounds 1 --messages 200",
    "typist": "--rounds 1 --messages 200",
    "load": "--messages 40",
    "serve": "--port 0 --no-dashboard --stop-with-stdin --data data",
}


def made_quick(command: str, url: str, folder: Path) -> list[str]:
    """The same command, to run in a folder with less to do, on a server of our own."""
    name, *words = shlex.split(command)[1:]
    if name in {"load", "chat"}:
        words.insert(0, url)
    if name in {"compare", "serve"} and "mine" in command:  # a course of one exercise will do
        shutil.copytree(ROOT / "exercises" / "02_cache", folder / "exercises" / "02_cache")
    less = LESS_TO_DO.get(name, "").split()
    if "--race" in words:  # runs one round of each anyway
        less = less[2:]
    if "--fail-if" in words:  # one round of forty messages has no such figures to show
        words[words.index("--fail-if") + 1] = "naive.throughput_per_s < 0"
    if name in COURSE and words[:1] != ["init"]:
        make_course(folder / "course")  # what is kept must not end up in a checkout
        words += ["--course", str(folder / "course")]
        words += ["--seeds", "2"] if "verify" in words else []
    return [*CHATLAB, name, *words, *less]


@pytest.mark.real
@pytest.mark.parametrize("command", [c for c in shown_commands() if not ELSEWHERE.fullmatch(c)])
def test_a_command_in_a_guide_runs(command: str, server: str, tmp_path: Path) -> None:
    done = subprocess.run(
        made_quick(command, server, tmp_path),
        input="",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=tmp_path,
    )
    # A race that loses messages, a starter that has not passed, a machine busy with other tests.
    words = set(command.split())
    strict = ExitCode.NOT_TRUSTED if "--strict" in words else ExitCode.OK
    expected = 1 if {"racy", "check", "replay"} & words else strict
    assert done.returncode in {0, expected}, done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_the_guides_show_every_command() -> None:
    shown = {shlex.split(line)[1] for line in shown_commands()}
    assert shown == set(COMMANDS)


BELOW_OTHERS = {
    f"{group} {name}": command
    for group in ("learn", "course", "data")
    for name, command in COMMANDS[group].commands.items()
}


@pytest.mark.parametrize("command", [*COMMANDS, *BELOW_OTHERS])
def test_every_command_and_option_has_help(command: str) -> None:
    entry = (COMMANDS | BELOW_OTHERS)[command]
    assert entry.help
    for option in entry.params:
        assert getattr(option, "help", None) or getattr(option, "hidden", False), option.name


@pytest.mark.parametrize("name", MODES)
def test_the_guide_says_of_each_mode_what_the_code_says(name: str) -> None:
    assert f"| `{name}` | {MODES[name].words} | {ack_means(parse(name))} |" in SERVER_GUIDE


def fields_of(frames: Any) -> dict[str, set[str]]:
    """The names that travel, by the type of a frame, for each kind in a union."""
    return {
        str(kind.__struct_config__.tag): {field.encode_name for field in fields(kind)}
        for kind in get_args(frames)
    }


def wire_rows(heading: str) -> list[list[str]]:
    """The two cells of each row of a table of frames."""
    table = SERVER_GUIDE.partition(f"| {heading} |\n|---|---|\n")[2].partition("\n\n")[0]
    return [row.split("|")[1:3] for row in table.splitlines()]


def test_the_guide_lists_each_field_of_each_request() -> None:
    listed = {
        name: {"ref", *re.findall(r"`(\w+)`", said)}
        for names, said in wire_rows("a client sends | with")
        for name in re.findall(r"\w+", names)
    }
    assert listed == fields_of(Request)


def test_the_guide_lists_each_field_of_each_frame_of_the_server() -> None:
    listed: dict[str, set[str]] = {}
    for frame, said in wire_rows("the server sends | meaning"):
        name, *names = re.findall(r"\w+", frame)
        listed.setdefault(name, set()).update(names)
        if name == "rooms":
            of_a_room = {field.encode_name for field in fields(RoomInfo)}
            assert set(re.findall(r"`(\w+)`", said)) == {"total", *of_a_room}
    assert listed == fields_of(Outgoing)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_leads_only_to_what_there_is(text: Path) -> None:
    said = text.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", said):
        assert (text.parent / target).exists(), target
    assert "install chatlab" not in said  # another package has that name


def test_every_file_that_a_text_or_a_docstring_names_is_there() -> None:
    files = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    names = {path.name for path in files} | {"my.py", "my_reader.py", "checks.py", "NAME.py"}
    sources = [*TEXTS, *(ROOT / "chatlab").rglob("*.py")]
    missing = [
        (path.name, named)
        for path in sources
        if path.name != "CHANGELOG.md"
        for named in re.findall(r"`[\w./]*?(\w+\.(?:py|md))`", path.read_text(encoding="utf-8"))
        if named not in names
    ]

    assert missing == []
