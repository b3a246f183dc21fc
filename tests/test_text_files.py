"""What people write is read whatever editor saved it, or its encoding is named; for each reader."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chatlab.bench import scenario
from chatlab.chat.user_parts import find_class
from chatlab.cli.secret import given_secret
from chatlab.course import catalog
from chatlab.course.judge import judge
from chatlab.course.solved_parts import knobs_of
from chatlab.data import inspection
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, DataFile
from chatlab.disk.text_files import FILE_BYTES_MAX, read_text
from chatlab.errors import ChatlabError, CorruptFile, UsageError
from tests.support.command_line import run_here

NOTE = "été"  # in Latin-1, no UTF-8
MARK = codecs.BOM_UTF8

READ: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "a mark": lambda text: MARK + text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "a mark and CRLF": lambda text: MARK + text.replace("\n", "\r\n").encode(),
    "no last line feed": lambda text: text.rstrip().encode(),
}
REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "UTF-16": (lambda text: text.encode("utf-16"), "is saved as UTF-16: save it as UTF-8"),
    "UTF-16-LE": (lambda text: text.encode("utf-16-le"), "is saved as UTF-16"),
    "UTF-16-BE": (lambda text: text.encode("utf-16-be"), "is saved as UTF-16"),
    "UTF-32": (lambda text: text.encode("utf-32"), "is saved as UTF-32"),
    "UTF-32-LE": (lambda text: text.encode("utf-32-le"), "is saved as UTF-32"),
    "UTF-32-BE": (lambda text: text.encode("utf-32-be"), "is saved as UTF-32"),
    "Latin-1": (lambda text: text.encode("latin-1"), "has the byte 0xE9; Latin-1, perhaps"),
    "zeros": (lambda text: text.encode() + bytes(9), "is zero, as a crash or a full disk may"),
}

SPEC = (
    'title = "été"\ngoal = "g"\nobjectives = []\nhints = []\nclass = "Mine"\n'
    '[[checks]]\nname = "one"\npoints = 1\n'
)


def a_scenario(path: Path) -> object:
    return scenario.load(str(path))


def an_exercise(path: Path) -> object:
    return catalog.load(path.parent, path.parent)


async def a_judged_file(path: Path) -> object:
    (path.parent / catalog.SPEC).write_text(SPEC, "utf-8")
    judged = await judge(catalog.load(path.parent, path.parent), path)
    if "it has no class Mine" not in judged.broken:  # this says that it was read
        raise UsageError(judged.broken)
    return judged


def a_file_of(file: DataFile[list[object]]) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        return file.decode(path.read_bytes())

    return read


def an_import(path: Path) -> object:
    done = run_here(
        "data", "import", "d", "--from", path.name, "--into", "json", folder=path.parent
    )
    if done.code:
        raise UsageError(done.complaint)
    (path.parent / "d" / MESSAGES.name).unlink()
    return done


def an_inspection(path: Path) -> object:
    if damage := inspection.inspect(path.parent).damage:
        raise UsageError(str(damage))
    return damage


MESSAGE = (
    '[{"id":"1","roomId":"r","sender":"a","content":"été","timestamp":"2026-01-01T00:00:00Z"}]'
)
READERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a scenario": (a_scenario, "mine.toml", f'name = "mine"\nwords = "{NOTE}"\n'),
    "exercise.toml": (an_exercise, catalog.SPEC, SPEC),
    "a text of the course": (read_text, "README.md", f"# {NOTE}\n\nRead it.\n"),
    "work.py, judged": (a_judged_file, "work.py", f'"""{NOTE}"""\n\nBATCH = 1\n'),
    "work.py, its knobs": (
        knobs_of, "work.py", f"# {NOTE}\nBATCH_SIZE = 100\nFLUSH_INTERVAL_S = 0.05\n"),
    "a part": (
        lambda path: find_class("store", f"{path}:Mine", "Store"), "part.py",
        f"# {NOTE}\nclass Mine:\n    pass\n"),
    "a secret": (lambda path: given_secret(None, path), "token", "hush-hush-hush-hush\n# été\n"),
    "users.json": (a_file_of(USERS), "users.json", f'[{{"id":"a",\n"name":"{NOTE}"}}]\n'),
    "chatrooms.json": (a_file_of(CHATROOMS), "chatrooms.json", f'[{{"id":"r","name":"{NOTE}"}}]\n'),
    "messages.json": (an_inspection, "messages.json", f"{MESSAGE}\n"),
    "an import": (an_import, "others.json", f"{MESSAGE}\n"),
}  # fmt: skip


async def outcome(read: Callable[[Path], object], path: Path) -> object:
    found = read(path)
    return await found if hasattr(found, "__await__") else found  # type: ignore[misc]


@pytest.mark.parametrize("kind", READERS)
async def test_a_file_is_read_however_it_was_saved(kind: str, tmp_path: Path) -> None:
    read, name, text = READERS[kind]
    found = []
    for save in READ.values():
        (tmp_path / name).write_bytes(save(text))
        found.append(await outcome(read, tmp_path / name))
    found = [one.rstrip() if isinstance(one, str) else one for one in found]
    assert [one for one in found if one != found[0]] == []


@pytest.mark.parametrize("kind", READERS)
async def test_another_encoding_is_named_and_so_is_the_file(kind: str, tmp_path: Path) -> None:
    read, name, text = READERS[kind]
    for encoding, (save, said) in REFUSED.items():
        if kind == "a secret" and encoding in ("Latin-1", "zeros"):
            continue  # they are beyond its first line
        (tmp_path / name).write_bytes(save(text))
        with pytest.raises(ChatlabError) as caught:
            await outcome(read, tmp_path / name)
        assert said in str(caught.value), encoding
        assert name in str(caught.value)
        assert "\x00" not in str(caught.value)


def test_a_source_may_name_its_encoding_as_python_has_it(tmp_path: Path) -> None:
    part = tmp_path / "part.py"
    part.write_bytes(b"# coding: latin-1\nclass Mine:\n    'ete \xe9'\n")
    assert find_class("store", f"{part}:Mine", "Store") == (part, "Mine")
    part.write_bytes(b"# coding: klingon\nclass Mine:\n    pass\n")
    with pytest.raises(UsageError, match=r"part.py names an encoding .*klingon"):
        find_class("store", f"{part}:Mine", "Store")


def test_an_empty_a_cut_off_and_a_huge_file_are_told_and_so_is_a_folder(tmp_path: Path) -> None:
    for data, said in [(b"", "it is empty"), (b'["\xc3', "ends in the middle of a character")]:
        with pytest.raises(CorruptFile, match=said):
            USERS.decode(data)
    huge = tmp_path / "huge.toml"
    with huge.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(UsageError, match=r"huge.toml has over 10,000,000 bytes"):
        read_text(huge)
    with pytest.raises(UsageError, match="cannot read"):
        read_text(tmp_path)


def test_a_file_without_a_mark_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server reads the rooms for each message: a look at the mark comes after a failure only."""
    monkeypatch.setattr(DataFile, "_decoded_again", None)
    assert USERS.decode(msgspec.json.encode([])) == []
