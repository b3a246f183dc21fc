"""The load generator's account: whatever comes in, it is what plain counting would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatlab.bench import received_frames as frames
from chatlab.bench.load_result import NEVER, LoadProgress, LoadResult
from chatlab.bench.load_tracker import LATEST_ACKS, LoadTracker
from chatlab.bench.received_frames import FrameReader
from chatlab.bench.scenario import PlannedSend, content_of
from chatlab.chat.metrics import SAMPLES_MAX
from chatlab.chat.protocol import MessagesFrame, encode
from chatlab.chat.snapshot import Percentiles
from chatlab.data.records import Message

RUN = "run"
USERS, ROOMS, COUNT = 4, 2, 8
PLAN = [PlannedSend(0.1 * n, n % USERS, n % ROOMS, f"text {n}") for n in range(COUNT)]
FOREIGN = -1


def a_result(plan: Sequence[PlannedSend] = PLAN) -> LoadResult:
    never = [NEVER] * len(plan)
    return LoadResult(
        **{"plan": [*plan], "rooms": ROOMS, "receivers": [USERS // ROOMS] * len(plan)},
        **{"sent_s": never, "acked_s": [*never], "delivered_s": [*never]},
        **{"receipts": [0] * len(plan), "received": [[] for _ in range(USERS)]},
    )


def said(number: int, end: str = "") -> str:
    """What a message of the plan says, or somebody else's."""
    return "hello" if number == FOREIGN else content_of(RUN, number, PLAN[number].text) + end


def a_frame(contents: Sequence[str], sender: str = "someone") -> MessagesFrame:
    return MessagesFrame("room", [Message("m", "room", sender, text, "") for text in contents])


# What can happen: the name of a method of both accounts below, and its arguments.
Event = tuple[Any, ...]
Contents = Sequence[tuple[int, str]]


class PlainAccount:
    """The same as a tracker keeps, message by message and receiver by receiver."""

    def __init__(self) -> None:
        self.due_s = [send.at_s for send in PLAN]
        self.sent_s: dict[int, float] = {}
        self.acked_s: dict[int, float] = {}
        self.covered: set[int] = set()
        self.refused_s: dict[int, float] = {}
        self.delivered_s: dict[int, float] = {}
        self.seen: list[list[int]] = [[] for _ in range(USERS)]
        self.altered = 0
        self.told = Counter[int]()
        self.news_s = 0.0

    def sends(self, user: int, count: int, late: bool, now_s: float) -> None:
        mine = [n for n in range(COUNT) if PLAN[n].user == user and n not in self.sent_s]
        for number in mine[:count]:
            self.sent_s[number] = now_s
            if late:
                self.due_s[number] = now_s

    def receives(self, user: int, contents: Contents, _sender: str, now_s: float) -> None:
        for number, alteration in contents:
            if number != FOREIGN:
                self.news_s = now_s
                self.seen[user].append(number)
                self.altered += bool(alteration)
                self.told[user] += PLAN[number].user == user
                if self.receipts(number) == USERS // ROOMS:
                    self.delivered_s.setdefault(number, now_s)

    def ack(self, number: int, now_s: float) -> None:
        self.news_s = now_s
        self.acked_s.setdefault(number, now_s)

    def ack_up_to(self, user: int, up_to: int, now_s: float) -> None:
        for number in self.sent_s.keys() - self.covered:
            if PLAN[number].user == user and number <= up_to:
                self.covered.add(number)
                if number not in self.refused_s:
                    self.ack(number, now_s)

    def refusal(self, number: int, _code: str, now_s: float) -> None:
        self.news_s = now_s
        if number not in self.refused_s:
            self.refused_s[number] = now_s
            self.told[PLAN[number].user] += 1

    def receipts(self, number: int) -> int:
        members = range(PLAN[number].room, USERS, ROOMS)
        return sum(number in self.seen[user] for user in members)

    def settled(self, number: int) -> bool:
        return number in self.refused_s or (number in self.acked_s and number in self.delivered_s)

    def progress(self, now_s: float) -> LoadProgress:
        waiting_s = [now_s - self.due_s[n] for n in range(COUNT) if not self.settled(n)]
        counts = map(len, (self.sent_s, self.acked_s, self.delivered_s, self.refused_s))
        oldest_s = max(0.0, waiting_s[0]) if waiting_s else 0.0
        return LoadProgress(now_s, *counts, oldest_s, None, None)  # of so few there is no p95


