"""One client's conversation, rule by rule, without sockets: frames in, frames out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatlab.chat.metrics import Metrics
from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.message_seams import Entry, Processor, ProcessorStatistics
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.protocol import (
    CONTENT_CHARS_MAX,
    HISTORY_LIMIT_MAX,
    MEMBERS_LISTED_MAX,
    ROOMS_LISTED_MAX,
    Ack,
    ErrorFrame,
    HistoryFrame,
    MembersFrame,
    encode,
)
from chatlab.chat.rooms import Presence, Rooms
from chatlab.chat.rules import ROOM_TITLE_CHARS_MAX, check_user
from chatlab.chat.session import DUE_AGE_MAX_S, Conversation
from chatlab.chat.settings import Settings
from chatlab.chat.trace import Tracer
from chatlab.chat.turns import Turns
from chatlab.data.records import CHATROOMS, Message, Room
from chatlab.disk.counted import FileIO
from chatlab.errors import Overloaded, Refusal
from tests.support.parts import (
    DISK_FULL,
    FakeClient,
    FakeClock,
    FakeStore,
    InlineFiles,
    fill,
    message,
)
from tests.support.virtual_clock import settle


class FakeProcessor(Processor):
    """Takes messages and keeps them; or raises what it is told to."""

    acks_queued = True

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.error: Exception | None = None

    async def submit(self, entry: Entry) -> None:
        if self.error is not None:
            raise self.error
        self.entries.append(entry)

    async def drain(self) -> Sequence[Entry]:
        return []

    def statistics(self) -> ProcessorStatistics:
        return ProcessorStatistics(0, 0, 0.0, 0, 0)


class Talk:
    """A conversation of alice, who is in `general`, `other` and the private `staff`."""

    def __init__(self, folder: Path) -> None:
        self.files = InlineFiles(fill(folder))
        self.clock = FakeClock()
        self.metrics = Metrics(self.clock)
        self.presence = Presence()
        self.store = FakeStore()
        self.processor = FakeProcessor()
        self.is_stopping = False
        self.alice = FakeClient("alice")
        self.presence.arrive(self.alice)
        reader = DirectReader(self.files, Settings(), self.clock)
        storage = reader, TruncateWriter(self.files), PerFileLock()
        self.rooms = Rooms(*storage, self.presence, self.clock)
        self.conversation = Conversation(
            rooms=self.rooms,
            presence=self.presence,
            store=self.store,
            processor=self.processor,
            metrics=self.metrics,
            tracer=Tracer(self.clock),
            new_message=self._new_message,
            since_1970=lambda: 1_000_000.0 + self.clock(),
            stopping=lambda: self.is_stopping,
            turns=Turns(0, self.clock),
        )

    def _new_message(self, room_id: str, sender: str, content: str) -> Message:
        return Message(f"m{len(self.processor.entries)}", room_id, sender, content, "now")

    async def say(self, *frames: dict[str, Any] | str | bytes, by: FakeClient | None = None) -> Any:
        """Send frames; the last answer, if any."""
        who = by or self.alice
        before = len(who.frames)

        async def stream() -> AsyncIterator[str | bytes]:
            for frame in frames:
                yield json.dumps(frame) if isinstance(frame, dict) else frame

        await self.conversation.hold(who, stream())
        return [None, *who.heard[before:]][-1]

    async def refused(self, frame: dict[str, Any] | str | bytes, **how: Any) -> str:
        """Send a frame that is refused; its code."""
        before = self.metrics.counts.refused
        answer = await self.say(frame, **how)
        assert isinstance(answer, ErrorFrame)
        assert answer.message
        assert self.metrics.counts.refused == before + 1
        assert self.metrics.refusals[answer.code]
        return answer.code


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


def send(content: str = "hi", room_id: str = "general", ref: Any = 1) -> dict[str, Any]:
    return {"type": "send_message", "roomId": room_id, "content": content, "ref": ref}


def act(kind: str, room_id: str = "general", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "roomId": room_id, **fields}


# Rooms.


async def test_a_newcomer_who_joins_is_a_live_participant_until_it_leaves(talk: Talk) -> None:
    carol = FakeClient("carol")
    assert await talk.say(act("join_room", ref=7), by=carol) == Ack(ref=7, means="written")
    assert list(talk.presence.members("general")) == [carol]
    await talk.rooms.require_member("general", "carol")

    assert await talk.say(act("leave_room", ref="x"), by=carol) == Ack(ref="x", means="written")
    assert list(talk.presence.members("general")) == []
    with pytest.raises(Refusal):
        await talk.rooms.require_member("general", "carol")


async def test_the_creator_of_a_room_is_in_it_and_live(talk: Talk) -> None:
    frame = act("create_room", "new", name=" New ", private=True, ref=1)

    assert await talk.say(frame) == Ack(ref=1, means="written")
    room = await talk.rooms.require_member("new", "alice")
    assert (room.name, room.private, room.participants) == ("New", True, ("alice",))
    assert list(talk.presence.members("new")) == [talk.alice]
    await talk.say(act("create_room", "unnamed", name="   "))
    assert (await talk.rooms.require_member("unnamed", "alice")).name == "unnamed"


async def test_an_invited_guest_may_join_and_is_not_live_before(talk: Talk) -> None:
    bob = FakeClient("bob")
    talk.presence.arrive(bob)
    await talk.say(act("invite", "staff", user="bob"))
    assert list(talk.presence.members("staff")) == []
    assert isinstance(await talk.say(act("join_room", "staff"), by=bob), Ack)
    assert list(talk.presence.members("staff")) == [bob]


async def test_rooms_are_listed_as_they_are_now_and_private_ones_to_their_members(
    talk: Talk,
) -> None:
    bob = FakeClient("bob")
    await talk.say(act("join_room"), act("create_room", "den", private=True), by=bob)
    await talk.say(act("join_room"))

    listed = await talk.say({"type": "list_rooms", "ref": 7}, by=bob)
    assert (listed.ref, listed.total) == (7, 3)
    assert [(one.id, one.member, one.live) for one in listed.rooms] == [
        ("general", True, 2),
        ("den", True, 1),
        ("other", False, 0),
    ]
    listed = await talk.say({"type": "list_rooms"})
    assert [one.id for one in listed.rooms] == ["general", "other", "staff"]


async def test_who_is_here_and_how_many_could_be(talk: Talk) -> None:
    await talk.say(act("join_room"), by=(dave := FakeClient("dave")))
    await talk.say(act("join_room"))
    assert await talk.say(act("who", ref=7)) == MembersFrame(
        ref=7, room_id="general", live=["dave", "alice"], live_count=2, participants=3
    )
    talk.presence.leave(dave)
    assert (await talk.say(act("who"))).live == ["alice"]


async def test_long_lists_are_cut_and_say_how_long_they_are(talk: Talk) -> None:
    for n in range(MEMBERS_LISTED_MAX + 1):
        talk.presence.enter(FakeClient(f"user-{n}"), "general")
    here = await talk.say(act("who"))
    assert (len(here.live), here.live_count) == (MEMBERS_LISTED_MAX, MEMBERS_LISTED_MAX + 1)

    rooms = [Room(f"room-{n}", "") for n in range(ROOMS_LISTED_MAX)]
    mine = Room("mine", "", ("alice",))
    (talk.files.folder / CHATROOMS.name).write_bytes(CHATROOMS.encode([*rooms, mine]))
    listed = await talk.say({"type": "list_rooms"})
    assert (len(listed.rooms), listed.total) == (ROOMS_LISTED_MAX, ROOMS_LISTED_MAX + 1)
    assert listed.rooms[0].id == "mine"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        *((act(kind, "nowhere"), "no_such_room") for kind in ("join_room", "leave_room")),
        (act("invite", "nowhere", user="bob"), "no_such_room"),
        *((act("invite", user=guest), "invalid_field") for guest in ("", "../bob")),
        (act("create_room"), "room_exists"),
        *((act("create_room", name), "invalid_field") for name in ("", "a b", "a" * 65)),
        (act("create_room", "new", name="n" * 101), "too_large"),
        (send(room_id="nowhere"), "no_such_room"),
        *((act(kind, "nowhere"), "no_such_room") for kind in ("history", "who")),
        *((send(content), "invalid_field") for content in ("", " \n\t")),
        (send("x" * 4_001), "too_large"),
        *((act("history", limit=limit), "invalid_field") for limit in (0, -1, 501, 10**30)),
        *((act(kind, "staff"), "no_such_room") for kind in ("join_room", "history", "who")),
        (act("invite", "staff", user="alice"), "no_such_room"),
        (send(), "not_a_member"),
        *(({"type": "list_rooms", "limit": limit}, "invalid_field") for limit in (0, 1_001)),
        ("not json", "bad_json"),
        (b"{}", "binary_frame"),
    ],
    ids=lambda value: str(value)[:70],
)
async def test_a_request_against_the_rules_is_refused(talk: Talk, frame: Any, code: str) -> None:
    before, carol = talk.files.statistics(), FakeClient("carol")
    assert await talk.refused(frame, by=carol) == code
    assert [list(talk.presence.members(room)) for room in ("new", "staff")] == [[], []]
    assert (talk.processor.entries, carol.reserved) == ([], 0)
    after = talk.files.statistics()
    assert [io.writes for io in after.values()] == [before.get(n, FileIO()).writes for n in after]


@pytest.mark.parametrize(
    "frame",
    [
        act("create_room", "a" * 64, name="n" * ROOM_TITLE_CHARS_MAX),
        act("history", limit=1),
        act("history", limit=HISTORY_LIMIT_MAX),
        send("x" * CONTENT_CHARS_MAX),
    ],
    ids=lambda value: str(value)[:70],
)
async def test_a_request_at_the_edge_of_the_rules_is_fine(talk: Talk, frame: Any) -> None:
    assert not isinstance(await talk.say(frame), ErrorFrame)


# Messages.


async def test_messages_go_to_the_processor_in_order_and_have_no_ack_yet(talk: Talk) -> None:
    assert await talk.say(*(send(f"text {n}", ref=n) for n in range(20))) is None

    for n, entry in enumerate(talk.processor.entries):
        assert entry.message == Message(f"m{n}", "general", "alice", f"text {n}", "now")
        assert (entry.ref, entry.sender, entry.accepted_at) == (n, talk.alice, talk.clock())
    assert len(talk.processor.entries) == talk.metrics.counts.accepted == 20
    assert (talk.alice.reserved, talk.alice.released) == (20, 0)


@pytest.mark.parametrize(
    ("ago_s", "due"),
    [(2.5, -2.5), (0, 0), (DUE_AGE_MAX_S, -DUE_AGE_MAX_S), (-0.5, None), (DUE_AGE_MAX_S + 1, None)],
)
async def test_a_message_may_say_when_it_was_due_if_that_can_be(
    talk: Talk, ago_s: float, due: float | None
) -> None:
    talk.alice.arrival = talk.clock() - 1
    await talk.say(send() | {"dueAt": 1_000_000.0 + talk.clock() - ago_s}, send(ref=2))

    told, silent = talk.processor.entries
    assert told.due_at == (None if due is None else pytest.approx(talk.clock() + due))
    assert silent.due_at is None
    assert told.since == silent.since == talk.clock() - 1


async def test_a_server_that_stops_takes_nothing_even_if_a_client_waited(talk: Talk) -> None:
    may_go_on = asyncio.Event()
    talk.alice.reserved_at_once = lambda: False  # type: ignore[method-assign]
    talk.alice.reserve = may_go_on.wait  # type: ignore[assignment]
    saying = asyncio.create_task(talk.say(send()))
    await settle()
    talk.is_stopping = True
    may_go_on.set()

    assert (await saying).code == await talk.refused(send()) == "shutting_down"
    assert talk.processor.entries == []
    assert talk.alice.released == 2


async def test_the_history_is_sent_with_its_ref(talk: Talk) -> None:
    await talk.store.save([message(n) for n in range(5)])
    answer = await talk.say(act("history", limit=2, ref=9))
    assert answer == HistoryFrame(ref=9, room_id="general", messages=[message(3), message(4)])


@pytest.mark.parametrize(
    ("one", "fit"),
    [
        (Message("m" * 64, "general", "s" * 64, "\x01" * 4_000, "t"), 25),
        (Message("m" * 64, "general", "s" * 64, "x", "t"), HISTORY_LIMIT_MAX),
        (Message("m" * 10_000, "general", "\x01" * 30_000, "x", "t"), 2),
        (Message("m", "general", "s", "\x01" * 200_000, "t"), 0),
    ],
    ids=["long", "short", "long names from elsewhere", "longer than any answer"],
)
async def test_a_history_fits_into_a_usual_client(talk: Talk, one: Message, fit: int) -> None:
    await talk.store.save([one] * HISTORY_LIMIT_MAX)
    answer = await talk.say(act("history", limit=HISTORY_LIMIT_MAX))
    assert len(answer.messages) == fit
    assert len(encode(answer)) < 1024 * 1024


# What goes wrong, and that it goes on.


async def test_the_conversation_goes_on_after_each_kind_of_mistake(talk: Talk) -> None:
    cut_off = '{"type": "nope"'
    mistakes = "not json", {"type": "nope"}, send(""), send(room_id="nowhere"), cut_off
    await talk.say(*mistakes, {"type": "nope", "ref": "mine"}, send())

    assert talk.alice.heard[-1].ref == "mine"
    assert [one.message.content for one in talk.processor.entries] == ["hi"]
    assert talk.metrics.counts.refused == 6


async def test_a_failing_disk_is_told_noted_and_survived_and_makes_nobody_live(talk: Talk) -> None:
    carol = FakeClient("carol")
    talk.files.fail = lambda operation, _name: DISK_FULL if operation == "write" else None
    assert await talk.refused(act("join_room"), by=carol) == "storage_failed"
    assert list(talk.presence.members("general")) == []
    talk.files.fail = lambda _operation, _name: DISK_FULL
    assert await talk.refused(send(ref=1)) == "storage_failed"
    assert "No space left" in talk.metrics.notes[-1].text

    talk.files.fail = lambda _operation, _name: None
    await talk.say(send("hi"))
    assert len(talk.processor.entries) == 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Overloaded("10,000 messages wait to be saved"), "overloaded", "10,000"),
        (ZeroDivisionError("oops"), "internal_error", "ZeroDivisionError"),
        (ValueError("all its data " * 100_000), "internal_error", "ValueError"),
    ],
)
async def test_an_error_in_the_processor_gives_the_share_back(talk, error, code, told) -> None:
    talk.processor.error = error
    answer = await talk.say(send(ref=7))
    assert (answer.code, answer.ref) == (code, 7)
    assert told in answer.message
    assert len(answer.message) < 2_000
    assert (talk.alice.reserved, talk.alice.released) == (1, 1)
    assert [told in note.text for note in talk.metrics.notes] == [True] * (code != "overloaded")

    talk.processor.error = None
    await talk.say(send("hi"))
    assert len(talk.processor.entries) == 1


@pytest.mark.parametrize("name", ["a", "Bob_2", "a.b-c", "0", "x" * 64])
def test_a_good_name_is_accepted(name: str) -> None:
    check_user(name)


@pytest.mark.parametrize(
    "name", ["", "_a", ".a", "-a", "a b", "a/b", "é", "a\n", "x" * 65, "a\x00"]
)
def test_a_bad_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(Refusal, match="1 to 64 letters, digits"):
        check_user(name)
