"""What `chatlab chat` sends and shows: lines and frames in, lines and frames out, no server."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from chatlab.chat.protocol import (
    Ack,
    ErrorFrame,
    HistoryFrame,
    MembersFrame,
    MessageFrame,
    RoomInfo,
    RoomsFrame,
    SendMessage,
    TraceFrame,
    Welcome,
    decode_request,
    encode,
)
from chatlab.cli.chat_talk import Talk
from chatlab.cli.terminal import CROWD_BURST, CROWD_PER_S, HELD_S, ChatScreen, Crowd
from chatlab.data.records import Message
from chatlab.view import chat as view
from tests.support.parts import FakeClock

TODAY = date(2026, 1, 1)


class Person:
    """Alice, who is in `general`; and what she was shown."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.sent: list[Any] = []
        self._capsys = capsys
        self.talk = Talk("alice", "general", ChatScreen(), self._send)

    def _send(self, frame: bytes) -> None:
        self.sent.append(decode_request(frame.decode()))

    def hears(self, *frames: Any) -> None:
        for frame in frames:
            self.talk.on_frame(encode(frame))

    def says(self, *lines: str) -> None:
        for line in lines:
            assert self.talk.on_line(line)

    def shown(self) -> list[str]:
        """The lines, without dates and durations."""
        lines = self._capsys.readouterr().out.splitlines()
        lines = [re.sub(r"^[\d-]+ [\d:]+ |(?<=\[).*(?=\])", "", line) for line in lines]
        return [re.sub(r"^  [\d.]+ waiting .*", "trace", line) for line in lines]


@pytest.fixture
async def alice(capsys: pytest.CaptureFixture[str]) -> Person:
    return Person(capsys)


def delivered(n: int, content: str, sender: str = "alice", room: str = "general") -> MessageFrame:
    return MessageFrame(f"m{n}", room, sender, content, "2026-01-01T00:00:00.000Z")


def trace(ref: int, *ms: float) -> TraceFrame:
    waiting, check, queue, lock, save, delivery = ms or (1.0,) * 6
    return TraceFrame(
        ref=ref,
        id="",
        waiting_ms=waiting,
        check_ms=check,
        queue_ms=queue,
        lock_ms=lock,
        save_ms=save,
        delivery_ms=delivery,
        ack_ms=0.0,
    )


def acked(ref: int) -> Ack:
    return Ack(ref=ref, means="queued")


# Own messages.


async def test_each_own_message_stands_above_its_own_trace_also_when_rooms_overtake(
    alice: Person,
) -> None:
    alice.says("one")
    alice.talk.room = "other"
    alice.says("two", "refused", "three")
    one, two, refused, three = (request.ref for request in alice.sent)
    assert [(r.room_id, r.content, r.trace) for r in alice.sent][:2] == [
        ("general", "one", True),
        ("other", "two", True),
    ]
    alice.hears(acked(one), acked(two), ErrorFrame("overloaded", "full", refused), acked(three))
    alice.hears(delivered(1, "two", room="other"), delivered(2, "hi", "bob"))
    alice.hears(delivered(3, "three", room="other"), trace(three), trace(two))
    alice.hears(delivered(4, "one"), trace(one))

    assert alice.shown() == [
        "! full (overloaded)",
        *("alice: two  []", "trace", "bob: hi", "alice: three  []", "trace"),
        *("alice: one  []", "trace"),
    ]
    assert not alice.talk.unanswered


async def test_a_message_without_a_trace_is_shown_after_a_moment(alice: Person) -> None:
    alice.says("one")
    alice.hears(acked(1), delivered(1, "one"), delivered(2, "hi", "bob"))
    assert alice.shown() == []
    await asyncio.sleep(HELD_S)
    assert alice.shown() == ["alice: one  []", "bob: hi"]
    alice.hears(trace(1))
    assert alice.shown() == []


