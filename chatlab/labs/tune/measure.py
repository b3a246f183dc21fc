"""The tuning lab: how large should a batch be, and how long may it wait?

Each pair of batch size and flush interval is measured under two loads, because each shows what
the other hides: the midnight burst shows throughput (batches fill at once), and a steady evening
shows latency (most batches never fill, and wait).

A pair is on the Pareto frontier if no other is at least as good in both figures and better in one;
of those, `RULE` recommends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.chat.metrics import percentiles
from chatlab.chat.modes import named
from chatlab.chat.settings import KNOBS
from chatlab.chat.snapshot import Percentiles
from chatlab.errors import UsageError
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, Seed, most_at_risk

INTERVAL_MAX_MS = KNOBS["flush-interval"].highest * 1000
EXPECTED_PER_S = 2_000
"""Of a burst, for the estimate."""
UNMOVED = {
    "immediate": "saves each message alone",
    "group-commit": "saves all that waits as soon as it can",
}
"""Processors that do not turn the knobs of this lab, and what they do instead."""
ENOUGH = 0.8
ALIKE = 1.1
RULE = (
    f"of all with at least {ENOUGH:.0%} of the best throughput, those whose p95 is within "
    f"{ALIKE - 1:.0%} of the lowest; of these, the smallest batch"
)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of knobs, measured.

    Attributes:
        batch_size: messages that make a batch full.
        flush_interval_ms: how long the oldest may wait; None where it never matters, because a
            batch of one is always full.
        delivered_per_s: under the burst; the median of rounds.
        delivery_ms: under the steady load, from the planned send; all rounds' samples together.
        at_risk: under the steady load, the most messages acked and not yet delivered at once.
        rss_peak_bytes: the server's highest resident memory under either load.
        on_frontier: no other pair is at least as good in throughput and latency, and better in one.
        invalid: why a figure cannot be trusted; empty if all can.
        audit: all rounds added up.
    """

    batch_size: int
    flush_interval_ms: float | None
    delivered_per_s: float
    delivery_ms: Percentiles
    at_risk: int
    rss_peak_bytes: int
    on_frontier: bool = False
    invalid: list[str] = []
    audit: Audit


class TuneReport(LabReport, frozen=True, kw_only=True):
    """All pairs that were measured; `recommended` is the place of a cell, or None."""

    schema: str = "chatlab.tune/1"
    seed: int
    mode: str
    rounds: int
    burst_messages: int
    steady_per_s: float
    steady_messages: int
    cells: list[Cell]
    recommended: int | None

    @property
    def passed(self) -> bool:
        """Whether no round lost or damaged a message."""
        return all(one.audit.clean for one in self.cells)


