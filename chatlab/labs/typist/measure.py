"""What does one person feel while a class chats, and do all who measure it agree?

Three measure the same messages: the load generator at its end of the sockets, the server at its own
(`/stats`, and so the dashboard), and one person who types. Each round has a fresh server.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import msgspec

from chatlab.bench.load_result import LoadResult
from chatlab.bench.processes import LoadJob, LoadProcess, ServerProcess
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM, Estimate, estimate
from chatlab.labs.base import ROUND_S, History, Lab, LabReport, Option, Rounds, Seed
from chatlab.labs.typist.person import TypingPerson

AGREE_WITHIN = 0.10
AGREE_WITHIN_MS = 3.0
"""The way from one end of a socket to the other is not the server's to see."""
GRACE_S = 1.0
"""After the last planned message; then the load ends, whatever is missing."""


class TypistRound(msgspec.Struct, frozen=True):
    """One round; latencies in milliseconds, p50 unless said otherwise, None where n is too small.

    Attributes:
        echoes_ms: each of the typist's messages, from its send until it was back.
        saved_ms, traces_ms: the server's account of the same: until it was saved, and until it was
            sent to the last one in the room. The typist is one of the first.
        load_ack_ms, load_delivery_ms: of the load's last ten seconds, from when each was due.
        server_ack_ms, server_delivery_ms: of the same messages, from when each could be read.
        due_ack_ms, due_delivery_ms: ... from when each was due.
        late_p99_ms: from when the load should have sent to when it did. So long its process waits
            for a processor; it may read as late, which the server cannot see.
    """

    echoes_ms: list[float]
    saved_ms: list[float]
    traces_ms: list[float]
    load_ack_ms: float | None
    load_delivery_ms: float | None
    server_ack_ms: float | None
    server_delivery_ms: float | None
    due_ack_ms: float | None
    due_delivery_ms: float | None
    late_p99_ms: float


class TypistMode(msgspec.Struct, frozen=True):
    """One mode's rounds."""

    rounds: list[TypistRound]

    def of(self, name: str) -> float | None:
        """The median over the rounds of one of their figures; of a list, of the list's median."""
        found: list[Any] = [getattr(one, name) for one in self.rounds]
        figures = [median(one) if isinstance(one, list) else one for one in found if one]
        return median(figures) if figures else None

    @property
    def margin_ms(self) -> float:
        """What no account can see of another, whatever the latency."""
        return max(AGREE_WITHIN_MS, self.of("late_p99_ms") or 0.0)

    def agrees(self, what: str) -> bool | None:
        """Whether one of the `ACCOUNTS` agrees; None if there is nothing to compare."""
        low, high, ours = map(self.of, ACCOUNTS[what])
        if low is None or high is None or ours is None:
            return None
        margin = max(AGREE_WITHIN * ours, self.margin_ms)
        return low - margin <= ours <= high + margin


ACCOUNTS = {
    "echo, and the server's trace of it": ("saved_ms", "traces_ms", "echoes_ms"),
    "ack: server (/stats) and load": ("due_ack_ms", "due_ack_ms", "load_ack_ms"),
    "delivery: server (/stats) and load": (*["due_delivery_ms"] * 2, "load_delivery_ms"),
}
"""What must agree: the least and the most by the server's account, and what its client measured."""


class TypistReport(LabReport, frozen=True, kw_only=True):
    """What a person feels in each mode.

    Attributes:
        scenario: the load.
        history: messages in the data folder before.
        modes: by name.
        ratio: the first mode's typist waits so many times as long as each other mode's, by name,
            paired by round.
    """

    schema: str = "chatlab.typist/1"
    scenario: Scenario
    history: int
    modes: dict[str, TypistMode]
    ratio: dict[str, Estimate]

    @property
    def apart(self) -> list[str]:
        """Each mode's accounts that do not agree."""
        return [
            f"{name}: {what}"
            for name, mode in self.modes.items()
            for what in ACCOUNTS
            if mode.agrees(what) is False
        ]

    @property
    def enough(self) -> bool:
        """Whether there are rounds enough to claim anything."""
        return all(len(mode.rounds) >= ROUNDS_FOR_A_CLAIM for mode in self.modes.values())

    @property
    def passed(self) -> bool:
        """False if accounts do not agree, and that is no accident of a few rounds."""
        return not (self.apart and self.enough)


