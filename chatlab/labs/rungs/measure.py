"""The rungs lab: what chatlab promises of its upper rungs, and whether they keep it.

Rounds of everything that is compared alternate, so that each ratio comes from one run on one
machine. A promise is met if the whole 95% interval keeps it, missed if the whole interval breaks
it, and otherwise not clear; with fewer than six rounds there is no interval, and so no verdict.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.machine import ECHO, measure_ceiling
from chatlab.bench.processes import ServerProcess
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario, load, override
from chatlab.bench.statistics import Estimate, estimate
from chatlab.chat.metrics import percentiles
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, SixRounds

HISTORY = 1_000_000
USERS, IN_FLIGHT = 10, 32
STEADY_PER_S = 1_000.0
IDLE_MESSAGES = 300
RSS_MAX_MIB = 150.0
START_MAX_S = 2.0
MIB = 1024 * 1024
HISTORY_PER_S = 150_000
"""Messages of history that are written in a second, for the estimate; copying is quick."""

Verdict = Literal["met", "missed", "not clear"]


class Promise(msgspec.Struct, frozen=True):
    """One promise, and what became of it.

    Attributes:
        words: what the promise compares, as a sentence.
        unit: of the figures; "x" for a ratio.
        at_least: the promise, if more is better.
        at_most: ... if less is better.
        found: what was measured, a sample a round.
    """

    words: str
    unit: str
    found: Estimate
    at_least: float | None = None
    at_most: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the promise was kept."""
        low, high = self.found.low, self.found.high
        if low is None or high is None:
            return "not clear"
        if self.at_least is not None:
            return _verdict(low >= self.at_least, high < self.at_least)
        assert self.at_most is not None
        return _verdict(high <= self.at_most, low > self.at_most)


def _verdict(met: bool, missed: bool) -> Verdict:
    return "met" if met else "missed" if missed else "not clear"


class RungsReport(LabReport, frozen=True, kw_only=True):
    """What was measured, and what became of each promise.

    Attributes:
        rounds, history, messages: as asked for; see `Rungs`.
        per_s: contestant to its messages per second, a sample a round.
        promises: all that could be judged.
        audit: of all rounds of all modes, added up.
        invalid: rounds whose plan was not met, and why: no ratio rests on them.
    """

    schema: str = "chatlab.rungs/1"
    rounds: int
    history: int
    messages: int
    per_s: dict[str, Estimate]
    promises: list[Promise]
    audit: Audit
    invalid: list[str]

    @property
    def missed(self) -> bool:
        """Whether any promise was clearly broken."""
        return any(promise.verdict == "missed" for promise in self.promises)

    @property
    def passed(self) -> bool:
        """Whether no promise was clearly broken, and no message lost or damaged."""
        return self.audit.clean and not self.missed


@dataclass(slots=True)
class Contestant:
    """Something that is measured once a round.

    Attributes:
        name: in the report.
        mode: its line-up; `ECHO` for the bare server.
        scenario: its load.
        history: messages in the data folder, on a copy of which each round starts.
        done: its rounds; None for one whose plan was not met.
        per_s: messages per second of each round; None likewise.
    """

    name: str
    mode: str
    scenario: Scenario
    history: int = 0
    done: list[Round | None] = field(default_factory=list)
    per_s: list[float | None] = field(default_factory=list)


