"""How fast is the load generator itself? Measured against a server that does next to nothing.

An instrument that is no faster than what it measures, measures itself. Read `sink.py` for that
server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.bench.load_result import LoadResult
from chatlab.bench.processes import ListeningProcess, LoadJob, LoadProcess
from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.labs import screen
from chatlab.labs.base import ROUND_S, Lab, LabReport, Messages, Option, Rounds

USERS, IN_FLIGHT = 10, 32
WANTED_RATIO = 2.0
EXPECTED_PER_S = 20_000
"""For the estimate."""


class GeneratorReport(LabReport, frozen=True, kw_only=True):
    """What the load generator can do.

    Attributes:
        mode: the fastest of the modes that were tried; "" before all were.
        tried_per_s: mode to messages delivered per second, one round each.
        mode_per_s, sink_per_s: one figure a round, alternating: of the fastest mode, and of the
            server that does next to nothing.
        sink_cpu_percent: of one core, that the generator used against that server.
        ratio: the median of the rounds' ratios; None before the first round.
    """

    schema: str = "chatlab.generator/1"
    mode: str
    tried_per_s: dict[str, float]
    mode_per_s: list[float]
    sink_per_s: list[float]
    sink_cpu_percent: list[float]
    ratio: float | None

    @property
    def passed(self) -> bool:
        """Whether the generator is at least `WANTED_RATIO` times as fast as any mode."""
        return self.ratio is not None and self.ratio >= WANTED_RATIO


@dataclass(kw_only=True)
class Generator(Lab):
    """Ten users in one room, 32 messages in flight per user. Exit code 1 if the generator is not at
    least twice as fast as the fastest mode: what it measured would then be itself.
    """

    modes: Annotated[
        tuple[str, ...], Option("MODES", "Among which to look for the fastest.", kind="modes")
    ] = ("optimized", "journal")
    rounds: Rounds = 3
    messages: Messages = 20_000
    tried_per_s: dict[str, float] = field(default_factory=dict, init=False)
    mode_per_s: list[float] = field(default_factory=list, init=False)
    sinks: list[LoadResult] = field(default_factory=list, init=False)

    @property
    def fastest(self) -> str:
        """Of the modes that were tried; "" before all were."""
        if len(self.tried_per_s) < len(self.modes):
            return ""
        return max(self.tried_per_s, key=lambda mode: self.tried_per_s[mode])

    def estimate(self) -> tuple[float, str]:
        total = len(self.modes) + 2 * self.rounds
        return total * (ROUND_S + self.messages / EXPECTED_PER_S), f"{total} rounds"

    async def measure(self) -> None:
        """Measure the generator and the fastest mode in turn; the server that does next to nothing
        gets three times as many messages."""
        for mode in self.modes:
            self.say(f"looking for the fastest mode: {mode}")
            self.tried_per_s[mode] = await self._mode_per_s(mode)
        for number in range(1, self.rounds + 1):
            self.say(
                f"round {number} of {self.rounds}: {self.fastest}, then a server that does next to "
                "nothing"
            )
            mode_per_s = await self._mode_per_s(self.fastest)
            async with (
                LoadProcess() as worker,
                ListeningProcess("chatlab.labs.generator.sink") as sink,
            ):
                job = LoadJob(sink.url, _closed_loop(3 * self.messages), 1, RUN_ID)
                self.sinks.append(await worker.run(job))
            self.mode_per_s.append(mode_per_s)

    def report(self) -> GeneratorReport:
        sink_per_s = [one.throughput_per_s for one in self.sinks]
        ratios = [a / b for a, b in zip(sink_per_s, self.mode_per_s, strict=True)]
        return self.fill(
            GeneratorReport,
            mode=self.fastest,
            sink_per_s=sink_per_s,
            sink_cpu_percent=[one.sender_cpu_percent for one in self.sinks],
            ratio=median(ratios) if ratios else None,
        )

    def render(self, report: GeneratorReport) -> RenderableType:
        return Group(*_lines(report)) if report.ratio is not None else screen.nothing()

    async def _mode_per_s(self, mode: str) -> float:
        scenario = _closed_loop(self.messages)
        one = await measure_round(mode, scenario, seed=1, work_folder=self.folder)
        return one.load.throughput_per_s


def _lines(report: GeneratorReport) -> Iterator[RenderableType]:
    yield screen.title(
        "Messages delivered per second, each to ten receivers (medians):", complete=report.complete
    )
    yield Text(f"  {report.mode:30}{median(report.mode_per_s):>10,.0f}")
    yield f"  {'a server that does nothing':30}{median(report.sink_per_s):>10,.0f}"
    cpu = median(report.sink_cpu_percent)
    yield f"Against it the generator used {cpu:.0f}% of one core."
    yield f"It sustains {report.ratio:.1f} x the rate of the fastest mode."
    yield f"It should sustain {WANTED_RATIO:g} x: {'it does' if report.passed else 'NO'}."


def _closed_loop(messages: int) -> Scenario:
    return override(load("midnight"), messages=messages, users=USERS, in_flight=IN_FLIGHT)
