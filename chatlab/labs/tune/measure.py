"""The tuning lab: how large should a batch be, and how long may it wait?

Each pair of batch size and flush interval is measured under two loads, because each shows what
the other hides: the midnight burst shows throughput (batches fill at once), and a steady evening
shows latency (most batches never fill, and wait). Read `frontier.py` for how pairs are judged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from chatlab.bench import environment
from chatlab.bench.audit import Audit
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.chat.metrics import percentiles
from chatlab.chat.modes import named
from chatlab.chat.snapshot import Percentiles
from chatlab.errors import UsageError
from chatlab.labs.common import Say, most_at_risk, silent
from chatlab.labs.tune.frontier import frontier, recommended
from chatlab.labs.tune.grid import pairs, words_of

SCHEMA = "chatlab.tune/1"
DEFAULT_BATCH_SIZES = (1, 10, 100, 1_000, 10_000)
DEFAULT_INTERVALS_MS = (10.0, 50.0, 250.0, 1_000.0)
USERS = 10
BURST_MESSAGES = 2_000
STEADY_PER_S = 300.0
STEADY_MESSAGES = 300


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


class TuneReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `complete` is False after Ctrl-C, `recommended` the place of a cell or None."""

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    mode: str
    rounds: int
    burst_messages: int
    steady_per_s: float
    steady_messages: int
    complete: bool
    cells: list[Cell]
    recommended: int | None


UNMOVED = {
    "immediate": "saves each message alone",
    "group-commit": "saves all that waits as soon as it can",
}
"""Processors that do not turn the knobs of this lab, and what they do instead."""


class Tune:
    """The lab, under way.

    Args:
        mode: a line-up whose processor queues.
        batch_sizes: messages.
        intervals_ms: flush intervals, in milliseconds.
        rounds: of each load, for each pair.
        burst_messages: in a burst.
        steady_per_s, steady_messages: the steady load's rate, and how many messages it has.
        seed: of the loads.
        work_folder: where data folders are made; the system's place for temporary files if None.
        say: hears what is being measured.

    Raises:
        UsageError: the mode saves each message alone, so that there is nothing to tune; or its
            name turns the lab's own knobs.
    """

    def __init__(
        self,
        mode: str,
        *,
        batch_sizes: Sequence[int] = DEFAULT_BATCH_SIZES,
        intervals_ms: Sequence[float] = DEFAULT_INTERVALS_MS,
        rounds: int = 1,
        burst_messages: int = BURST_MESSAGES,
        steady_per_s: float = STEADY_PER_S,
        steady_messages: int = STEADY_MESSAGES,
        seed: int = 1,
        work_folder: Path | None = None,
        say: Say = silent,
    ) -> None:
        line_up = named(mode)
        if fixed := line_up.knobs.keys() & {"batch-size", "flush-interval"}:
            raise UsageError(
                f"mode {mode!r} fixes {' and '.join(sorted(fixed))}, which is what this lab turns: "
                "leave it out of the mode's name"
            )
        processor = line_up.parts["processor"]
        if why := UNMOVED.get(processor):
            raise UsageError(
                f"mode {mode!r} {why}, so that batch size and flush interval change nothing: tune "
                "one that waits for either, e.g. optimized"
            )
        self.mode = mode
        self.pairs = pairs(batch_sizes, intervals_ms, one_is_full=processor == "queueing")
        self.rounds = rounds
        self.seed = seed
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self.cells: list[Cell] = []
        self._say = say
        self._burst = Scenario(name="burst", words="all at once", messages=burst_messages)
        self._steady = Scenario(
            name="steady", words="evenly", messages=steady_messages, rate_per_s=steady_per_s
        )

    async def run(self) -> None:
        """Measure every pair.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        for number, (batch_size, interval_ms) in enumerate(self.pairs, start=1):
            where = f"pair {number} of {len(self.pairs)}: {words_of(batch_size, interval_ms)}"
            mode = f"{self.mode}+batch-size={batch_size}"
            if interval_ms is not None:
                mode += f"+flush-interval={interval_ms / 1000}"
            bursts, steadies = [], []
            for _ in range(self.rounds):
                self._say(f"{where}, burst")
                bursts.append(await self._round(mode, self._burst))
                self._say(f"{where}, steady")
                steadies.append(await self._round(mode, self._steady))
            self.cells.append(cell(batch_size, interval_ms, bursts, steadies))

    def report(self, command: str) -> TuneReport:
        """What was measured so far; `command` is the command line that asked for it."""
        cells, best = judged(self.cells)
        return TuneReport(
            command=command,
            seed=self.seed,
            environment=environment.describe(self.work_folder),
            mode=self.mode,
            rounds=self.rounds,
            burst_messages=self._burst.messages,
            steady_per_s=self._steady.rate_per_s or 0.0,
            steady_messages=self._steady.messages,
            complete=len(cells) == len(self.pairs),
            cells=cells,
            recommended=best,
        )

    async def _round(self, mode: str, scenario: Scenario) -> Round:
        return await measure_round(mode, scenario, self.seed, work_folder=self.work_folder)


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
