"""Who may know whom, read from the imports: the rules of the house, kept by a test."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatlab
from chatlab.chat.modes import PARTS

ROOT = Path(chatlab.__file__).parent
PARTS_FOLDER = ROOT / "chat" / "parts"
MODULES = sorted(ROOT.rglob("*.py"))
BELOW = {  # what a floor of the house may use; each may use itself
    "chat": set(),
    "bench": {"chat"},
    "course": {"chat", "bench"},
    "view": {"chat", "bench", "course"},
    "cli": {"chat", "bench", "course", "view"},
}
FLOOR_OF_CHAT = [  # from the top; nobody may use what stands above
    {"server"},
    {"interchange"},
    {"session", "folder", "journal_lines"},
    {"modes", "conditions", "rooms", "presence", "process", "prometheus", "inspection", "stall"},
    {"journey"},
    {"metrics"},
    {"snapshot"},
    {"database_copy"},
    {"parts"},
    {"journal_compressed"},
    {"datafiles", "settings", "journal_format", "knobs"},
    {"protocol"},
    {"own"},
    {"errors", "parent"},
]
SHARED_PARTS = {"files", "disk", "entry", "segment_files", "sqlite_files", "sqlite_database"}


@functools.cache
def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in the file it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole path here"
            # `from chatlab.chat import snapshot` imports a module; of a class, the rest is ignored.
            found |= {f"{node.module}.{name.name}" for name in node.names} | {str(node.module)}
    return found


def importers(package: str) -> set[str]:
    """The files, from chatlab/, that import a package or something in it."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if any(name.split(".")[0] == package for name in imports(path))
    }


def in_chatlab(path: Path) -> Iterator[list[str]]:
    """What a file imports from chatlab, as ["chat", "parts", ...]."""
    for name in sorted(imports(path)):
        if name.startswith("chatlab."):
            yield name.split(".")[1:]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_check() -> None:
    assert "chat/server/app.py" in map(name_of, MODULES)
    assert "chatlab.chat.errors" in imports(ROOT / "chat" / "protocol.py")
    assert "chat/server/app.py" in importers("websockets")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_floor_uses_one_above_it(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0]
    if floor not in BELOW:
        return  # __init__.py and __main__.py, the doors
    used = {names[0] for names in in_chatlab(path)} & BELOW.keys()

    assert used <= BELOW[floor] | {floor}


@pytest.mark.parametrize("path", sorted((ROOT / "chat").glob("*.py")), ids=name_of)
def test_within_chat_nothing_uses_what_stands_above_it(path: Path) -> None:
    if path.stem == "__init__":
        return
    known = set().union(*FLOOR_OF_CHAT)
    assert path.stem in known, f"{path.stem} is new: give it a floor in FLOOR_OF_CHAT"
    (height,) = (n for n, floor in enumerate(FLOOR_OF_CHAT) if path.stem in floor)
    above = set().union(*FLOOR_OF_CHAT[:height])

    used = {names[1] for names in in_chatlab(path) if names[0] == "chat" and len(names) > 1}
    assert used & above == set()


@pytest.mark.parametrize("path", sorted(PARTS_FOLDER.rglob("*.py")), ids=name_of)
def test_a_part_uses_no_other_parts_implementation(path: Path) -> None:
    for names in in_chatlab(path):
        if names == ["chat"]:
            continue  # of `from chatlab.chat import journal_format`, the rest follows
        if names[:2] != ["chat", "parts"]:
            assert names[1] in {
                "datafiles",
                "errors",
                "journal_compressed",
                "journal_format",
                "protocol",
                "settings",
            }, names
        elif len(names) > 2 and names[2] not in SHARED_PARTS:
            assert len(names) == 3 or names[3].startswith("base"), names


def test_the_files_know_nothing_but_the_disk_and_errors() -> None:
    used = {tuple(names[:3]) for names in in_chatlab(PARTS_FOLDER / "files.py")}

    assert {names[:2] for names in used - {("chat", "parts", "disk")}} == {("chat", "errors")}
    assert not list(in_chatlab(PARTS_FOLDER / "disk.py"))


@pytest.mark.parametrize("path", sorted((ROOT / "chat" / "conditions").glob("*.py")), ids=name_of)
def test_conditions_know_nothing_but_the_disk_and_errors(path: Path) -> None:
    used = {tuple(names[1:3]) for names in in_chatlab(path) if names[1] != "conditions"}

    assert used
    assert all(names[0] == "errors" or names == ("parts", "disk") for names in used)


def test_each_implementation_has_a_file_of_its_own_beside_its_base() -> None:
    homes = [part.__module__ for choices in PARTS.values() for part in choices.values()]

    assert len(homes) == len(set(homes))
    for home in homes:
        base = ROOT.parent.joinpath(*home.split(".")).with_name("base.py")
        assert base.exists()


def test_only_the_server_imports_websockets() -> None:
    others = importers("websockets") - {
        "bench/echo.py",  # a server, too, to compare with
        "bench/wire_client.py",  # the load generator's library does not compress
    }
    assert all(name.startswith("chat/server/") for name in others)


def test_only_the_load_generator_imports_picows() -> None:
    assert all(name.startswith("bench/") for name in importers("picows"))


def test_only_the_view_and_the_front_door_import_rich() -> None:
    assert all(name.startswith(("view/", "cli/")) for name in importers("rich"))


@pytest.mark.parametrize("package", ["typer", "click", "prompt_toolkit"])
def test_only_the_front_door_imports(package: str) -> None:
    assert all(name.startswith("cli/") for name in importers(package))


@pytest.mark.parametrize("package", ["exercises", "solutions", "tests"])
def test_nothing_imports_by_name_what_learners_fill_in(package: str) -> None:
    assert importers(package) == set()


OPENERS = {"open", "fdopen", "read_bytes", "write_bytes", "read_text", "write_text"}
OF_OS = {"replace", "rename", "remove", "unlink", "truncate", "fsync", "fdatasync"}


def file_calls(path: Path) -> set[str]:
    """The calls in a file that open, change or remove files, with their lines."""
    calls = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            *owner, name = ast.unparse(node.func).split(".")
            if name in OPENERS or (owner == ["os"] and name in OF_OS):
                calls.add(f"{name}, line {node.lineno}")
    return calls


@pytest.mark.parametrize("path", sorted((ROOT / "chat").rglob("*.py")), ids=name_of)
def test_within_chat_only_files_opens_files(path: Path) -> None:
    if path == PARTS_FOLDER / "disk.py":
        assert len(file_calls(path)) >= 4  # so that the search itself is known to work
    else:
        assert file_calls(path) == set()
