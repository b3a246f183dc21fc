"""The xray lab: one message's life as a strip, step by step, in two modes at the same load.

Most messages of the load are not traced. One more client sends, now and then, a message that asks
for a trace; `chat/trace.py` is what answers it.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, median_low
from typing import Annotated

import msgspec

from chatlab.bench.address import chat_url
from chatlab.bench.client import Connection, connect
from chatlab.bench.own_messages import OwnMessages, steps_ms
from chatlab.bench.processes import LoadJob, LoadProcess, ServerFailed, ServerProcess
from chatlab.bench.scenario import RUN_ID, Scenario
from chatlab.chat import modes, protocol
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.labs.base import ROUND_S, History, Lab, LabReport, Option, Seed

ROOM, USER = "general", "xray"
RATE_MAX = 20_000
TRACE_EACH_S = 0.2
WARM_UP_S = 1.0
PATIENCE_S = 10.0
FIRST_OF, BEHIND_RATIO = 4, 3.0
"""A server fell behind if the last quarter of the messages took this many times as long as the
first."""


class Life(msgspec.Struct, frozen=True):
    """One message's way, from its sender and back.

    Attributes:
        back_ms: until it came back.
        ack_ms: until its ack.
        steps_ms: by step, in order; they add up to `back_ms`.
    """

    back_ms: float
    ack_ms: float
    steps_ms: dict[str, float]

    @property
    def longest(self) -> str:
        """The step that took most of the time."""
        return max(self.steps_ms, key=lambda step: self.steps_ms[step])


class XrayedMode(msgspec.Struct, frozen=True):
    """What was seen of one mode.

    Attributes:
        ack_means: the server's own word for it.
        lives: of each traced message, in the order in which they came back.
        flush_interval_s: how long a batch waits to fill, at most; None if none waits for that.
    """

    ack_means: AckLevel
    lives: list[Life]
    flush_interval_s: float | None = None

    @property
    def typical(self) -> Life:
        """The life of one real message: the one whose time is the median."""
        middle = median_low(life.back_ms for life in self.lives)
        return next(life for life in self.lives if life.back_ms == middle)

    @property
    def fell_behind(self) -> bool:
        """Whether the last messages took far longer than the first: no steady state was seen."""
        part = len(self.lives) // FIRST_OF
        if not part:
            return False
        first, last = (
            median(life.back_ms for life in some)
            for some in (self.lives[:part], self.lives[-part:])
        )
        return last > BEHIND_RATIO * first


class XrayReport(LabReport, frozen=True, kw_only=True):
    """All modes that were measured.

    Attributes:
        rate_per_s, users, history: the load around the traced messages.
    """

    schema: str = "chatlab.xray/1"
    seed: int
    rate_per_s: float
    users: int
    history: int
    modes: dict[str, XrayedMode]


@dataclass(kw_only=True)
class Xray(Lab):
    """Puts a small, steady load on each mode, and sends a few more messages that ask the server
    where their time went. Draws the median one of them as a strip, step by step, at the same scale
    for all modes.
    """

    modes: Annotated[tuple[str, ...], Option("MODES", "Line-ups.", kind="modes")] = (
        "naive",
        "journal",
    )
    rate: Annotated[float, Option("N", "Messages per second around it.", 1, RATE_MAX)] = 50.0
    users: Annotated[int, Option("N", "Who send them, in the same room.", 1, 1_000)] = 10
    messages: Annotated[int, Option("N", "Traced ones of each mode.", 1, 1_000)] = 20
    history: History = 10_000
    seed: Seed = 1
    seen: dict[str, XrayedMode] = field(default_factory=dict, init=False)

    def estimate(self) -> tuple[float, str]:
        each_s = ROUND_S + WARM_UP_S + self.messages * TRACE_EACH_S
        return len(self.modes) * each_s, f"{self.messages} traced messages of each mode"

    async def measure(self) -> None:
        for mode in self.modes:
            self.say(f"{mode}: {self.messages} traced messages among {self.rate:g} a second")
            with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.work) as folder:
                server = ServerProcess(mode, Path(folder), self.history)
                async with server:
                    async with self._load(server.url):
                        means, lives = await _trace(server.url, self.messages)
                        self.seen[mode] = XrayedMode(means, lives, flush_interval_s(mode))
                    await server.kill()  # nobody needs what it has still to save

    def report(self) -> XrayReport:
        return self.fill(XrayReport, rate_per_s=self.rate, modes=self.seen)

    @asynccontextmanager
    async def _load(self, url: str) -> AsyncIterator[None]:
        """A steady load, while the block lasts."""
        seconds = WARM_UP_S + self.messages * TRACE_EACH_S + PATIENCE_S
        scenario = Scenario(
            name="around",
            words="",
            messages=math.ceil(self.rate * seconds),
            users=self.users,
            room=ROOM,
            rate_per_s=self.rate,
        )
        async with LoadProcess() as worker:
            running = asyncio.ensure_future(worker.run(LoadJob(url, scenario, self.seed, RUN_ID)))
            await asyncio.wait([running], timeout=WARM_UP_S)
            if running.done():  # it was refused, and says why
                await running
            try:
                yield
            finally:
                running.cancel()
                await asyncio.wait([running])


def flush_interval_s(mode: str) -> float | None:
    """That of the queueing processor, perhaps turned; None with any other."""
    line_up = modes.named(mode)
    if line_up.parts["processor"] != "queueing":
        return None
    return line_up.knobs.get("flush-interval", Settings().flush_interval_s)


async def _trace(url: str, count: int) -> tuple[AckLevel, list[Life]]:
    """Send messages that ask for a trace, on time, however slow the server is.

    Raises:
        ServerFailed: no trace came, or the server went away.
    """
    person = _Traced(count)
    connection = await connect(chat_url(url, USER), person.on_frame)
    try:
        await person.send_all(connection)
    finally:
        await connection.close()
    if not person.lives:
        raise ServerFailed(f"none of {count} messages came back with a trace")
    return person.ack_means, person.lives


class _Traced:
    """The client that asks for traces."""

    def __init__(self, count: int) -> None:
        self.ack_means: AckLevel = "queued"
        self.lives: list[Life] = []
        self._count = count
        self._own = OwnMessages()
        self._back_ms: dict[protocol.Ref, float] = {}  # bounded by `count`
        self._joined = asyncio.Event()
        self._all_here = asyncio.Event()

    async def send_all(self, connection: Connection) -> None:
        connection.send(protocol.encode(protocol.JoinRoom(ref=0, room_id=ROOM)))
        async with asyncio.timeout(PATIENCE_S):
            await self._joined.wait()
        start = time.perf_counter()
        for ref in range(1, self._count + 1):
            await asyncio.sleep(max(0.0, start + ref * TRACE_EACH_S - time.perf_counter()))
            content = f"traced message {ref}"
            message = protocol.SendMessage(ref=ref, room_id=ROOM, content=content, trace=True)
            self._own.sent(ref, ROOM, content)
            connection.send(protocol.encode(message))
        waiting = [self._all_here.wait(), connection.closed.wait()]
        tasks = [asyncio.ensure_future(one) for one in waiting]
        await asyncio.wait(tasks, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    def on_frame(self, data: bytes) -> None:
        match protocol.decode_outgoing(data):
            case protocol.Welcome() as welcome:
                self.ack_means = welcome.ack_means
            case protocol.Ack(ref=0):
                self._joined.set()
            case protocol.MessageFrame(sender="xray") as frame:
                if (own := self._own.back(frame)) is not None:
                    self._back_ms[own.ref] = own.back_ms
            case protocol.TraceFrame() as trace if trace.ref in self._back_ms:
                back_ms = self._back_ms[trace.ref]
                self.lives.append(Life(back_ms, trace.ack_ms, steps_ms(trace, back_ms)))
                if len(self.lives) == self._count:
                    self._all_here.set()
