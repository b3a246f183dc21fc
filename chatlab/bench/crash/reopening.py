"""A data folder after a crash, opened again as a server would: is it usable, and what is in it?

A fresh store of the same mode starts on it, and everything is read back. Then one more message is
saved, and the folder is opened a second time: damage that a start only steps over shows here.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chatlab.bench.crash.workload import opened, public_rooms, read_all
from chatlab.chat.modes import LineUp
from chatlab.data import journal_format, sqlite_database
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.errors import ChatlabError, CorruptFile

ONE_MORE_ID = "after-the-crash"
READABLE = (MESSAGES.name, journal_format.PATTERN, sqlite_database.NAME)
"""What `read_saved` can read; other stores keep their messages in a way that only they know."""


class Reopened(NamedTuple):
    """What was found.

    Attributes:
        rooms: the messages of each room, oldest first; empty if there is an error.
        error: why the folder cannot be used; empty if it can.
    """

    rooms: dict[str, list[Message]]
    error: str


async def reopen(line_up: LineUp, files: dict[str, bytes], folder: Path) -> Reopened:
    """Replace a folder's content by files, and open it twice."""
    _put(files, folder)
    try:
        found = await _open(line_up, folder, add_one=True)
        again = await _open(line_up, folder, add_one=False)
    except ChatlabError as error:
        return Reopened({}, without_folder(str(error), folder))
    except Exception as error:  # a bug that a crash brings to light is a finding, not our end
        return Reopened({}, without_folder(f"{type(error).__name__}: {error}", folder))
    return Reopened(found, _difference(found, again))


def without_folder(error: str, folder: Path) -> str:
    """An error without the temporary folder's name, which says nothing and changes each time."""
    error = error.removeprefix(f"cannot start on the data folder {folder}: ")
    return error.replace(str(folder), "(data folder)")


async def contents_of(line_up: LineUp, folder: Path) -> list[Message]:
    """All messages in a data folder that no server uses.

    Read straight from the files where that is possible: so that a store cannot vouch for itself.

    Raises:
        StorageError: a file is damaged.
    """
    if line_up.classes["store"].kept_in not in READABLE:  # type: ignore[attr-defined]
        by_room = await _open(line_up, folder, add_one=False)
        return [message for messages in by_room.values() for message in messages]
    saved = read_saved(folder)
    if saved.damaged:
        raise CorruptFile("the data folder", f"{saved.damaged} damaged files")
    return saved.messages


async def _open(line_up: LineUp, folder: Path, *, add_one: bool) -> dict[str, list[Message]]:
    async with opened(line_up, folder) as (parts, starting):
        rooms, store = public_rooms(folder), parts.store
        try:
            await store.start(starting)
            found = await read_all(store, rooms)
            if add_one:
                await store.save([_one_more(rooms[0])])
            await store.close()
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                await store.close()
            raise
    return found


def _put(files: dict[str, bytes], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _one_more(room_id: str) -> Message:
    return Message(ONE_MORE_ID, room_id, "alice", "still here", "2026-01-01T00:01:00.000Z")


def _difference(found: dict[str, list[Message]], again: dict[str, list[Message]]) -> str:
    """What is wrong with the second opening; empty if it shows the first one, and one more."""
    after = _ids(again)
    if ONE_MORE_ID not in after:
        return "it opens, but a message that is saved then is gone at the next start"
    if [id_ for id_ in after if id_ != ONE_MORE_ID] != _ids(found):
        return "it opens, but after one more message the next start finds other ones"
    return ""


def _ids(rooms: dict[str, list[Message]]) -> list[str]:
    return [message.id for messages in rooms.values() for message in messages]
