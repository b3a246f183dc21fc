"""What `query_plan.py` measures with: a database that is made up, and messages to save."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from chatlab.data.folder import generated_history
from chatlab.data.records import Message
from chatlab.data.sqlite_database import FILLING, NAME, Database
from chatlab.disk.counted import Disk

ROOMS_SPOKEN_IN = 8

BUSY_ROOMS = ["general", "random", "new-years-eve"]
QUIET_ROOM, QUIET_MESSAGES = "book-club", 20


def make_database(folder: Path, count: int) -> None:
    """Make a database of generated messages."""
    disk = Disk(folder)
    Database.fill_new(disk, _example(count))
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
