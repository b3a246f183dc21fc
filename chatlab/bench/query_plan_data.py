"""The databases that `query_plan.py` measures: copied from a data folder, or made up.

Only `copy_database` reads a folder of the user's; nothing here writes into one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from chatlab.chat.errors import UsageError
from chatlab.chat.folder import generated_history
from chatlab.chat.parts.disk import Disk
from chatlab.chat.parts.sqlite_database import FILLING, LOG, NAME, Database
from chatlab.chat.parts.stores.base import FILL_AT_ONCE
from chatlab.chat.protocol import Message

COPIES_MAX = 10
LOG_HEADER_BYTES = 32
ROOMS_SPOKEN_IN = 8

BUSY_ROOMS = ["general", "random", "new-years-eve"]
QUIET_ROOM, QUIET_MESSAGES = "book-club", 20


def copy_database(source: Path, target: Path) -> None:
    """Copy a database and its log, as they were at one moment, even while a server writes.

    The log is copied last. So it holds all that a checkpoint may have written while the database
    was copied, unless it was begun anew meanwhile: then its header has changed (the salts in
    https://sqlite.org/fileformat2.html#walformat), and both are copied again.

    Raises:
        UsageError: it never stood still for long enough.
        OSError: the system says no.
    """
    for _ in range(COPIES_MAX):
        before = _header(source / LOG)
        shutil.copyfile(source / NAME, target / NAME)
        (target / LOG).unlink(missing_ok=True)
        if before:
            try:
                shutil.copyfile(source / LOG, target / LOG)
            except FileNotFoundError:
                continue
        if before == _header(source / LOG) == _header(target / LOG):
            return
    raise UsageError(f"{source / NAME} changes too fast to be copied: try again when it is calmer")


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(LOG_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def make_database(folder: Path, count: int) -> None:
    """Make a database of generated messages."""
    disk = Disk(folder)
    database = Database(disk, FILLING)
    database.begin_filling()
    rest = _example(count)
    while part := list(islice(rest, FILL_AT_ONCE)):
        database.fill(part)
    database.end_filling()
    disk.rename(FILLING, NAME)


def _example(count: int) -> Iterator[Message]:
    """Generated messages; the first ones in a room where nobody has spoken since."""
    quiet = min(QUIET_MESSAGES, count // 2)
    for number, one in enumerate(generated_history(count, BUSY_ROOMS)):
        yield msgspec.structs.replace(one, room_id=QUIET_ROOM) if number < quiet else one


def new_batches(rooms: list[str], batches: int, size: int) -> Iterator[list[Message]]:
    """Batches of new messages in some of the rooms; their ids sort behind all others, as new ones
    do."""
    for begin in range(0, batches * size, size):
        yield [
            Message(
                f"~explain-{number:08d}",
                rooms[number % min(len(rooms), ROOMS_SPOKEN_IN)],
                "alice",
                "Happy New Year to all of you, wherever you are!",
                "2026-01-01T00:00:00.000Z",
            )
            for number in range(begin, begin + size)
        ]