def test_a_crowd_is_shown_in_part_and_counted_and_few_are_shown_all() -> None:
    crowd = Crowd(clock := FakeClock())
    assert [crowd.lets_through() for _ in range(100)].count(True) == CROWD_BURST
    assert crowd.left_out() == 100 - CROWD_BURST
    for _ in range(100):
        clock.advance(1 / CROWD_PER_S)
        assert crowd.lets_through()
    assert crowd.left_out() == 0


def test_messages_that_did_not_come_back_are_counted_by_what_their_acks_promised() -> None:
    assert view.not_back([]) == ""
    text = "Your messages that did not come back: 2 acked as 'queued', 1 without an ack. "
    assert view.not_back(["queued", "", "queued"]) == text


MS = st.floats(0, 100_000)


@given(st.tuples(MS, MS, MS, MS, MS, MS), MS, st.integers(20, 200))
def test_the_parts_of_a_time_add_up_to_the_time_that_is_shown(parts, back_ms, width) -> None:
    line = view.where_it_went(trace(1, *parts), back_ms, width)
    shown = [float(one.replace(",", "")) for one in re.findall(r"[\d,]+(?:\.\d)?", line)]
    assert 0 not in shown
    [back] = re.findall(r"back ([\d.,]+) ms", view.own_line("", "", None, back_ms, width))
    assert sum(shown) == pytest.approx(float(back.replace(",", "")), abs=0.01)


def test_what_the_server_does_not_account_for_went_to_the_network_and_what_came_later_is_cut() -> (
    None
):
    parts = (600.0, 10.0, 0.4, 280.0, 10.0, 15.0)
    assert view.where_it_went(trace(1, *parts), 922.0, 140) == (
        "  600 waiting to be read + 280 behind others' saves + 20 own work with files + 15 delivery"
        " + 7 network and here"
    )
    assert view.where_it_went(trace(1, *parts), 905.0, 80) == (
        "  600 waiting + 280 behind others + 20 files + 5 delivery"
    )
    assert view.where_it_went(trace(1, *parts), 905.0, 40) == (
        "  600 waiting + 280 behind others +\n    20 files + 5 delivery"
    )


# Rooms.


async def test_the_history_on_joining_shows_no_message_twice(alice: Person) -> None:
    alice.talk.enter("general")
    join, history, who = alice.sent
    one, two = (Message(f"m{n}", "general", "bob", f"text {n}", "then") for n in (1, 2))
    alice.hears(acked(join.ref), delivered(2, "text 2", "bob"))
    alice.hears(HistoryFrame(ref=history.ref, room_id="general", messages=[one, two]))
    alice.hears(delivered(1, "text 1", "bob"))
    here = MembersFrame(
        ref=who.ref, room_id="general", live=["bob", "alice"], live_count=2, participants=9
    )
    alice.hears(here)
    assert alice.shown() == [
        "* you are in general",
        *("bob: text 2", "then bob: text 1"),
        "* in general now: you and bob (2 of 9 members)",
    ]


async def test_a_room_that_refuses_is_one_line_and_one_stays_where_one_is(alice: Person) -> None:
    alice.says("/join staff")
    alice.hears(*(ErrorFrame("not_a_member", "'staff' is private", r.ref) for r in alice.sent))
    assert alice.shown() == ["! 'staff' is private (not_a_member)"]
    assert alice.talk.room == "general"
    assert not alice.talk.unanswered

    alice.says("/leave")
    alice.hears(acked(alice.sent[-1].ref))
    sent = len(alice.sent)
    alice.says("hello?", "/who", "/history")
    assert [line[:22] for line in alice.shown()[1:]] == ["! you are in no room: "] * 3
    assert len(alice.sent) == sent