class Tracked(LoadTracker):
    """A tracker, fed as a load does it, and how often it told a sender to go on."""

    def __init__(self) -> None:
        self.result, self.told = a_result(), Counter[int]()
        super().__init__(RUN, self.result, lambda user, count: self.told.update({user: count}))

    def sends(self, user: int, count: int, late: bool, now_s: float) -> None:
        self.sent(user, self.unsent(user, count), now_s, now_s if late else None)

    def receives(self, user: int, contents: Contents, sender: str, now_s: float) -> None:
        frame = a_frame([said(number, end) for number, end in contents], sender)
        data = encode(frame)
        if not self.same_again(user, data, now_s):
            self.messages(user, data, frame.messages, now_s)


numbers = st.integers(0, COUNT - 1)
users = st.integers(0, USERS - 1)
texts = st.sampled_from(["", "", "", "?"])
# Mostly what a good server may send: messages of one room.
of_one_room = st.integers(0, ROOMS - 1).flatmap(
    lambda room: st.lists(
        st.tuples(st.sampled_from([FOREIGN, *range(room, COUNT, ROOMS)]), texts), max_size=5
    )
)
of_any_room = st.lists(st.tuples(st.integers(FOREIGN, COUNT - 1), texts), max_size=5)
contents = st.one_of(of_one_room, of_one_room, of_any_room).map(tuple)
# A few frames a run, so that most of them reach several users; of two senders, so that frames with
# the same messages may be of other bytes.
some_frames = st.lists(st.tuples(contents, st.sampled_from("ab")), min_size=1, max_size=4)


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    received = st.builds(
        lambda user, frame: ("receives", user, *frame), users, st.sampled_from(draw(some_frames))
    )
    others = st.one_of(
        st.tuples(st.just("sends"), users, st.integers(1, 2), st.booleans()),
        st.tuples(st.just("ack"), numbers),
        st.tuples(st.just("ack_up_to"), users, numbers),
        st.tuples(st.just("refusal"), numbers, st.just("overloaded")),
    )
    return draw(st.lists(st.one_of(received, received, others), max_size=40))


TWICE_IN_A_FRAME = [("receives", user, ((0, ""), (0, "")), "a") for user in (0, 2)]


@example(events=TWICE_IN_A_FRAME, kept_max=64, whole=True)
@given(events=event_lists(), kept_max=st.sampled_from([1, 64]), whole=st.booleans())
def test_the_account_of_frames_is_that_of_each_message_and_receiver(
    events: list[Event], kept_max: int, whole: bool
) -> None:
    if whole:  # the usual case: everything is sent, and everything that happens is allowed
        events = [*(("sends", user, COUNT, False) for user in range(USERS)), *events]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "KEPT_MAX", kept_max)  # with 1, frames are read again and again
        tracked, plain = Tracked(), PlainAccount()
        for tenths, (what, *arguments) in enumerate(events, start=1):
            now_s = tenths / 10
            for account in (tracked, plain):
                getattr(account, what)(*arguments, now_s=now_s)
            assert tracked.progress(now_s) == plain.progress(now_s)
            assert tracked.all_settled.is_set() == all(map(plain.settled, range(COUNT)))
            assert tracked.last_news_s == plain.news_s
            assert tracked.told == plain.told
    tracked.finish()
    tracked.finish()  # safe to repeat

    result = tracked.result
    assert result.received == plain.seen
    assert result.receipts == [plain.receipts(number) for number in range(COUNT)]
    assert result.altered == plain.altered
    for name in ("sent_s", "acked_s", "delivered_s"):
        times_s = getattr(plain, name)
        assert getattr(result, name) == [times_s.get(n, NEVER) for n in range(COUNT)], name
    assert result.refused_s == plain.refused_s
    due = zip(PLAN, plain.due_s, strict=True)
    assert result.plan == [replace(send, at_s=at_s) for send, at_s in due]