@dataclass(kw_only=True)
class Typist(Lab):
    """While 50 people chat at a steady rate (the scenario `class`), one person types: sends a
    message, waits until it is back, takes a breath. So you see what a person feels in each mode;
    and whether the server's own figures (`/stats`, the dashboard, its traces) agree with what its
    clients measure. Exit code 1 if they do not, in six rounds or more.
    """

    modes: Annotated[tuple[str, ...], Option("MODES", "Line-ups.", kind="modes")] = (
        "naive",
        "optimized",
    )
    rounds: Rounds = 10
    messages: Annotated[int, Option("N", "Messages of the class in a round.", 100, 100_000)] = 4_000
    rate: Annotated[float, Option("N", "Messages per second of the class.", 1, 10_000)] = 250.0
    history: History = 5_000
    seed: Seed = 1
    found: dict[str, list[TypistRound]] = field(default_factory=dict, init=False)

    @property
    def scenario(self) -> Scenario:
        """The load."""
        return override(load("class"), messages=self.messages, rate_per_s=self.rate)

    def estimate(self) -> tuple[float, str]:
        total = len(self.modes) * self.rounds
        each_s = ROUND_S + self.scenario.planned_s + GRACE_S
        return total * each_s, f"{total} rounds of {each_s:.0f} s"

    async def measure(self) -> None:
        """The modes in turn: A B B A."""
        for number in range(1, self.rounds + 1):
            for mode in self.modes if number % 2 else reversed(self.modes):
                self.say(f"round {number} of {self.rounds}: somebody types into {mode}")
                measured = await self._round(mode)
                self.found.setdefault(mode, []).append(measured)

    def report(self) -> TypistReport:
        modes = {mode: TypistMode(self.found[mode]) for mode in self.modes if mode in self.found}
        return self.fill(
            TypistReport, scenario=self.scenario, modes=modes, ratio=dict(self._ratios())
        )

    def _ratios(self) -> Any:
        first, *others = self.modes
        for mode in others:
            pairs = zip(self.found.get(first, []), self.found.get(mode, []), strict=False)
            ratios = [
                median(ours.echoes_ms) / median(theirs.echoes_ms)
                for ours, theirs in pairs
                if ours.echoes_ms and theirs.echoes_ms
            ]
            if ratios:
                yield mode, estimate(ratios)

    async def _round(self, mode: str) -> TypistRound:
        with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.folder) as name:
            async with (
                LoadProcess() as worker,
                ServerProcess(mode, Path(name) / "data", self.history) as server,
                TypingPerson(server.url, self.scenario.room or "general") as person,
            ):
                scenario = self.scenario
                job = LoadJob(
                    server.url,
                    scenario,
                    self.seed,
                    RUN_ID,
                    deadline_s=scenario.planned_s + GRACE_S,
                    stamped=True,
                )
                typing = asyncio.create_task(person.type())
                try:
                    result = await worker.run(job)
                finally:
                    typing.cancel()
                    await asyncio.wait([typing])
                if not typing.cancelled() and (error := typing.exception()):
                    raise error
        return _round_of(result, person)


def _round_of(result: LoadResult, person: TypingPerson) -> TypistRound:
    after, recent = result.after, result.recent
    assert after is not None
    echoed = min(len(person.echoes_ms), len(person.traces_ms))
    return TypistRound(
        echoes_ms=person.echoes_ms[:echoed],
        saved_ms=person.saved_ms[:echoed],
        traces_ms=person.traces_ms[:echoed],
        load_ack_ms=recent.ack_ms.p50,
        load_delivery_ms=recent.delivery_ms.p50,
        server_ack_ms=after.ack_ms.p50,
        server_delivery_ms=after.delivery_ms.p50,
        due_ack_ms=after.ack_from_due_ms.p50,
        due_delivery_ms=after.delivery_from_due_ms.p50,
        late_p99_ms=result.late_p99_ms,
    )
