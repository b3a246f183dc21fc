"""Parts that users wrote: how a file is read, run and refused, and what `mine` stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.chat.modes import named, parse
from chatlab.chat.user_parts import (
    ENVIRONMENT,
    UserParts,
    current_user_parts,
    find_class,
    set_user_parts,
    user_line,
)
from chatlab.errors import UsageError

HEAD = "from chatlab.chat.parts.storage_seams import Reader\n"
GOOD = f"""
{HEAD}class Mine(Reader):
    async def read(self, file):
        return file.decode(await self.files.read(file.name))
"""
WRITER = """
from chatlab.chat.parts.storage_seams import Writer
class Mine(Writer):
    async def replace(self, name, data): pass
"""
PROCESSOR = """
from chatlab.chat.parts.message_seams import Processor
class Mine(Processor):
    async def submit(self, entry): pass
    async def drain(self): return []
    def statistics(self): pass
"""


@pytest.fixture
def nothing_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "")


def part(folder: Path, code: str = GOOD) -> Path:
    path = folder / "work.py"
    path.write_text(code, "utf-8")
    return path


# Looked at without being run.


def test_naming_a_mode_runs_none_of_its_files(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = part(tmp_path, f"open({str(ran)!r}, 'w').close()\n{GOOD}")
    found = named(f"naive+reader={path}:Mine")

    assert not ran.exists()
    assert found.user_parts == {"reader": f"{path}:Mine"}
    assert found.parts["reader"] == f"{path}:Mine"
    assert found.parts["writer"] == "truncate"
    parse(f"naive+reader={path}:Mine")
    assert ran.exists()


@pytest.mark.parametrize(
    "code",
    [
        *("class Mine: pass", "def Mine(): pass", "Mine = make()", "Mine: type = make()"),
        *(f"from elsewhere import {what}" for what in ("Mine", "Other as Mine", "*")),
        *("import elsewhere as Mine", "if True:\n    class Mine: pass"),
        "try:\n    import x\nexcept ImportError:\n    class Mine: pass",
        "# -*- coding: latin-1 -*-\nx = '\xe9'\nclass Mine: pass",
    ],
)
def test_a_file_that_defines_the_name_somehow_is_taken(tmp_path: Path, code: str) -> None:
    path = tmp_path / "work.py"
    path.write_text(code, "latin-1")

    assert find_class("reader", f"{path}:Mine", "Reader") == (path, "Mine")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "has no class Mine that extends chatlab.Reader"),
        ("class Other:\n    class Mine: pass", "has no class Mine"),
        ("class Mine(:", "cannot be loaded: SyntaxError: invalid syntax (work.py, line 1), line 1"),
        ("x = '\0'", "work.py is no text: byte 5 is zero"),
    ],
)
def test_a_file_that_cannot_be_taken_is_said_to_be_so(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"work\.py") as caught:
        find_class("reader", f"{part(tmp_path, code)}:Mine", "chatlab.Reader")
    assert said in str(caught.value).replace(str(tmp_path) + "/", "")


def test_a_file_that_is_not_there_or_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.py", "there is no file"), (tmp_path, "cannot read")):
        with pytest.raises(UsageError, match=said):
            find_class("reader", f"{path}:Mine", "chatlab.Reader")


# Run.


def test_the_path_may_hold_a_plus_sign_and_stand_before_another_swap(tmp_path: Path) -> None:
    (tmp_path / "a+b").mkdir()
    code = f"from dataclasses import dataclass\n{GOOD}@dataclass\nclass Slot:\n    value: int = 0\n"
    path = part(tmp_path / "a+b", "from __future__ import annotations\n" + code)
    line_up = parse(f"naive+reader={path}:Mine+writer=atomic")

    assert line_up.classes["reader"].__name__ == "Mine"
    assert line_up.parts["reader"] == f"{path}:Mine"
    assert line_up.parts["writer"] == "atomic"


@pytest.mark.parametrize(
    ("role", "code", "told"),
    [
        ("reader", GOOD + "1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("reader", GOOD + "import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("reader", GOOD + "raise SystemExit(0)", "cannot be loaded: SystemExit"),
        ("reader", "", "has no class Mine that extends chatlab.chat.parts.storage_seams.Reader"),
        ("reader", "Mine = 5", "has no class Mine that extends"),
        ("reader", "class Mine: pass", "has no class Mine that extends"),
        ("reader", HEAD + "class Mine(Reader): pass", "does not yet have: read"),
        ("writer", GOOD, "extends chatlab.chat.parts.storage_seams.Writer"),
        ("writer", WRITER, "does not say its promise"),
        ("processor", PROCESSOR, "does not say its acks_queued"),
    ],
)
def test_a_bad_class_is_explained(tmp_path: Path, role: str, code: str, told: str) -> None:
    with pytest.raises(UsageError, match=r"work\.py") as caught:
        parse(f"naive+{role}={part(tmp_path, code)}:Mine")
    assert told in str(caught.value)


# What `mine` stands for.


@pytest.mark.usefixtures("nothing_handed_on")
def test_what_mine_is_is_handed_on_by_the_environment() -> None:
    assert current_user_parts() is None
    what = UserParts({"reader": "work.py:Mine"}, {"reader": "02_cache"}, ["reader"], {"batch": "5"})
    set_user_parts(what)

    assert current_user_parts() == what


@pytest.mark.usefixtures("nothing_handed_on")
@pytest.mark.parametrize("mode", ["mine", "naive+reader=mine"])
def test_mine_without_a_course_is_explained(mode: str) -> None:
    with pytest.raises(UsageError, match="there is no course here: `chatlab learn init"):
        named(mode)


@pytest.mark.usefixtures("nothing_handed_on")
def test_mine_is_what_is_solved_and_naive_for_the_rest(tmp_path: Path) -> None:
    path = part(tmp_path)
    parts = {"reader": f"{path}:Mine", "writer": f"{path}:Mine"}
    set_user_parts(UserParts(parts, {"reader": "02_cache", "writer": "03_atomic"}, ["reader"]))
    found = named("mine")

    assert found.parts["reader"] == "mine:02_cache"
    assert found.parts["writer"] == "truncate"
    assert found.user_parts == {"reader": f"{path}:Mine"}
    assert named("naive+writer=mine").parts["writer"] == "mine:03_atomic"
    assert named("mine+reader=ttl").user_parts == {}
    with pytest.raises(UsageError, match="none of your exercises is about the lock"):
        named("naive+lock=mine")
    assert parse("mine").classes["reader"].__name__ == "Mine"


# Which line an error came through.


def test_an_error_names_the_users_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part(tmp_path, GOOD + "\n    def fails(self):\n        return 1 / 0\n")
    monkeypatch.chdir(tmp_path)  # a path that is named from here is still known there
    reader = parse("naive+reader=./work.py:Mine").classes["reader"]
    with pytest.raises(ZeroDivisionError) as caught:
        reader.fails(None)  # type: ignore[attr-defined]

    assert user_line(caught.value) == " (work.py, line 8)"
    wrapped = RuntimeError()
    wrapped.__cause__ = caught.value
    assert user_line(wrapped) == " (work.py, line 8)"
    assert user_line(RuntimeError()) == ""
