"""Who may know whom, read from the imports: the rules of the house, kept by a test."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatlab
from chatlab.chat.modes import PARTS
from chatlab.cli.app import LABS

ROOT = Path(chatlab.__file__).parent
PARTS_FOLDER = ROOT / "chat" / "parts"
MODULES = sorted(ROOT.rglob("*.py"))
GROUND = {"errors", "plain_text", "child_process", "signals"}
FLOORS = ("disk", "data", "chat", "bench", "course", "view", "labs", "cli")
BELOW: dict[str, set[str]] = {  # what a floor of the house may use; each may use itself
    **{floor: GROUND.union(FLOORS[:height]) for height, floor in enumerate(FLOORS)},
    "errors": set(),
    "plain_text": set(),
    "child_process": {"errors"},
    "signals": set(),
    "disk": {"errors"},
    "data": {"errors", "disk"},
}
FLOOR_OF_CHAT = [  # from the top; nobody may use what stands above
    *(
        {"server_job"},
        {"server"},
        {"interchange"},
        {"session"},
        {"room_lists"},
        {"modes", "rooms", "process", "rules", "secret"},
        {"rates", "making_way"},
    ),
    *(
        {"outcome"},
        {"trace", "metrics", "turns"},
        {"snapshot"},
        {"parts"},
        {"settings"},
        {"protocol"},
    ),
    {"bad_frames"},
    {"user_parts"},
]
IMPLEMENTATIONS = {part.__module__ for choices in PARTS.values() for part in choices.values()}


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """The syntax of a file, all of it."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a file: `os.path.join` and such, and the call."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@functools.cache
def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in the file it does so."""
    found: set[str] = set()
    for node in nodes(path):
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
        name_of(path)
        for path in MODULES
        if any(name.split(".")[0] == package for name in imports(path))
    }


def in_chatlab(path: Path) -> list[list[str]]:
    """What a file imports from chatlab, as ["chat", "parts", ...]."""
    return [name.split(".")[1:] for name in sorted(imports(path)) if name.startswith("chatlab.")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_check() -> None:
    assert "chat/server/app.py" in map(name_of, MODULES)
    assert "chatlab.errors" in imports(ROOT / "chat" / "protocol.py")
    assert "chat/server/app.py" in importers("websockets")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_floor_uses_one_above_it(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0].removesuffix(".py")
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
        if names[0] != "chat" or len(names) < 2:
            continue
        if names[1] != "parts":
            assert names[1] in {"protocol", "settings"}, names
        elif len(names) > 3:
            assert ".".join(["chatlab", *names[:4]]) not in IMPLEMENTATIONS, names
            same_folder = names[2] == path.parent.name
            assert same_folder or not (PARTS_FOLDER / names[2] / f"{names[3]}.py").exists(), names


@pytest.mark.parametrize("name", LABS)
def test_a_lab_is_one_folder_and_uses_no_other_lab(name: str) -> None:
    folder = ROOT / "labs" / name
    assert {"README.md", "measure.py"} <= {path.name for path in folder.iterdir()}
    for path in folder.rglob("*.py"):
        used = {names[1] for names in in_chatlab(path) if names[0] == "labs" and names[1:]}
        assert used <= {"base", "screen", name}, path


def test_each_implementation_has_a_file_of_its_own_in_the_folder_of_its_part() -> None:
    homes = [
        (part.__module__.rpartition(".")[0], part.__module__)
        for choices in PARTS.values()
        for part in choices.values()
    ]
    folders = [f"chatlab.chat.parts.{role}" for role, choices in PARTS.items() for _ in choices]

    assert [folder for folder, _ in homes] == folders
    assert len({module for _, module in homes}) == len(homes)


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        # The ceilings are a server, too; the load generator's library does not compress.
        (
            "websockets",
            "chat/server/ chat/parts/message_seams.py chat/parts/transport/ bench/machine.py "
            "labs/compression/wire_client.py",
        ),
        ("picows", "bench/client.py labs/generator/sink.py"),
        ("rich", "view/ labs/ cli/"),
        *((package, "cli/") for package in ("typer", "click", "prompt_toolkit")),
        *((for_learners, "") for for_learners in ("exercises", "solutions", "tests")),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(package: str, homes: str) -> None:
    assert [name for name in importers(package) if not name.startswith(tuple(homes.split()))] == []


OPENERS = {"open", "fdopen", "read_bytes", "write_bytes", "read_text", "write_text"}
OF_OS = {
    f"os.{name}"
    for name in ("replace", "rename", "remove", "unlink", "truncate", "fsync", "fdatasync")
}


def file_calls(path: Path) -> set[str]:
    """The calls in a file that open, change or remove files, with their lines."""
    return {
        f"{call}, line {node.lineno}"
        for call, node in calls(path)
        if call.split(".")[-1] in OPENERS or call in OF_OS
    }


@pytest.mark.parametrize(
    "path",
    sorted(path for floor in ("chat", "data", "disk") for path in (ROOT / floor).rglob("*.py")),
    ids=name_of,
)
def test_only_the_disk_opens_files(path: Path) -> None:
    if path == ROOT / "disk" / "counted.py":
        assert len(file_calls(path)) >= 4  # so that the search itself is known to work
    elif path != ROOT / "disk" / "replacement.py":
        assert file_calls(path) == set()


def test_every_exit_code_has_its_one_name() -> None:
    """No module but `errors` names a number that a process ends with: see `ExitCode`."""
    for path in MODULES:
        for call, node in calls(path):
            if call in ("sys.exit", "os._exit"):
                assert not [one for one in node.args if isinstance(one, ast.Constant)], path
        assigned = [node.targets[0] for node in nodes(path) if isinstance(node, ast.Assign)]
        assert not [one for one in assigned if ast.unparse(one).startswith("EXIT_")], path


def test_no_class_name_means_two_things() -> None:
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(name_of(path))

    twice = {name: where for name, where in homes.items() if len(where) > 1}
    # A mistake and its cure are one part, written twice: that is the pitfalls lab's point.
    assert set(twice) <= {"CompressingWriter"}


def test_the_readers_way_stays_short() -> None:
    chat, bench = ((ROOT / floor / "README.md").read_text("utf-8") for floor in ("chat", "bench"))
    chat = chat.split("Then read the difference")[0]
    bench = bench.split("## The way of one comparison")[1]
    way = [ROOT.parent / "README.md"]
    way += [ROOT / "chat" / name for name in re.findall(r"\]\(((?!\.\.)\S+\.py)\)", chat)]
    way += [ROOT / name for name in re.findall(r"^\| `(\S+\.py)` \|", bench, re.MULTILINE)]

    assert len(way) >= 20
    assert sum(len(path.read_text("utf-8").splitlines()) for path in way) <= 3_000


STARTERS = {"create_subprocess_exec", "create_subprocess_shell", "Popen"}


def test_one_module_starts_child_processes() -> None:
    """Except for those that need a terminal, or run whole commands."""
    starting = {
        name_of(path)
        for path in MODULES
        if STARTERS & {call.split(".")[-1] for call, _ in calls(path)}
    }

    assert starting == {
        "child_process.py",
        "cli/user_parts.py",  # the child has our terminal
        "course/verify.py",  # runs the commands of the lessons
        "labs/watching/measure.py",  # the child has a pseudo-terminal
    }


def test_one_console_shows_every_text_and_none_of_it_is_markup() -> None:
    """Rich's own reads `[red]` in a user's text as a command: see `view/console.py`."""
    reading = {"from_markup", "Console", "TextColumn", "Status", "Spinner", "get_console"}
    found = {
        (name_of(path), name)
        for path in MODULES
        for call, node in calls(path)
        if (name := call.split(".")[-1]) in reading
        and not any(one.arg == "markup" for one in node.keywords)
    }
    assert not found


def test_no_style_names_a_colour_that_the_terminal_chooses() -> None:
    """Its yellow and cyan cannot be read on white, its grey not on black: see `view/words.py`. And
    how pale "dim" is, each terminal decides for itself."""
    colours = "dim|red|green|yellow|blue|magenta|cyan|white|black"
    style = re.compile(rf"(\w+ )*(bright_)?({colours})")
    found = {
        f"{name_of(path)}:{node.lineno}: {node.value}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and style.fullmatch(node.value)
    }
    assert not found
