"""What lies in a data folder: read straight from the files, by none of the server's parts.

What a store of someone's own has saved, in a format of its own, is found by `saved_by_store.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from chatlab.data import journal_compressed as packed
from chatlab.data import journal_format as journal
from chatlab.data.database_copy import database_copy
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.errors import CorruptFile, StorageError


class SavedMessages(msgspec.Struct, frozen=True):
    """What lies in a data folder.

    Attributes:
        messages: in the order of the file; what can be read of it, if it is damaged.
        damaged: files that do not hold what they should.
        why: what is damaged, in words; empty if nothing is, or if there are no words for it.
    """

    messages: list[Message]
    damaged: int
    why: str = ""


Keep = Callable[[Message], bool]


def read_saved(folder: Path, keep: Keep = lambda _message: True) -> SavedMessages:
    """Read the data files of a server that does not run.

    Messages are looked for in a journal, else in a database, else in `messages.json`.

    Args:
        folder: the data folder.
        keep: which messages are wanted: of a long history, memory need not hold the rest.
    """
    damaged = damaged_lists(folder)
    if segments := packed.segments_among(path.name for path in folder.iterdir()):
        messages, broken = _read_journal([folder / name for name in segments], keep)
    elif (folder / DATABASE).exists():
        messages, broken = _read_database(folder, keep)
    else:
        messages, broken = _read_json(folder, keep)
    return SavedMessages(messages, damaged + broken)


def damaged_lists(folder: Path) -> int:
    """How many of the files of users and rooms do not hold what they should."""
    damaged = 0
    for file in (USERS, CHATROOMS):
        try:
            file.decode((folder / file.name).read_bytes())
        except (CorruptFile, OSError):
            damaged += 1
    return damaged


def _read_json(folder: Path, keep: Keep) -> tuple[list[Message], int]:
    try:
        messages = MESSAGES.decode((folder / MESSAGES.name).read_bytes())
        return list(filter(keep, messages)), 0
    except (CorruptFile, OSError):
        return [], 1


def _read_journal(segments: list[Path], keep: Keep) -> tuple[list[Message], int]:
    """Every segment must be whole, and begin where the one before it ends."""
    messages: list[Message] = []
    damaged = 0
    end: int | None = 0  # None after one of which nobody knows how long it was
    for path in segments:
        base = journal.base_of(path.name)
        damaged += end is not None and end != base
        try:
            data = packed.plain_bytes(path.name, path.read_bytes())
            found = journal.scan(path.name, data)
        except CorruptFile:
            damaged, end = damaged + 1, None
            continue
        damaged += found.torn > 0
        messages += filter(keep, (one.message for one in journal.records(path.name, data)))
        end = base + len(data)
    return messages, damaged


def _read_database(folder: Path, keep: Keep) -> tuple[list[Message], int]:
    messages: list[Message] = []
    try:
        with database_copy(folder) as database:
            messages.extend(filter(keep, database.messages()))
            database.check()
    except StorageError:
        return messages, 1
    return messages, 0
