"""What a data folder must hold after a crash, and what it holds when a server opens it again.

The promises that a mode had made at each moment of a recording are pure: only a model of the disk,
no parts. To look into a folder, a fresh store of the same mode starts on it, and everything is read
back. Then one more message is saved, and the folder is opened a second time: damage that a start
only steps over shows here. Read `workload.py` for where a recording comes from.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from chatlab.bench.crash.workload import Recording, opened, public_rooms, read_all
from chatlab.chat.modes import LineUp
from chatlab.data import journal_format, sqlite_database
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.conditions import Milestone
from chatlab.disk.power_loss import State, Volume
from chatlab.errors import ChatlabError, CorruptFile

ONE_MORE_ID = "after-the-crash"
READABLE = (MESSAGES.name, journal_format.PATTERN, sqlite_database.NAME)
"""What `read_saved` can read; other stores keep their messages in a way that only they know."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A moment at which the power may fail.

    Attributes:
        step: the number of the last step that happened.
        promised: ids that must be there afterwards.
        possible: ids that may be there.
    """

    step: int
    promised: frozenset[str]
    possible: frozenset[str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the disk that is not as it should be.

    Attributes:
        cut, words: when the power failed, and how the disk differs from what had been shown.
        lost: ids of promised messages that are missing, in the order of their sending.
        error: why the folder cannot be used; empty if it can.
        wrong: what else is wrong with the messages; empty if nothing is.
    """

    cut: Cut
    words: str
    lost: list[str]
    error: str
    wrong: str


def cuts_of(recording: Recording) -> Iterator[Cut]:
    """The moments worth trying: each change, each sync, and each end of a row of acks.

    Acks in a row leave the disk alone and promise more and more: the last one is the strictest.
    """
    promised: set[str] = set()
    possible = set(recording.base)
    promised_more = False
    yield Cut(step=-1, promised=frozenset(), possible=frozenset(possible))
    for number, step in enumerate(recording.steps):
        if isinstance(step, Milestone):
            if step.what == "sent":
                possible.add(step.message_id)
            else:
                promised |= recording.base.keys() if step.what == "ready" else {step.message_id}
                promised_more = True
            following = recording.steps[number + 1 : number + 2]
            if not promised_more or (following and isinstance(following[0], Milestone)):
                continue
        yield Cut(step=number, promised=frozenset(promised), possible=frozenset(possible))
        promised_more = False


def states_at_cuts(recording: Recording, disk: Volume) -> Iterator[tuple[Cut, list[State], bool]]:
    """Each moment worth trying, what the disk may hold then, and whether there is yet more.

    Args:
        disk: as it was at the beginning of the recording.
    """
    applied = 0
    for cut in cuts_of(recording):
        for number in range(applied, cut.step + 1):
            disk.apply(number, recording.steps[number])
        applied = cut.step + 1
        yield cut, *disk.states()


def what_is_wrong(rooms: dict[str, list[Message]], cut: Cut, recording: Recording) -> str:
    """What is wrong with the messages found, each room's oldest first; empty if nothing.

    Missing ones are not looked for.
    """
    place = {id_: number for number, id_ in enumerate(recording.known)}
    for messages in rooms.values():
        latest: dict[str, int] = {}
        seen: set[str] = set()
        for message in messages:
            if message.id not in cut.possible or recording.known[message.id] != message:
                return f"{message.id} was never sent like this"
            if message.id in seen:
                return f"{message.id} is stored twice"
            if place[message.id] < latest.get(message.sender, -1):
                return f"{message.id} stands after a later message of its sender"
            seen.add(message.id)
            latest[message.sender] = place[message.id]
    return ""


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
