"""The load generator: carries out a plan over real sockets and notes what comes back, and when.

Every send time is planned before the start, and latency counts from the planned time: a server
that cannot keep up cannot make the generator wait, and so cannot hide its delay (the trap known
as coordinated omission). What the generator itself costs, and how late it was, is in its result.

Read `audit.py` next: it judges what is noted here.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chatlab.bench.client import Connection, chat_url, connect, fetch_snapshot
from chatlab.bench.scenario import PlannedSend, Scenario, members
from chatlab.chat.errors import UsageError
from chatlab.chat.metrics import percentile
from chatlab.chat.parts.files import FileIO
from chatlab.chat.protocol import (
    Ack,
    CreateRoom,
    ErrorFrame,
    JoinRoom,
    LeaveRoom,
    MessageFrame,
    SendMessage,
    Welcome,
    decode_outgoing,
    encode,
)
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Snapshot

SENDS_AT_ONCE = 32
SETUP_TIMEOUT_S = 30.0
NEVER = -1.0


@dataclass(slots=True, kw_only=True)
class LoadResult:
    """What happened to each message of a plan. Lists are indexed by the message's number.

    Attributes:
        plan: what was to be sent.
        receivers: for each message, how many should receive it.
        sent_s, acked_s, delivered_s: seconds after the start at which it was sent, acked, and
            received by the last of its room; `NEVER` where that did not happen.
        refused: number to error code, of those that were turned down.
        receipts: how many `message` frames brought it, over all receivers.
        received: for each user, the numbers of the messages as they came in.
        sent, acked, delivered: how many were so far; delivered means to everyone in the room.
        altered: messages that came back with another text than was sent.
        wall_s: seconds from the start to the last event.
        sender_cpu_s: processor time that this process used meanwhile.
        before, after: the server's own account, before the first message and at the end.
        complete: whether the plan was carried out and everything answered.
        disconnected: connections that the server closed, and its reasons.
    """

    plan: list[PlannedSend]
    receivers: list[int]
    sent_s: list[float]
    acked_s: list[float]
    delivered_s: list[float]
    refused: dict[int, str] = field(default_factory=dict)
    receipts: list[int]
    received: list[array[int]]
    sent: int = 0
    acked: int = 0
    delivered: int = 0
    altered: int = 0
    wall_s: float = 0.0
    sender_cpu_s: float = 0.0
    before: Snapshot | None = None
    after: Snapshot | None = None
    complete: bool = False
    disconnected: Counter[str] = field(default_factory=Counter)

    @property
    def throughput_per_s(self) -> float:
        """Messages delivered to their room per second, from the first planned send (at 0 s) to
        the last delivery."""
        last_s = max(self.delivered_s, default=NEVER)
        return self.delivered / last_s if last_s > 0 else 0.0

    @property
    def ack_ms(self) -> list[float]:
        """From each planned send to its ack."""
        return self._since_planned_ms(self.acked_s)

    @property
    def delivery_ms(self) -> list[float]:
        """From each planned send to its last delivery."""
        return self._since_planned_ms(self.delivered_s)

    @property
    def late_p99_ms(self) -> float:
        """How late the generator itself was: the 99th percentile, from planned to sent."""
        late_ms = sorted(self._since_planned_ms(self.sent_s))
        return percentile(late_ms, 0.99) if late_ms else 0.0

    @property
    def sender_cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.sender_cpu_s / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def io(self) -> dict[str, FileIO]:
        """What the server's files cost meanwhile; files that were left alone are left out."""
        before = self.before.files if self.before else {}
        after = self.after.files if self.after else {}
        return {
            name: io - before.get(name, FileIO())
            for name, io in after.items()
            if io != before.get(name)
        }

    def _since_planned_ms(self, times_s: list[float]) -> list[float]:
        return [
            (at_s - send.at_s) * 1000
            for at_s, send in zip(times_s, self.plan, strict=True)
            if at_s != NEVER
        ]


