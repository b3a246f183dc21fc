"""The tuning lab: how large should a batch be, and how long may it wait?

Each pair of batch size and flush interval is measured under two loads, because each shows what
the other hides: the midnight burst shows throughput (batches fill at once), and a steady evening
shows latency (most batches never fill, and wait). Read `frontier.py` for how pairs are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.chat.metrics import percentiles
from chatlab.chat.modes import named
from chatlab.chat.snapshot import Percentiles
from chatlab.errors import UsageError
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, Seed, most_at_risk
from chatlab.labs.tune.frontier import frontier, pairs, recommended, words_of

CLEAR = 1.5
"""A figure counts as clearly larger than another from this ratio on."""
EXPECTED_PER_S = 2_000
"""Of a burst, for the estimate."""
UNMOVED = {
    "immediate": "saves each message alone",
    "group-commit": "saves all that waits as soon as it can",
}
"""Processors that do not turn the knobs of this lab, and what they do instead."""


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
        tuple[int, ...], Option("N,N,...", "Messages that make a batch full.", 1)
    ] = (1, 10, 100, 1_000, 10_000)
    flush_intervals: Annotated[
        tuple[float, ...], Option("MS,MS,...", "Milliseconds that the oldest may wait.", 0.1)
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


def too_small(cells: Sequence[Cell]) -> tuple[Cell, Cell] | None:
    """The smallest batch and the fastest cell, which clearly delivers more; None if it does not."""
    smallest = min(cells, key=lambda one: (one.batch_size, -one.delivered_per_s))
    fastest = max(cells, key=lambda one: one.delivered_per_s)
    return (
        None if smallest.delivered_per_s * CLEAR > fastest.delivered_per_s else (smallest, fastest)
    )


def worst_pair(
    cells: Sequence[Cell],
    same: Callable[[Cell], float | None],
    more: Callable[[Cell], float],
) -> tuple[Cell, Cell] | None:
    """Two cells with the same of one knob and less and more of the other, p95 clearly higher with
    more; those that differ the most, in p95 times throughput. None if there are none."""
    found = [
        (a.delivered_per_s / b.delivered_per_s * b.delivery_ms.p95 / a.delivery_ms.p95, a, b)
        for a in cells
        for b in cells
        if a.delivery_ms.p95
        and b.delivery_ms.p95
        and b.delivered_per_s
        and b.delivery_ms.p95 >= CLEAR * a.delivery_ms.p95
        and same(a) is not None
        and same(a) == same(b)
        and more(a) < more(b)
    ]
    if not found:
        return None
    _, less, most = max(found, key=lambda item: item[0])
    return less, most
