"""A data folder after a crash, opened again as a server would: is it usable, and what is in it?

A fresh store of the same mode starts on it, and everything is read back. Then one more message is
saved, and the folder is opened a second time: damage that a start only steps over shows here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chatlab.bench.labs.crash.recording import StepByStep, public_rooms, put_together, read_all
from chatlab.chat.errors import ChatlabError
from chatlab.chat.folder import DataFolder
from chatlab.chat.modes import LineUp
from chatlab.chat.protocol import Message

ONE_MORE_ID = "after-the-crash"


class Reopened(NamedTuple):
    """What was found.

    Attributes:
        rooms: the messages of each room, oldest first; empty if there is an error.
        error: why the folder cannot be used; empty if it can.
    """

    rooms: dict[str, list[Message]]
    error: str


async def reopen(line_up: LineUp, files: dict[str, bytes], folder: Path) -> Reopened:
    """Put files into a folder, in place of whatever is there, and open it twice."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        found = await _open(line_up, folder, add_one=True)
        again = await _open(line_up, folder, add_one=False)
    except ChatlabError as error:
        return Reopened({}, str(error))
    except Exception as error:  # a bug that a crash brings to light is a finding, not our end
        return Reopened({}, f"{type(error).__name__}: {error}")
    return Reopened(found, _difference(found, again))


async def _open(line_up: LineUp, folder: Path, *, add_one: bool) -> dict[str, list[Message]]:
    kept_in = line_up.classes["store"].kept_in  # type: ignore[attr-defined]
    data = DataFolder(folder, kept_in=kept_in)
    async with data as path:
        rooms = public_rooms(path)
        files = StepByStep(path)
        store = put_together(line_up, files).store
        try:
            await store.start(data.starting)
            found = await read_all(store, rooms)
            if add_one:
                await store.save([_one_more(rooms[0])])
            await store.close()
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                await store.close()
            raise
        finally:
            files.close()
    return found


def _one_more(room_id: str) -> Message:
    return Message(ONE_MORE_ID, room_id, "alice", "still here", "2026-01-01T00:01:00.000Z")


def _difference(found: dict[str, list[Message]], again: dict[str, list[Message]]) -> str:
    """What is wrong with the second opening; empty if it shows the first one, and one more."""
    before, after = list(_ids(found)), list(_ids(again))
    if ONE_MORE_ID not in after:
        return "it opens, but a message that is saved then is gone at the next start"
    after.remove(ONE_MORE_ID)
    if before != after:
        return "it opens, but after one more message the next start finds other ones"
    return ""


def _ids(rooms: dict[str, list[Message]]) -> Iterable[str]:
    return (message.id for messages in rooms.values() for message in messages)
