"""One trial of one attack: a fresh server, a polite client beside it, and what is asked of both.

An attack is an async function that gets a `Trial`; it registers itself with `@attack(...)`, and its
docstring is its promise. Whatever the attack, every trial asks for the same at its end: an answer
from /health all the while, a clean and timely stop, no traceback, and every acked message in the
folder.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.real.child import Child
from tests.real.polite import Felt, felt, talk
from tests.real.server import HEALTH_S, STOP_S, Server, UnreadableFolder

CALM_S = 1.5
"""What the polite client is measured for, before the attack."""
MEMORY_GROWTH_MAX_MB = 40
FACTOR_MAX = 5
"""The polite client's p50 under attack, against the one before: the median of the trials."""
WALL_S = 120.0
REWRITES = ("racy", "naive", "cached", "batched", "optimized")
"""Modes that get slower with each message: they are measured after the attack, too."""
MB = 1e6


@dataclass
class Result:
    """What came of one trial. Memory in MB; factors are None if there is nothing to compare."""

    attack: str
    mode: str
    memory_from: float = 0.0
    memory_to: float = 0.0
    ack_factor: float | None = None
    delivery_factor: float | None = None
    base: str = "before"
    late_ms: float | None = None
    acked: int = 0
    lost: int = 0
    stop_s: float | None = None
    broken: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def factor(self) -> float | None:
        return max((f for f in (self.ack_factor, self.delivery_factor) if f), default=None)


class Trial:
    """What an attack works with.

    Attributes:
        server: under attack.
        seconds: how long the attack is to last.
        result: so far.
    """

    def __init__(self, server: Server, seconds: float, result: Result) -> None:
        self.server, self.seconds, self.result = server, seconds, result
        self.port = server.port
        self.acked: list[str] = []
        self.exit_codes: tuple[int, ...] = (0,)
        self.data_is_gone = False
        """Whether the attack took the saved data away: then it judges what is lost itself."""
        self._calm: tuple[float, float] | None = None
        self._fray: tuple[float, float] | None = None
        self._after: tuple[float, float] | None = None

    def expect(self, holds: bool, else_: str) -> None:
        """Note what is broken, unless it holds."""
        if not holds and else_ not in self.result.broken:
            self.result.broken.append(else_)

    def note(self, **figures: Any) -> None:
        """Figures for the report."""
        self.result.notes.update(figures)

    async def calm(self) -> None:
        """Let the polite client be alone for a while, to compare with."""
        start = time.monotonic()
        await asyncio.sleep(min(CALM_S, self.seconds))
        self._calm = (start, time.monotonic())

    async def raid(self, *children: Child) -> list[Any]:
        """Let some processes attack, after a calm; what each has to say."""
        await self.calm()
        start = time.monotonic()
        async with AsyncExitStack() as stack:
            raiders = [await stack.enter_async_context(child) for child in children]
            said = await asyncio.gather(*(raider.result() for raider in raiders))
        self.fray(start)
        for one in said:
            if isinstance(one, dict):
                self.acked += contents(one.get("acked", {}))
        return list(said)

    def fray(self, start: float) -> None:
        """The attack lasted from `start` until now."""
        self._fray = (start, time.monotonic())

    async def close(self, polite: Child | None) -> None:
        """Stop the server if it still runs, and judge."""
        result, server = self.result, self.server
        if self._fray and result.mode in REWRITES and server.process.returncode is None and polite:
            start = time.monotonic()
            await asyncio.sleep(min(CALM_S, self.seconds))
            self._after = (start, time.monotonic())
        heard = await polite.result(tell=True) if polite else None
        self._judge_health_and_memory()
        end = await server.end()
        result.stop_s = end.took_s
        self.expect(end.code in self.exit_codes, f"exit code {end.code}")
        self.expect(end.took_s <= STOP_S, f"the stop took more than {STOP_S:g} s")
        self.expect("Traceback" not in end.errors, "a traceback on stderr")
        self.expect(end.errors.count("\n") < 20, f"{end.errors.count(chr(10)):,} lines on stderr")
        if heard:
            self.acked += heard["acked"]
            self._compare(heard["rows"])
            self.note(polite_errors=heard["errors"], polite_closed=heard["closed"])
        result.acked = len(self.acked)
        if not self.data_is_gone:
            await self._count_lost()

    async def _count_lost(self) -> None:
        try:
            saved = await self.server.saved()
        except UnreadableFolder as error:
            self.result.lost += len(self.acked)
            self.expect(False, f"the folder cannot be read: {error}")
            return
        self.result.lost += sum(one not in saved for one in self.acked)
        self.expect(not self.result.lost, "acked messages are lost")

    def _judge_health_and_memory(self) -> None:
        """While the server ran: until now, or its end."""
        start, end = self._fray or (0.0, time.monotonic())
        rss = self.server.rss
        calm = [size for at, size in rss if at < start] or [rss[0][1]]
        self.result.memory_from = calm[-1] / MB
        self.result.memory_to = (
            max(size for at, size in rss if at >= start or at == rss[-1][0]) / MB
        )
        growth = self.result.memory_to - self.result.memory_from
        self.expect(growth <= MEMORY_GROWTH_MAX_MB, "memory grows")
        end = min(end, self.server.ended_at - HEALTH_S)
        silent = [at for at, status in self.server.health if start <= at <= end and not status]
        self.expect(not silent, "/health is silent")

    def _compare(self, rows: list[list[float | None]]) -> None:
        """The polite client's p50 under attack, against its larger one without."""
        if not (self._calm and self._fray):
            return
        attacked = felt(rows, *self._fray)
        before = felt(rows, *self._calm)
        after = felt(rows, *self._after) if self._after else None
        if not attacked or not before:
            return
        base = before
        if after and after.ack_p50 > before.ack_p50:
            base, self.result.base = after, "after"
        self.result.ack_factor = attacked.ack_p50 / base.ack_p50
        self.result.delivery_factor = attacked.delivery_p50 / base.delivery_p50
        self.result.late_ms = attacked.late
        self.note(
            polite={"before": _short(before), "attacked": _short(attacked), "after": _short(after)}
        )