@dataclass(kw_only=True)
class Tune(Lab):
    """Measures each pair under a burst (throughput) and under a steady load (latency), marks those
    that no other pair beats, and recommends one.
    """

    mode: Annotated[str, Option("MODE", "A line-up that queues.", kind="modes")] = "optimized"
    batch_sizes: Annotated[
        tuple[int, ...],
        Option("N,N,...", "Messages that make a batch full.", 1, KNOBS["batch-size"].highest),
    ] = (1, 10, 100, 1_000, 10_000)
    flush_intervals: Annotated[
        tuple[float, ...],
        Option("MS,MS,...", "Milliseconds that the oldest may wait.", 0.1, INTERVAL_MAX_MS),
    ] = (10.0, 50.0, 250.0, 1_000.0)
    rounds: Annotated[int, Option("N", "Rounds of each pair and load.", 1, 1_000)] = 1
    burst: Annotated[int, Option("N", "Messages of the burst.", 100, 9_000)] = 2_000
    rate: Annotated[float, Option("N", "Messages per second of the steady load.", 1)] = 300.0
    steady: Annotated[int, Option("N", "Messages of the steady load.", 200, 100_000)] = 300
    seed: Seed = 1
    cells: list[Cell] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Raises `UsageError` where the mode never waits for a batch or an interval, so that there
        is nothing to tune; or where its name fixes the knobs that this lab turns."""
        super().__post_init__()
        line_up = named(self.mode)
        if fixed := line_up.knobs.keys() & {"batch-size", "flush-interval"}:
            raise UsageError(
                f"mode {self.mode!r} fixes {' and '.join(sorted(fixed))}, which is what this lab "
                "turns: leave it out of the mode's name"
            )
        processor = line_up.parts["processor"]
        if why := UNMOVED.get(processor):
            raise UsageError(
                f"mode {self.mode!r} {why}, so that batch size and flush interval change nothing: "
                "tune one that waits for either, e.g. optimized"
            )
        self.pairs = pairs(
            self.batch_sizes, self.flush_intervals, one_is_full=processor == "queueing"
        )

    def estimate(self) -> tuple[float, str]:
        each_s = 2 * ROUND_S + self.burst / EXPECTED_PER_S + self.steady / self.rate
        loads = len(self.pairs) * self.rounds
        return loads * each_s, f"{2 * loads} rounds, two for each of {len(self.pairs)} pairs"

    async def measure(self) -> None:
        burst = Scenario(name="burst", words="all at once", messages=self.burst)
        steady = Scenario(name="steady", words="evenly", messages=self.steady, rate_per_s=self.rate)
        for number, (batch_size, interval_ms) in enumerate(self.pairs, start=1):
            where = f"pair {number} of {len(self.pairs)}: {words_of(batch_size, interval_ms)}"
            mode = f"{self.mode}+batch-size={batch_size}"
            if interval_ms is not None:
                mode += f"+flush-interval={interval_ms / 1000}"
            bursts, steadies = [], []
            for _ in range(self.rounds):
                self.say(f"{where}, burst")
                bursts.append(await self._round(mode, burst))
                self.say(f"{where}, steady")
                steadies.append(await self._round(mode, steady))
            self.cells.append(cell(batch_size, interval_ms, bursts, steadies))

    def report(self) -> TuneReport:
        cells, best = judged(self.cells)
        return self.fill(
            TuneReport,
            burst_messages=self.burst,
            steady_per_s=self.rate,
            steady_messages=self.steady,
            cells=cells,
            recommended=best,
        )

    async def _round(self, mode: str, scenario: Scenario) -> Round:
        return await measure_round(mode, scenario, self.seed, work_folder=self.folder)


def cell(
    batch_size: int, interval_ms: float | None, bursts: list[Round], steadies: list[Round]
) -> Cell:
    """The rounds of one pair, at least one of each load, put together."""
    everything = [*bursts, *steadies]
    return Cell(
        batch_size=batch_size,
        flush_interval_ms=interval_ms,
        delivered_per_s=median(one.load.throughput_per_s for one in bursts),
        delivery_ms=percentiles([ms for one in steadies for ms in one.load.delivery_ms()]),
        at_risk=max(most_at_risk(one.load) for one in steadies),
        rss_peak_bytes=max(one.after.rss_peak_bytes for one in everything),
        invalid=sorted({reason for one in everything for reason in one.invalid}),
        audit=sum((one.audit for one in everything), Audit()),
    )


def pairs(
    batch_sizes: Sequence[int], intervals_ms: Sequence[float], *, one_is_full: bool
) -> list[tuple[int, float | None]]:
    """The grid. With `one_is_full` a batch size of 1 stands once: its interval never matters."""
    return [
        pair
        for size in batch_sizes
        for pair in (
            [(size, None)]
            if size == 1 and one_is_full
            else [(size, interval_ms) for interval_ms in intervals_ms]
        )
    ]


def words_of(batch_size: int, interval_ms: float | None) -> str:
    """A pair, as people say it."""
    return f"batch {batch_size:,}" + ("" if interval_ms is None else f", {interval_ms:,g} ms")


def frontier(choices: Sequence[tuple[float, float]]) -> list[bool]:
    """Which choices nothing beats.

    Args:
        choices: for each, a gain (more is better) and a price (less is better).
    """
    return [not any(_beats(other, one) for other in choices) for one in choices]


def recommended(choices: Sequence[tuple[float, float]], sizes: Sequence[float]) -> int | None:
    """The place of the choice to recommend, by `RULE`; None if there is none.

    Args:
        choices: gain and price of each.
        sizes: the batch size of each. Of two that cost the same in a quiet hour, the one with
            fewer messages in a batch loses less when something goes wrong.
    """
    if not choices:
        return None
    enough = ENOUGH * max(gain for gain, _ in choices)
    good = [place for place, (gain, _) in enumerate(choices) if gain >= enough]
    cheap = ALIKE * min(choices[place][1] for place in good)
    alike = [place for place in good if choices[place][1] <= cheap]
    return min(alike, key=lambda place: (sizes[place], choices[place][1]))


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    no_worse = one[0] >= other[0] and one[1] <= other[1]
    return no_worse and one != other


def judged(cells: Sequence[Cell]) -> tuple[list[Cell], int | None]:
    """The cells with the frontier marked, and the place of the recommended one.

    By throughput and delivery p95. A cell without a p95, or whose audit is not clean, is no choice.
    """
    places = [n for n, one in enumerate(cells) if one.audit.clean and one.delivery_ms.p95]
    choices = [(cells[n].delivered_per_s, cells[n].delivery_ms.p95 or 0.0) for n in places]
    marked = list(cells)
    for place, is_on in zip(places, frontier(choices), strict=True):
        marked[place] = msgspec.structs.replace(cells[place], on_frontier=is_on)
    best = recommended(choices, [cells[n].batch_size for n in places])
    return marked, None if best is None else places[best]