def test_many_rooms_and_people_are_cut_and_counted() -> None:
    rooms = [RoomInfo(f"room-{n}", "\x1b[2J" + "n" * 100, False, False, n) for n in range(1_000)]
    lines = view.rooms_text(RoomsFrame(ref=1, rooms=rooms, total=2_000), 60).splitlines()
    assert len(lines) == view.ROOMS_SHOWN_MAX + 2
    assert lines[-1] == "  ... and 1,985 more; /rooms NAME goes on after that one"
    assert max(map(len, lines)) < 60
    assert "\x1b" not in "".join(lines)

    page = RoomsFrame(ref=1, rooms=rooms[:15], total=2_000)
    assert view.rooms_text(page, 60, "a").endswith("  ... /rooms room-14 goes on, of 2,000")
    nothing = RoomsFrame(ref=1, rooms=[], total=2_000)
    assert view.rooms_text(nothing, 60, "z") == "* no room comes after z; /rooms shows the first"

    live = [f"user-{n}" for n in range(500)]
    here = MembersFrame(ref=1, room_id="a", live=live, live_count=700, participants=2_000)
    assert "user-7 and 692 more (700 of 2,000 members)" in view.members_text(here, "alice")


# Lines.


def test_the_greeting_and_what_the_server_runs_are_a_line_each(alice: Person) -> None:
    alice.hears(Welcome("alice", "Alice", "optimized", "queued", []))
    assert alice.shown() == [
        "* hello Alice. /help lists the commands.",
        "* the server runs optimized; its ack means 'queued'",
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/foo", "! unknown command /foo: /help lists them"),
        ("/jion general", "! unknown command /jion: did you mean /join? /help lists them"),
        ("/", "! unknown command /: /help lists them"),
        ("/join", "! /join needs a room: /join ROOM"),
        ("/INVITE  ", "! /invite needs a user: /invite USER"),
        *((f"/history {n}", f"! /history {n}: say a number") for n in ("x", "0", "501", "-1", "٣")),
        ("x" * 4_001, "! your message has 4,001 characters, 4,000 are allowed"),
    ],
)
async def test_what_is_wrong_with_a_line_is_said_and_nothing_is_sent(
    alice: Person, line: str, complaint: str
) -> None:
    alice.says(line)
    assert alice.shown()[0].startswith(complaint)
    assert alice.sent == []


async def test_two_slashes_say_one(alice: Person) -> None:
    alice.says("//join me", "x" * 4_000)
    assert [one.content for one in alice.sent if isinstance(one, SendMessage)] == [
        "/join me",
        "x" * 4_000,
    ]


def test_no_message_commands_the_terminal_or_turns_our_own_words_around() -> None:
    content = "a\x1b[2J\u202eb\u2067\u2028c שלום \N{WOMAN}\u200d\N{GIRL}"
    line = view.message_line(delivered(1, content, "bob"), TODAY, 80)
    assert line.endswith("bob: a?[2J?b??c שלום \N{WOMAN}\u200d\N{GIRL}")


WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300)


@given(WORDS, st.integers(20, 100))
@example("新年快乐 " * 20, 40)
def test_a_message_is_broken_between_words_and_nothing_of_it_is_lost(content, width) -> None:
    lines = view.message_line(delivered(1, content, "bob"), TODAY, width).split("\n")
    whole = view.message_line(delivered(1, content, "bob"), TODAY, 10_000)
    assert "".join(lines).replace(" ", "") == whole.replace(" ", "")
    for line in lines:
        assert cell_len(line) < width or " " not in line.removeprefix("  ").rstrip(" ")


def test_a_long_line_is_broken_where_a_person_would_and_an_address_stays_whole() -> None:
    address = "http://127.0.0.1:8765/" + "x" * 40
    one = delivered(1, f"read all of {address} 新年快乐 to all", "bob")
    first, *rest = view.message_line(one, TODAY, 40).split("\n")
    assert first.endswith("bob: read all of")
    assert rest == [f"  {address}", "  新年快乐 to all"]
    assert view.own_line(f"{address}\n  ho", "", None, 3.0, 40).endswith("ho  [back 3.0 ms]")
