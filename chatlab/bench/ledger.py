"""What a load generator writes down as answers come in: acks, messages, refusals, and when.

Owns the bookkeeping of a run; knows nothing of sockets. Built for speed where it counts: of a
batch frame that ten users receive, nine copies are compared with the first byte by byte, not read
again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable

import msgspec

from chatlab.bench.marks import content_of, number_of
from chatlab.bench.result import NEVER, LoadProgress, LoadResult
from chatlab.chat.metrics import percentiles
from chatlab.chat.protocol import Message, MessageFrame, MessagesFrame

LATEST_ACKS = 400


class Received(msgspec.Struct, frozen=True):
    """What one frame with messages says, as far as this run's plan goes.

    Attributes:
        numbers: which messages, in order.
        room: in which room they were sent, if that is one for all; else -1.
        distinct: whether none is in it twice.
        altered: how many have another text than was sent.
        own: for each sender, how many of them are its own.
    """

    numbers: list[int]
    room: int
    distinct: bool
    altered: int
    own: dict[int, int]


class Ledger:
    """The account of one run.

    Args:
        run_id: of the run; messages of anybody else are passed over.
        result: where everything is written down.
        came_back: hears how many of a user's messages have come back to it, or were refused.

    Attributes:
        all_settled: set when each message is refused, or acked and with everyone in the room.
        last_news_s: when anything was heard last; seconds after the start.
    """

    def __init__(
        self, run_id: str, result: LoadResult, came_back: Callable[[int, int], None]
    ) -> None:
        self._run_id = run_id
        self._result = result
        self._came_back = came_back
        self.contents = [content_of(run_id, n, send.text) for n, send in enumerate(result.plan)]
        self.all_settled = asyncio.Event()
        self.last_news_s = 0.0
        self._settled: set[int] = set()
        self._oldest = 0  # all messages before this one are settled
        self._seen: list[set[int]] = [set() for _ in result.received]
        # For each user, its messages that no ack is known of, in the order of their sending.
        self._unacked: list[deque[int]] = [deque() for _ in result.received]
        self._latest_ms: deque[tuple[float, float]] = deque(maxlen=LATEST_ACKS)
        self._latest_frame = b""
        self._latest_received = Received([], -1, True, 0, {})

    def sent(self, number: int, now_s: float) -> None:
        """A message was handed to the socket."""
        result = self._result
        result.sent_s[number] = now_s
        result.sent += 1
        self._unacked[result.plan[number].user].append(number)

    def same_again(self, user: int, data: bytes, now_s: float) -> bool:
        """Take a copy of the latest batch frame without reading it; False if it is none."""
        if data != self._latest_frame:
            return False
        self._messages(user, self._latest_received, now_s)
        return True

    def batch(self, user: int, data: bytes, frame: MessagesFrame, now_s: float) -> None:
        """A user received a batch frame."""
        self._latest_frame, self._latest_received = data, self._read(frame.messages)
        self._messages(user, self._latest_received, now_s)

    def message(self, user: int, frame: MessageFrame, now_s: float) -> None:
        """A user received a message."""
        self._messages(user, self._read((frame,)), now_s)

    def ack(self, number: int, now_s: float) -> None:
        """A message was acked."""
        self.last_news_s = now_s
        result = self._result
        if result.acked_s[number] != NEVER:
            return  # a second ack of the same message is no second message
        result.acked_s[number] = now_s
        planned_s, sent_s = result.plan[number].at_s, result.sent_s[number]
        self._latest_ms.append(((now_s - planned_s) * 1000, (now_s - sent_s) * 1000))
        result.acked += 1
        if result.delivered_s[number] != NEVER:
            self._settle(number)

    def echo(self, user: int, number: int, content: str, now_s: float) -> None:
        """A message came back to its sender: acked and delivered at once."""
        result = self._result
        self.ack(number, now_s)
        result.received[user].append(number)
        result.altered += content != self.contents[number]
        if result.delivered_s[number] == NEVER:
            result.receipts[number] = 1
            result.delivered_s[number] = now_s
            result.delivered += 1
            self._settle(number)
            self._came_back(user, 1)

    def ack_up_to(self, user: int, number: int, now_s: float) -> None:
        """All of a user's messages up to one were acked, but for those that were refused."""
        unacked, refused = self._unacked[user], self._result.refused
        while unacked and unacked[0] <= number:
            one = unacked.popleft()
            if one not in refused:
                self.ack(one, now_s)

    def refusal(self, number: int, code: str, now_s: float) -> None:
        """A message was turned down, for good."""
        result = self._result
        self.last_news_s = now_s
        if number not in result.refused:
            result.refused[number] = code
            result.refused_s[number] = now_s
            self._settle(number)
            self._came_back(result.plan[number].user, 1)

    def progress(self, now_s: float) -> LoadProgress:
        """Where the run stands."""
        result = self._result
        while self._oldest < len(result.plan) and self._oldest in self._settled:
            self._oldest += 1
        all_settled = self._oldest == len(result.plan)
        planned_s = now_s if all_settled else result.plan[self._oldest].at_s
        return LoadProgress(
            t_s=now_s,
            sent=result.sent,
            acked=result.acked,
            delivered=result.delivered,
            refused=len(result.refused),
            oldest_s=max(0.0, now_s - planned_s),
            ack_p95_ms=percentiles([planned for planned, _ in self._latest_ms]).p95,
            ack_p95_send_ms=percentiles([sent for _, sent in self._latest_ms]).p95,
        )

    def _read(self, messages: Iterable[Message | MessageFrame]) -> Received:
        plan, contents = self._result.plan, self.contents
        numbers: list[int] = []
        altered = 0
        for message in messages:
            number = number_of(self._run_id, message.content)
            if number is None or number >= len(plan):
                continue  # somebody else is talking
            numbers.append(number)
            altered += message.content != contents[number]
        rooms = {plan[number].room for number in numbers}
        return Received(
            numbers=numbers,
            room=rooms.pop() if len(rooms) == 1 else -1,
            distinct=len(set(numbers)) == len(numbers),
            altered=altered,
            own=Counter(plan[number].user for number in numbers),
        )

    def _messages(self, user: int, received: Received, now_s: float) -> None:
        numbers, result = received.numbers, self._result
        if not numbers:
            return
        self.last_news_s = now_s
        result.received[user].extend(numbers)
        result.altered += received.altered
        room, seen = user % result.rooms, self._seen[user]
        if received.room != room or not received.distinct or not seen.isdisjoint(numbers):
            numbers = self._first_copies(numbers, room, seen)
        seen.update(numbers)
        receipts, receivers = result.receipts, result.receivers
        for number in numbers:
            receipts[number] += 1
            if receipts[number] == receivers[number]:
                result.delivered_s[number] = now_s
                result.delivered += 1
                if result.acked_s[number] != NEVER:
                    self._settle(number)
        if mine := received.own.get(user):
            self._came_back(user, mine)

    def _first_copies(self, numbers: list[int], room: int, seen: set[int]) -> list[int]:
        """A second copy for one is no first copy for another; nor is one shown to a stranger."""
        fresh = dict.fromkeys(n for n in numbers if n not in seen)
        return [number for number in fresh if self._result.plan[number].room == room]

    def _settle(self, number: int) -> None:
        self._settled.add(number)
        if len(self._settled) == len(self._result.plan):
            self.all_settled.set()