def _short(one: Felt | None) -> dict[str, float] | None:
    return one and {name: round(value, 2) for name, value in vars(one).items()}


def contents(acked: dict[str, list[list[int]]]) -> list[str]:
    """The contents of messages, from a tag and ranges of refs, both ends included."""
    return [
        f"{tag} {ref}"
        for tag, ranges in acked.items()
        for first, last in ranges
        for ref in range(first, last + 1)
    ]


@dataclass(frozen=True)
class Attack:
    """An attack, and the server that it needs.

    Attributes:
        name: on the command line.
        promise: what must hold, in a sentence.
        mode: the server's, if it must be this one; "" for the one that is asked for.
        options: for `chatlab serve`.
        descriptors: see `Server`.
        polite: whether a polite client talks meanwhile.
        prepare: fills the data folder before the start.
        linux: whether it needs Linux.
    """

    name: str
    promise: str
    act: Callable[[Trial], Awaitable[None]]
    mode: str = ""
    options: tuple[str, ...] = ()
    descriptors: int = 0
    polite: bool = True
    prepare: Callable[[Path], None] | None = None
    linux: bool = False


ATTACKS: dict[str, Attack] = {}


def attack(**how: Any) -> Callable[[Callable[[Trial], Awaitable[None]]], Any]:
    """Register an attack under its function's name."""

    def register(act: Callable[[Trial], Awaitable[None]]) -> Any:
        name = act.__name__
        ATTACKS[name] = Attack(name, " ".join((act.__doc__ or "").split()), act, **how)
        return act

    return register


async def run_trial(which: Attack, mode: str, seconds: float) -> Result:
    """One trial, on a fresh server."""
    result = Result(which.name, which.mode or mode)
    with tempfile.TemporaryDirectory(prefix="chatlab-attack-", ignore_cleanup_errors=True) as work:
        if which.prepare:
            which.prepare(Path(work) / "data")
        server = Server(Path(work), result.mode, which.options, which.descriptors)
        try:
            async with asyncio.timeout(WALL_S + 2 * seconds), server, AsyncExitStack() as stack:
                polite = None
                if which.polite:
                    asks = Child(talk, port=server.port, seconds=WALL_S + seconds)
                    polite = await stack.enter_async_context(asks)
                trial = Trial(server, seconds, result)
                await which.act(trial)
                await trial.close(polite)
        except TimeoutError:
            result.broken.append(f"not over after {WALL_S + 2 * seconds:g} s")
    return result
