"""The bookkeeping of a load: which messages were acked, delivered or refused, and when.

Knows nothing of sockets. Built for speed where it counts: a frame with a hundred messages that ten
users receive is noted ten times, not a thousand times. Only when a message turns up in a second
frame is each receipt of each message counted by itself.

Read `received_frames.py` next: it finds out which messages a frame holds.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice

import msgspec

from chatlab.bench.load_result import (
    NEVER,
    LoadProgress,
    LoadResult,
    RecentLatency,
    since_ms,
)
from chatlab.bench.received_frames import FrameReader, FrameRecord
from chatlab.chat.metrics import SAMPLE_AGE_MAX_S, SAMPLES_MAX, percentiles
from chatlab.chat.protocol import MessageFrame
from chatlab.data.records import Message

LATEST_ACKS = 400


class LoadTracker:
    """The bookkeeping of one run.

    Args:
        run_id: of the run; other messages are ignored.
        result: where everything is noted. What was received, the receipts, and the times at which
            the messages of a closed loop were due are complete only after `finish`.
        came_back: called with a user and how many of its messages came back or were refused.

    Attributes:
        contents: the text of each message of the plan.
        all_settled: set once each message is refused, or acked and delivered to its whole room.
        last_news_s: when the last answer came, in seconds after the start.
    """

    def __init__(
        self, run_id: str, result: LoadResult, came_back: Callable[[int, int], None]
    ) -> None:
        self._result = result
        self._came_back = came_back
        self._frames = FrameReader(run_id, result.plan)
        self.contents = self._frames.contents
        self.all_settled = asyncio.Event()
        self.last_news_s = 0.0
        self._oldest = 0  # all messages before this one are settled
        self._due_s = [send.at_s for send in result.plan]
        # For each user, the numbers of its messages; how many were sent, and how many a
        # cumulative ack has covered.
        self._of_user: list[list[int]] = [[] for _ in result.received]
        for number, send in enumerate(result.plan):
            self._of_user[send.user].append(number)
        self._sent_of = [0] * len(result.received)
        self._covered_of = [0] * len(result.received)
        self._latest_acked: deque[int] = deque(maxlen=SAMPLES_MAX)
        self._latest_delivered: deque[int] = deque(maxlen=SAMPLES_MAX)
        # For each user, the frames that it received, copies and all.
        self._received: list[list[FrameRecord]] = [[] for _ in result.received]
        self._frame_of: dict[int, FrameRecord] = {}
        # What each user has of the messages in frames that are not whole.
        self._seen: list[set[int]] = [set() for _ in result.received]

    def unsent(self, user: int, count: int) -> list[int]:
        """Up to `count` of the user's unsent messages."""
        first = self._sent_of[user]
        return self._of_user[user][first : first + count]

    def sent(
        self, user: int, numbers: Sequence[int], now_s: float, due_s: float | None = None
    ) -> None:
        """Note that a user's next messages were handed to the socket.

        Args:
            user: their sender.
            numbers: of the messages.
            now_s: when; seconds after the start.
            due_s: when they were due, if not at the planned time.
        """
        result = self._result
        result.sent += len(numbers)
        self._sent_of[user] += len(numbers)
        for number in numbers:
            result.sent_s[number] = now_s
        if due_s is not None:
            for number in numbers:
                self._due_s[number] = due_s

    def same_again(self, user: int, data: bytes, now_s: float) -> bool:
        """Note a copy of a frame without parsing it again; False if this frame is new."""
        frame = self._frames.again(data)
        if frame is None:
            return False
        self._receive(user, frame, now_s)
        return True

    def messages(
        self, user: int, data: bytes, messages: Iterable[Message | MessageFrame], now_s: float
    ) -> None:
        """Note that a user received a frame with messages, whose bytes are `data`."""
        frame = self._frames.read(data, messages)
        known = self._frame_of
        if frame.whole and known.keys().isdisjoint(frame.numbers):
            known.update(dict.fromkeys(frame.numbers, frame))
        else:
            frame.whole = False
            for number in frame.numbers:
                self._count_each(known.setdefault(number, frame))
        self._receive(user, frame, now_s)

    def ack(self, number: int, now_s: float) -> None:
        """Note the ack of a message."""
        self._ack([number], now_s)

    def ack_up_to(self, user: int, number: int, now_s: float) -> None:
        """Note an ack of all messages of a user up to one, except those that were refused."""
        mine, first = self._of_user[user], self._covered_of[user]
        last = bisect_right(mine, number, first, self._sent_of[user])
        self._covered_of[user] = last
        numbers = mine[first:last]
        if refused := self._result.refused:
            numbers = [number for number in numbers if number not in refused]
        if numbers:
            self._ack(numbers, now_s)

    def echo(self, user: int, number: int, content: str, now_s: float) -> None:
        """Note that a message came back to its sender: acked and delivered at once."""
        result = self._result
        result.received[user].append(number)
        result.altered += content != self.contents[number]
        first = result.delivered_s[number] == NEVER
        if first:
            result.receipts[number] = 1
            self._deliver([number], now_s)
        self._ack([number], now_s)
        if first:
            self._came_back(user, 1)

    def refusal(self, number: int, code: str, now_s: float) -> None:
        """Note that a message was refused for good."""
        result = self._result
        self.last_news_s = now_s
        if number not in result.refused:
            result.refused[number] = code
            result.refused_s[number] = now_s
            self._came_back(result.plan[number].user, 1)
            self._look_for_the_end()

    def progress(self, now_s: float) -> LoadProgress:
        """How far the run is."""
        result = self._result
        all_settled = self._settled() == len(result.plan)
        due_s = now_s if all_settled else self._due_s[self._oldest]
        acked = self._latest_acked
        latest = list(islice(acked, max(0, len(acked) - LATEST_ACKS), None))
        acked_s = [result.acked_s[number] for number in latest]
        planned_s = [self._due_s[number] for number in latest]
        sent_s = [result.sent_s[number] for number in latest]
        return LoadProgress(
            t_s=now_s,
            sent=result.sent,
            acked=result.acked,
            delivered=result.delivered,
            refused=len(result.refused),
            oldest_s=max(0.0, now_s - due_s),
            ack_p95_ms=percentiles(since_ms(planned_s, acked_s)).p95,
            ack_p95_send_ms=percentiles(since_ms(sent_s, acked_s)).p95,
        )

    def recent(self, now_s: float) -> RecentLatency:
        """Latencies of the last ten seconds, as a server counts its own."""
        result = self._result
        return RecentLatency(
            percentiles(self._young_ms(self._latest_acked, result.acked_s, now_s)),
            percentiles(self._young_ms(self._latest_delivered, result.delivered_s, now_s)),
        )

    def _young_ms(
        self, numbers: Iterable[int], ends_s: Sequence[float], now_s: float
    ) -> list[float]:
        young = [n for n in numbers if ends_s[n] >= now_s - SAMPLE_AGE_MAX_S]
        return since_ms([self._due_s[n] for n in young], [ends_s[n] for n in young])

    def finish(self) -> None:
        """Note for each message what was noted for whole frames. Safe to repeat."""
        result = self._result
        for number, (send, due_s) in enumerate(zip(result.plan, self._due_s, strict=True)):
            if send.at_s != due_s:
                result.plan[number] = msgspec.structs.replace(send, at_s=due_s)
        for number, frame in self._frame_of.items():
            if frame.whole:
                result.receipts[number] = len(frame.had_by)
        for numbers, frames in zip(result.received, self._received, strict=True):
            numbers.extend(chain.from_iterable(frame.numbers for frame in frames))
            frames.clear()

    def _receive(self, user: int, frame: FrameRecord, now_s: float) -> None:
        if not frame.numbers:
            return  # messages of others
        result = self._result
        self.last_news_s = now_s
        self._received[user].append(frame)
        result.altered += frame.altered
        room = user % result.rooms
        if not frame.whole:
            self._receive_each(user, frame.numbers, room, now_s)
        elif frame.room == room and user not in frame.had_by:
            frame.had_by.add(user)
            if len(frame.had_by) == result.receivers[frame.numbers[0]]:
                self._deliver(frame.numbers, now_s)
        if mine := frame.own.get(user):
            self._came_back(user, mine)
        self._look_for_the_end()

    def _count_each(self, frame: FrameRecord) -> None:
        """Count each of a frame's messages by itself from now on."""
        if not frame.whole:
            return
        frame.whole = False
        for user in frame.had_by:
            self._seen[user].update(frame.numbers)
        for number in frame.numbers:
            self._result.receipts[number] = len(frame.had_by)

    def _receive_each(self, user: int, numbers: list[int], room: int, now_s: float) -> None:
        """A second copy does not count, nor does one shown to someone outside the room."""
        result, seen = self._result, self._seen[user]
        for number in numbers:
            if number in seen or result.plan[number].room != room:
                continue
            seen.add(number)
            result.receipts[number] += 1
            if result.receipts[number] == result.receivers[number]:
                self._deliver([number], now_s)

    def _deliver(self, numbers: list[int], now_s: float) -> None:
        """Note that everyone in the room has these messages."""
        result = self._result
        result.delivered += len(numbers)
        self._latest_delivered.extend(numbers)
        for number in numbers:
            result.delivered_s[number] = now_s

    def _ack(self, numbers: list[int], now_s: float) -> None:
        result = self._result
        self.last_news_s = now_s
        for number in numbers:
            # A second ack of a message does not count.
            if result.acked_s[number] == NEVER:
                result.acked_s[number] = now_s
                result.acked += 1
                self._latest_acked.append(number)
        self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        """Check whether all is settled; message by message only once the counts allow it."""
        result, planned = self._result, len(self._result.plan)
        enough = min(result.acked, result.delivered) + len(result.refused) >= planned
        if enough and self._settled() == planned:
            self.all_settled.set()

    def _settled(self) -> int:
        """How many messages, from the first on, are settled without a gap."""
        result = self._result
        oldest = self._oldest
        while oldest < len(result.plan) and (
            oldest in result.refused
            or (result.acked_s[oldest] != NEVER and result.delivered_s[oldest] != NEVER)
        ):
            oldest += 1
        self._oldest = oldest
        return oldest