class Load:
    """One run of a plan against one server.

    Args:
        url: the server's address, `ws://HOST:PORT`.
        scenario, plan: what to do.
        run_id: marks this run's users, rooms and messages, so that runs do not mix.
        clock: seconds.
        settle_s: seconds without any news after which a run that is not complete is given up.
    """

    def __init__(
        self,
        url: str,
        scenario: Scenario,
        plan: list[PlannedSend],
        *,
        run_id: str = "0",
        clock: Clock = time.perf_counter,
        settle_s: float = 5.0,
    ) -> None:
        self._url = url
        self._scenario = scenario
        self._run_id = run_id
        self._clock = clock
        self._settle_s = settle_s
        self._connections: list[Connection] = []
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._start = 0.0
        self._last_news = 0.0
        self._open = len(plan)  # messages without an answer, or acked and not yet with everyone
        self._all_settled = asyncio.Event()
        self._contents = [content_of(run_id, n, send.text) for n, send in enumerate(plan)]
        self.result = LoadResult(
            plan=plan,
            receivers=[members(scenario, send.room) for send in plan],
            sent_s=[NEVER] * len(plan),
            acked_s=[NEVER] * len(plan),
            delivered_s=[NEVER] * len(plan),
            receipts=[0] * len(plan),
            received=[array("q") for _ in range(scenario.users)],
        )

    async def run(self) -> LoadResult:
        """Connect everyone, carry out the plan, wait for the answers.

        A cancelled run (Ctrl-C) leaves what it has so far in `result`, marked incomplete.

        Raises:
            UsageError: the server cannot be reached or does not let the users in.
        """
        try:
            await self._set_up()
            self.result.before = await fetch_snapshot(self._url)
            await self._measure()
            self.result.after = await fetch_snapshot(self._url)
        finally:
            await self._hang_up()
        return self.result

    async def _set_up(self) -> None:
        for user in range(self._scenario.users):
            welcomed = self._expect(-1)
            connection = await connect(
                chat_url(self._url, f"load-{self._run_id}-{user}"), self._listener(user)
            )
            self._connections.append(connection)
            await self._until(welcomed, connection)
            room_id = self._room_id(user % self._scenario.rooms)
            if user < self._scenario.rooms:
                await self._request(connection, CreateRoom(room_id=room_id, ref=-2))
            await self._request(connection, JoinRoom(room_id=room_id, ref=-2))

    async def _measure(self) -> None:
        frames = [
            encode(SendMessage(room_id=self._room_id(send.room), content=content, ref=number))
            for number, (send, content) in enumerate(
                zip(self.result.plan, self._contents, strict=True)
            )
        ]
        # A collection in the middle of a run would count as the server's delay.
        gc.collect()
        gc.disable()
        cpu_before_s = time.process_time()
        self._start = self._last_news = self._clock()
        try:
            await self._send_all(frames)
            await self._until_answered()
        finally:
            gc.enable()
            self.result.wall_s = self._last_news - self._start
            self.result.sender_cpu_s = time.process_time() - cpu_before_s

    async def _send_all(self, frames: list[bytes]) -> None:
        for number, (send, frame) in enumerate(zip(self.result.plan, frames, strict=True)):
            ahead_s = self._start + send.at_s - self._clock()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            elif number % SENDS_AT_ONCE == 0:
                await asyncio.sleep(0)  # let answers in, or their times would be ours
            self._connections[send.user].send(frame)
            self.result.sent_s[number] = self._clock() - self._start
            self.result.sent += 1

    async def _until_answered(self) -> None:
        self._last_news = self._clock()
        while self._open:
            patience_s = self._last_news + self._settle_s - self._clock()
            if patience_s <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._all_settled.wait()
        self.result.complete = True

    async def _hang_up(self) -> None:
        for user, connection in enumerate(self._connections):
            if connection.closed.is_set():
                self.result.disconnected[connection.close_reason or "without a reason"] += 1
            else:
                connection.send(
                    encode(LeaveRoom(room_id=self._room_id(user % self._scenario.rooms)))
                )
        await asyncio.gather(*(connection.close() for connection in self._connections))

    def _listener(self, user: int) -> Callable[[bytes], None]:
        received = self.result.received[user]

        def on_frame(data: bytes) -> None:
            now = self._clock()
            frame = decode_outgoing(data)
            if type(frame) is MessageFrame:
                self._on_message(frame, received, now)
            elif type(frame) is Ack:
                self._on_ack(frame.ref, now)
            elif type(frame) is ErrorFrame:
                self._on_error(frame, now)
            elif type(frame) is Welcome:
                self._answer(-1)

        return on_frame

    def _on_message(self, frame: MessageFrame, received: array[int], now: float) -> None:
        number = number_of(self._run_id, frame.content)
        if number is None or number >= len(self.result.plan):
            return  # somebody else is talking
        result = self.result
        self._last_news = now
        received.append(number)
        if frame.content != self._contents[number]:
            result.altered += 1
        result.receipts[number] += 1
        if result.receipts[number] == result.receivers[number]:
            result.delivered_s[number] = now - self._start
            result.delivered += 1
            if result.acked_s[number] != NEVER:
                self._settled()

    def _on_ack(self, ref: int | str | None, now: float) -> None:
        if not isinstance(ref, int) or ref < 0:
            self._answer(ref)
            return
        self._last_news = now
        self.result.acked_s[ref] = now - self._start
        self.result.acked += 1
        if self.result.delivered_s[ref] != NEVER:
            self._settled()

    def _on_error(self, frame: ErrorFrame, now: float) -> None:
        if isinstance(frame.ref, int) and frame.ref >= 0:
            self._last_news = now
            # `storage_delayed` is news, not an answer: the server goes on trying.
            if frame.code != "storage_delayed" and frame.ref not in self.result.refused:
                self.result.refused[frame.ref] = frame.code
                self._settled()
        elif frame.code == "room_exists":
            self._answer(frame.ref)
        else:
            error = UsageError(f"{self._url} refused to let the load in: {frame.message}")
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(error)

    def _settled(self) -> None:
        self._open -= 1
        if not self._open:
            self._all_settled.set()

    async def _request(self, connection: Connection, request: msgspec.Struct) -> None:
        answered = self._expect(-2)
        connection.send(encode(request))
        await self._until(answered, connection)

    def _expect(self, ref: int) -> asyncio.Future[None]:
        self._waiting[ref] = asyncio.get_running_loop().create_future()
        return self._waiting[ref]

    def _answer(self, ref: int | str | None) -> None:
        waiting = self._waiting.get(ref) if isinstance(ref, int) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _until(self, answered: asyncio.Future[None], connection: Connection) -> None:
        closed = asyncio.ensure_future(connection.closed.wait())
        waiting: list[asyncio.Future[Any]] = [answered, closed]
        try:
            await asyncio.wait(
                waiting,
                timeout=SETUP_TIMEOUT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            closed.cancel()
        if not answered.done():
            reason = connection.close_reason or f"no answer within {SETUP_TIMEOUT_S:g} s"
            raise UsageError(f"{self._url} did not let the load in: {reason}")
        answered.result()

    def _room_id(self, room: int) -> str:
        return f"load-{self._run_id}-{room}"


def content_of(run_id: str, number: int, text: str) -> str:
    """A message's content: its run and number, by which it is recognised, then its text."""
    return f"{run_id}/{number} {text}"


def number_of(run_id: str, content: str) -> int | None:
    """The number in a content made by `content_of` of the same run; None for anything else."""
    mark, _, _ = content.partition(" ")
    run, _, number = mark.rpartition("/")
    return int(number) if run == run_id and number.isdecimal() else None
