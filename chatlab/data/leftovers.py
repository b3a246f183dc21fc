"""What strangers left behind in `chatrooms.json`, and how to remove it: `chatlab data prune`.

A server makes way by itself when there is no more room (`chat/rooms.py`). This goes further, while
no server runs: it reads all messages, so it knows who has said something, and where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import msgspec

from chatlab.data.folder import locked, read_list
from chatlab.data.inspection import names_in
from chatlab.data.readers import READERS
from chatlab.data.records import CHATROOMS, USERS, Room
from chatlab.disk.counted import Disk
from chatlab.errors import StorageError, UsageError


class Leftovers(msgspec.Struct, kw_only=True):
    """What strangers left behind.

    A stranger here is a participant who is not in `users.json`.

    Attributes:
        removed: whether it was removed, or only looked for.
        rooms: the ids of those without a message, in which nobody but strangers is.
        participants: of each other public room, the strangers who have said nothing in any room.
            They may join again. Who is in a private room is for its members to say.
        totals: participants of each of these rooms, strangers and all.
    """

    schema: str = "chatlab.leftovers/1"
    folder: str
    removed: bool
    rooms: list[str]
    participants: dict[str, list[str]]
    totals: dict[str, int]


def leftovers(
    folder: Path, *, remove: bool = False, pause: Callable[[float], None] = time.sleep
) -> Leftovers:
    """Look for what strangers left behind, and remove it if asked to.

    Args:
        remove: in one step: a crash leaves the rooms as they were, or as they shall be.
        pause: waits before another look at a file that a running server may be rewriting.

    Raises:
        UsageError: there is no such folder; or, to remove something, a server uses it.
        StorageError: a file is damaged, or cannot be read or written; nothing was changed.
    """
    disk = Disk(folder)
    names_in(disk)  # before the lock, which would make the folder
    with locked(folder) if remove else nullcontext():
        users = {user.id for user in read_list(disk, USERS, pause)}
        rooms = read_list(disk, CHATROOMS, pause)
        speakers, spoken_in = _speakers(disk, pause)

        def is_left(room: Room) -> bool:
            return room.id not in spoken_in and users.isdisjoint(room.participants)

        silent = {
            room.id: [n for n in room.participants if n not in users and n not in speakers]
            for room in rooms
            if not room.private and not is_left(room)
        }
        found = Leftovers(
            folder=str(folder),
            removed=remove,
            rooms=[room.id for room in rooms if is_left(room)],
            participants={room_id: names for room_id, names in silent.items() if names},
            totals={room.id: len(room.participants) for room in rooms if silent.get(room.id)},
        )
        if remove and (found.rooms or found.participants):
            kept = [_without(room, silent.get(room.id, [])) for room in rooms if not is_left(room)]
            try:
                disk.replace(CHATROOMS.name, CHATROOMS.encode(kept))
            except OSError as error:
                raise StorageError.from_os("write", CHATROOMS.name, error) from error
    return found


def _speakers(disk: Disk, pause: Callable[[float], None]) -> tuple[set[str], set[str]]:
    """Who has said something, and in which rooms; in any of the folder's stores."""
    names, speakers, rooms = names_in(disk), set(), set()
    readers = [one for make in READERS.values() if (one := make(disk, names, pause)).files]
    if not readers:
        raise UsageError(
            f"{disk.folder} has no messages that chatlab can read, so it cannot tell who has said "
            "nothing"
        )
    for reader in readers:
        for message in reader.undamaged():
            speakers.add(message.sender)
            rooms.add(message.room_id)
    return speakers, rooms


def _without(room: Room, gone: list[str]) -> Room:
    absent = set(gone)
    left = tuple(name for name in room.participants if name not in absent)
    return msgspec.structs.replace(room, participants=left)