@dataclass(kw_only=True)
class Rungs(Lab):
    """The journal and sqlite modes against a bare echo server, against optimized and naive, without
    history and with a long one. Takes some minutes. Exit code 1 if a promise is clearly missed or
    an audit is not clean.
    """

    rounds: SixRounds = 6
    history: Annotated[int, Option("N", "Messages in the long history.", 10)] = HISTORY
    messages: Annotated[int, Option("N", "Messages in a round of the fastest.", 60)] = 30_000
    audit: Audit = field(default_factory=Audit, init=False)
    invalid: list[str] = field(default_factory=list, init=False)
    start_s: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.middle = self.history // 10
        self.contestants = {one.name: one for one in self._contestants()}

    def _contestants(self) -> list[Contestant]:
        """Everything that the lab compares; slower modes get fewer messages, to end in time."""
        long, middle = self.history, self.middle
        full, less, least = (
            _closed(max(1, self.messages // share), users=USERS, in_flight=IN_FLIGHT)
            for share in (1, 8, 60)
        )
        steady = override(
            load("steady"), messages=less.messages, rate_per_s=STEADY_PER_S, users=USERS, rooms=1
        )
        idle = _closed(min(IDLE_MESSAGES, self.messages), users=1, in_flight=1)
        return [
            Contestant("journal", "journal", full),
            Contestant(ECHO, ECHO, full),
            Contestant("sqlite", "sqlite", full),
            Contestant("optimized", "optimized", less),
            Contestant(f"journal, history {long:,}", "journal", full, long),
            Contestant(f"sqlite, history {long:,}", "sqlite", full, long),
            Contestant(f"journal, history {middle:,}", "journal", full, middle),
            Contestant(f"optimized, history {middle:,}", "optimized", least, middle),
            Contestant("journal, steady", "journal", steady),
            Contestant("optimized, steady", "optimized", steady),
            Contestant("journal, idle", "journal", idle),
            Contestant("naive, idle", "naive", idle),
        ]

    def estimate(self) -> tuple[float, str]:
        total = self.rounds * len(self.contestants)
        steady_s = 2 * self.rounds * self.messages / 8 / STEADY_PER_S
        history_s = (2 + self.rounds / 3) * self.history / HISTORY_PER_S
        return total * ROUND_S + steady_s + history_s, f"{total} rounds"

    async def measure(self) -> None:
        place = Path(tempfile.mkdtemp(prefix="chatlab-", dir=self.folder))
        everyone = list(self.contestants.values())
        try:
            for one in everyone:
                if one.history:
                    self.say(f"writing {one.history:,} messages of history for {one.mode}")
                    async with ServerProcess(one.mode, _prepared(place, one), one.history):
                        pass  # a server fills its data folder when it starts
            for number in range(1, self.rounds + 1):
                for one in everyone if number % 2 else reversed(everyone):
                    self.say(f"round {number} of {self.rounds}: {one.name}")
                    await self._round(one, _prepared(place, one) if one.history else None)
                await self._time_a_start(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def report(self) -> RungsReport:
        per_s = {
            name: [value for value in one.per_s if value is not None]
            for name, one in self.contestants.items()
        }
        return self.fill(
            RungsReport,
            per_s={name: estimate(values) for name, values in per_s.items() if values},
            promises=self._promises(),
        )

    async def _round(self, one: Contestant, prepared: Path | None) -> None:
        seed = len(one.per_s) + 1
        if one.mode == ECHO:
            ceiling = await measure_ceiling(ECHO, one.scenario, seed, work_folder=self.folder)
            one.per_s.append(ceiling.throughput_per_s)
            return
        done = await measure_round(
            one.mode, one.scenario, seed, work_folder=self.folder, prepared=prepared
        )
        self.audit += done.audit
        self.invalid += [f"{one.name}, round {seed}: {reason}" for reason in done.invalid]
        one.done.append(None if done.invalid else done)
        one.per_s.append(None if done.invalid else done.load.throughput_per_s)

    async def _time_a_start(self, place: Path) -> None:
        """From the start of the process to its first word, on the long history."""
        long = self.contestants[f"journal, history {self.history:,}"]
        with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.folder) as folder:
            shutil.copytree(_prepared(place, long), folder, dirs_exist_ok=True)
            started_at = time.perf_counter()
            async with ServerProcess("journal", Path(folder)):
                self.start_s.append(time.perf_counter() - started_at)

    def _promises(self) -> list[Promise]:
        """Each promise about which something was measured."""
        long, middle = f"{self.history:,}", f"{self.middle:,}"
        after_long, after_middle = f", history {long}", f", history {middle}"
        peaks = [
            one.after.rss_peak_bytes / MIB for one in self._rounds("journal" + after_long) if one
        ]
        echo = self._speeds("journal", ECHO)
        journal = self._speeds("journal" + after_long, "journal")
        sqlite = self._speeds("sqlite" + after_long, "sqlite")
        fresh = self._speeds("journal", "optimized")
        grown = self._speeds("journal" + after_middle, "optimized" + after_middle)
        steady = self._latencies("journal, steady", "optimized, steady")
        idle = self._latencies("journal, idle", "naive, idle")
        steady_words = (
            f"at {STEADY_PER_S:,.0f} messages/s: journal's ack p99 / optimized's delivery p99"
        )
        at_least = [
            ("journal / bare echo server, messages per second", echo, 1.0),
            (f"journal with {long} messages of history / with none", journal, 0.9),
            (f"sqlite with {long} messages of history / with none", sqlite, 0.9),
            ("journal / optimized, no history", fresh, 5.0),
            (f"journal / optimized, {middle} messages of history", grown, 50.0),
        ]
        at_most = [
            (f"journal's peak memory with {long} messages of history", "MiB", peaks, RSS_MAX_MIB),
            (steady_words, "x", steady, 1.0),
            ("one user, one message at a time: journal's ack p50 / naive's", "x", idle, 1.0),
            (
                f"start of journal on {long} messages, with Python's own",
                "s",
                self.start_s,
                START_MAX_S,
            ),
        ]
        promises = [
            Promise(words, "x", estimate(found), at_least=least)
            for words, found, least in at_least
            if found
        ]
        return promises + [
            Promise(words, unit, estimate(found), at_most=most)
            for words, unit, found, most in at_most
            if found
        ]

    def _rounds(self, name: str) -> list[Round | None]:
        return self.contestants[name].done

    def _speeds(self, ours: str, theirs: str) -> list[float]:
        """Our messages per second / theirs, paired by round."""
        pairs = zip(self.contestants[ours].per_s, self.contestants[theirs].per_s, strict=False)
        return [a / b for a, b in pairs if a is not None and b]

    def _latencies(self, ours: str, theirs: str) -> list[float]:
        """Our ack against theirs: p99 against their delivery's when steady, else p50s of acks."""
        steady = ours.endswith("steady")
        ratios = []
        for a, b in zip(self._rounds(ours), self._rounds(theirs), strict=False):
            if a is None or b is None:
                continue
            mine = percentiles(a.load.ack_ms())
            other = percentiles(b.load.delivery_ms() if steady else b.load.ack_ms())
            top, bottom = (mine.p99, other.p99) if steady else (mine.p50, other.p50)
            if top is not None and bottom:
                ratios.append(top / bottom)
        return ratios


def _closed(messages: int, *, users: int, in_flight: int) -> Scenario:
    return override(load("midnight"), messages=messages, users=users, rooms=1, in_flight=in_flight)


def _prepared(place: Path, one: Contestant) -> Path:
    return place / f"{one.mode}-{one.history}"
