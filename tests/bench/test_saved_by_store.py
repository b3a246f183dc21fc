"""What a user's store has saved is found in a child process, whatever the store does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chatlab.bench.rounds import measure_round
from chatlab.bench.saved_by_store import read_saved_by_store
from chatlab.bench.scenario import Scenario
from chatlab.data.readers import SavedMessages
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message, Room

JOURNAL = Path(__file__).parents[2] / "solutions" / "09_journal" / "work.py"
HEAD = """
import os, sys, time
from chatlab.errors import StorageError
from chatlab.chat.protocol import Message
from chatlab.chat.parts.storage_seams import Store

def message(id_, room="general"):
    return Message(id_, room, "alice", id_, "2026-01-01T00:00:00.000Z")

class MyStore(Store):
    kept_in = "my-*.log"
    promise = "written"
    async def save(self, batch):
        self.__dict__.setdefault("kept", []).extend(batch)
        await self.files.append("my-1.log", b"something", fsync=True)
    async def history(self, room_id, limit):
        return [one for one in self.__dict__.get("kept", []) if one.room_id == room_id][-limit:]
"""


START = "    async def start(self, starting=()): "
HISTORY = "    async def history(self, room_id, limit): return "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a server that has stopped."""
    made = tmp_path / "data"
    made.mkdir()
    (made / USERS.name).write_bytes(USERS.encode([]))
    rooms = [Room("general", "General"), Room("secret", "Secret", ("bob",), private=True)]
    (made / CHATROOMS.name).write_bytes(CHATROOMS.encode(rooms))
    return made


def a_store(folder: Path, more: str = "") -> str:
    """A mode whose store does what `more` says."""
    path = folder.parent / "mystore.py"
    path.write_text(HEAD + more, encoding="utf-8")
    return f"naive+store={path}:MyStore"


def said(id_: str, room_id: str = "general") -> Message:
    return Message(id_, room_id, "alice", id_, "2026-01-01T00:00:00.000Z")


STORES = {
    "messages of every room": (
        HISTORY + "[message(f'{room_id} {n}', room_id) for n in range(2)]",
        [said(f"{room} {n}", room) for room in ("general", "secret") for n in range(2)],
        "",
    ),
    "what it prints is no message": (
        """
    async def history(self, room_id, limit):
        print("hello", flush=True)
        os.write(1, b"\\0" * 7 + b"\\1x")
        return [message("a", room_id)]
""",
        [said("a"), said("a", "secret")],
        "",
    ),
    "what came before the trouble counts": (
        """
    async def history(self, room_id, limit):
        if room_id == "secret":
            raise StorageError("read", "my-1.log", "the second half is gone")
        return [message("a")]
""",
        [said("a")],
        "cannot read my-1.log: the second half is gone",
    ),
    "an error at its start": (
        START + "raise StorageError('read', 'x', 'gone')",
        [],
        "cannot read x: gone",
    ),
    "a bug at its start": (START + "return {}[1]", [], "KeyError: 1 (mystore.py, line 18)"),
    "an exit": (START + "sys.exit(7)", [], "SystemExit: 7 (mystore.py, line 18)"),
    "the end of the process": (START + "os._exit(7)", [], "it ended its process (exit code 7)"),
    "no history": (HISTORY + "None", [], "TypeError: 'NoneType' object is not iterable"),
    "a history of something else": (
        HISTORY + "[{'id': 'a'}]",
        [],
        "TypeError: history returned an object of type dict instead of a message",
    ),
}
"""What a store does, the messages that are found, and why some may be missing."""


@pytest.mark.parametrize("case", STORES)
async def test_whatever_a_store_does_is_found(case: str, folder: Path) -> None:
    more, messages, why = STORES[case]
    saved = await read_saved_by_store(a_store(folder, more), folder)
    assert saved == SavedMessages(messages, bool(why), why)


async def test_only_messages_that_are_wanted_are_kept(folder: Path) -> None:
    mode = a_store(folder, HISTORY + "[message('a'), message('b')]")
    saved = await read_saved_by_store(mode, folder, lambda message: message.id == "b")

    assert {message.id for message in saved.messages} == {"b"}


@pytest.mark.real
async def test_a_store_that_never_answers_is_not_waited_for(folder: Path) -> None:
    mode = a_store(folder, START + "time.sleep(600)")
    began = time.perf_counter()
    saved = await read_saved_by_store(mode, folder, timeout_s=2.0)

    assert saved == SavedMessages([], 1, "it had not returned its messages after 2 s")
    assert time.perf_counter() - began < 30


async def test_a_damaged_list_of_rooms_counts_once_for_itself(folder: Path) -> None:
    (folder / USERS.name).write_bytes(b"[")

    assert (await read_saved_by_store(a_store(folder), folder)).damaged == 1


async def test_a_store_that_keeps_nothing_in_files_is_not_asked(folder: Path) -> None:
    assert await read_saved_by_store(a_store(folder, "    kept_in = ''"), folder) is None


async def test_messages_json_is_read_straight_and_not_through_its_store(folder: Path) -> None:
    (folder / MESSAGES.name).write_bytes(MESSAGES.encode([said("in the file")]))
    mode = a_store(folder, "    kept_in = 'messages.json'")

    assert (await read_saved_by_store(mode, folder)).messages == [said("in the file")]


# What the audit of a round makes of it.

SMALL = Scenario(name="small", words="a few", messages=20, users=2)


@pytest.mark.real
async def test_a_learners_journal_is_audited_clean(tmp_path: Path) -> None:
    done = await measure_round(
        f"naive+store={JOURNAL}:JournalStore", SMALL, seed=1, work_folder=tmp_path
    )

    assert done.audit.clean
    assert done.audit.saved == 20
    assert done.damage == ""


CANNOT_START_AGAIN = """
    async def start(self, starting=()):
        if "my-1.log" in await self.files.names():
            raise StorageError("understand", "my-1.log", "half a line")
        return []
"""


@pytest.mark.real
@pytest.mark.parametrize(
    ("more", "corrupt", "damage"),
    [("", 0, ""), (CANNOT_START_AGAIN, 1, "cannot understand my-1.log: half a line")],
    ids=["it forgets", "it cannot start again"],
)
async def test_a_store_that_loses_is_shown_as_losing(more, corrupt, damage, folder) -> None:
    done = await measure_round(a_store(folder, more), SMALL, seed=1, work_folder=folder.parent)

    assert (done.audit.acked, done.audit.lost, done.audit.corrupt) == (20, 20, corrupt)
    assert done.damage == damage