# Frames are read once, and only few are kept.


def kept(plan: Sequence[PlannedSend], *read: MessagesFrame) -> list[bool]:
    """Which frames are still known, when all have been read in turn."""
    reader = FrameReader(RUN, plan)
    known = [reader.read(encode(frame), frame.messages) for frame in read]
    again = [reader.again(encode(frame)) for frame in read]
    assert all(found in (None, known[n]) for n, found in enumerate(again))
    return [found is not None for found in again]


def test_frames_that_reach_the_users_interleaved_are_read_once() -> None:
    read = [a_frame([said(n) for n in some]) for some in ([0, 2], [4, 6])]
    assert kept(PLAN, *read) == [True, True]


def test_a_frame_with_one_other_byte_far_behind_is_another_frame_and_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike = [a_frame([*(said(n) for n in range(COUNT - 1)), said(COUNT - 1, end)]) for end in "ab"]
    other = a_frame([said(n) for n in reversed(range(COUNT))])
    monkeypatch.setattr(frames, "KEPT_BYTES_MAX", 2 * len(encode(alike[0])))
    assert kept(PLAN, *alike, other) == [False, True, True]


def test_frames_of_so_many_bytes_and_no_more_than_so_many_are_kept(monkeypatch) -> None:
    plan = PLAN[:1] * (frames.KEPT_MAX + 3)
    read = [a_frame([content_of(RUN, n, send.text)]) for n, send in enumerate(plan)]
    assert kept(plan, *read) == [False] * 3 + [True] * frames.KEPT_MAX
    monkeypatch.setattr(frames, "KEPT_BYTES_MAX", 2 * len(encode(read[0])) + 1)
    assert kept(plan, *read[:5]) == [False] * 3 + [True] * 2


def test_the_latest_acks_give_the_latency_from_the_planned_and_from_the_real_send() -> None:
    count = LATEST_ACKS + 200
    result = a_result([PLAN[0]] * count)
    tracker = LoadTracker(RUN, result, lambda _user, _count: None)
    tracker.sent(0, tracker.unsent(0, 200), now_s=0.25)
    tracker.ack_up_to(0, 199, now_s=99.0)  # long before the latest ones
    tracker.sent(0, tracker.unsent(0, LATEST_ACKS), now_s=100.5, due_s=100.0)
    tracker.ack_up_to(0, count - 1, now_s=101.0)
    progress = tracker.progress(101.0)
    assert (progress.ack_p95_ms, progress.ack_p95_send_ms) == (1000.0, 500.0)


def test_the_latest_latencies_are_those_of_a_servers_window() -> None:
    count = SAMPLES_MAX + 300
    result = a_result([PLAN[0]] * count)
    tracker = LoadTracker(RUN, result, lambda _user, _count: None)
    tracker.sent(0, tracker.unsent(0, count), now_s=0.0)
    tracker.ack_up_to(0, 99, now_s=10.0)
    tracker.ack_up_to(0, 199, now_s=14.0)
    assert tracker.recent(20.0).ack_ms.n == 200
    assert tracker.recent(20.1).ack_ms == Percentiles(p50=14_000.0, n=100)
    assert tracker.recent(20.1).delivery_ms == Percentiles()
    tracker.ack_up_to(0, count - 1, now_s=15.0)
    assert tracker.recent(20.0).ack_ms.n == SAMPLES_MAX
