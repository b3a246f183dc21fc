"""The rungs lab: what chatlab promises of its upper rungs, measured, and held against the promise.

Rounds of everything that is compared alternate, so that each ratio comes from one run on one
machine. A promise is met if the whole 95% interval keeps it, missed if the whole interval breaks
it, and otherwise not clear; with fewer than six rounds there is no interval, and so no verdict.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from chatlab.bench import environment
from chatlab.bench.audit import Audit
from chatlab.bench.ceilings import ECHO, measure_ceiling
from chatlab.bench.rounds import Round, measure_round, prepare
from chatlab.bench.scenario import Scenario, load, override
from chatlab.bench.server_process import ServerProcess
from chatlab.bench.statistics import Estimate, estimate
from chatlab.chat.metrics import percentiles

SCHEMA = "chatlab.rungs/1"
HISTORY = 1_000_000
USERS, IN_FLIGHT = 10, 32
STEADY_PER_S = 1_000.0
IDLE_MESSAGES = 300
RSS_MAX_MIB = 150.0
START_MAX_S = 2.0
MIB = 1024 * 1024

Verdict = Literal["met", "missed", "not clear"]


class Promise(msgspec.Struct, frozen=True):
    """One promise, and what became of it.

    Attributes:
        words: what is compared, as a sentence.
        unit: of the figures; "x" for a ratio.
        at_least: what is promised, if more is better.
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


class RungsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result.

    Attributes:
        rounds, history, messages: as asked for; see `Rungs`.
        per_s: contestant to its messages per second, a sample a round.
        promises: all that could be judged.
        audit: of all rounds of all modes, added up.
        invalid: rounds whose plan was not met, and why: no ratio rests on them.
        complete: False after Ctrl-C.
    """

    schema: str = SCHEMA
    command: str
    environment: dict[str, Any]
    rounds: int
    history: int
    messages: int
    per_s: dict[str, Estimate]
    promises: list[Promise]
    audit: Audit
    invalid: list[str]
    complete: bool

    @property
    def missed(self) -> bool:
        """Whether any promise was clearly broken."""
        return any(promise.verdict == "missed" for promise in self.promises)


@dataclass(slots=True)
class Contestant:
    """Something that is measured once a round.

    Attributes:
        name: in the report.
        mode: its line-up; `ECHO` for the bare server.
        scenario: its load.
        prepared: the data folder that each round starts on a copy of, if it has a history.
        done: its rounds; None for one whose plan was not met.
        per_s: messages per second of each round; None likewise.
    """

    name: str
    mode: str
    scenario: Scenario
    prepared: Path | None = None
    done: list[Round | None] = field(default_factory=list)
    per_s: list[float | None] = field(default_factory=list)


class Rungs:
    """The lab under way.

    Args:
        rounds: of each contestant.
        history: messages in the long history; the middle one is a tenth of it.
        messages: in a round of the fastest; slower ones get fewer, to end in time.
        tell: hears what is being done.
        work_folder: where data folders are made; the system's place for temporary files if None.
    """

    def __init__(
        self,
        *,
        rounds: int,
        history: int,
        messages: int,
        tell: Callable[[str], None],
        work_folder: Path | None = None,
    ) -> None:
        self.rounds = rounds
        self.history = history
        self.messages = messages
        self._tell = tell
        self._work = work_folder or Path(tempfile.gettempdir())
        self._audit = Audit()
        self._invalid: list[str] = []
        self._start_s: list[float] = []
        self._complete = False
        some, few = max(1, messages // 8), max(1, messages // 60)
        steady = override(
            load("steady"), messages=some, rate_per_s=STEADY_PER_S, users=USERS, rooms=1
        )
        idle = override(
            load("midnight"), messages=min(IDLE_MESSAGES, messages), users=1, rooms=1, in_flight=1
        )
        full, less, least = (_closed(count) for count in (messages, some, few))
        long, middle = f"{history:,}", f"{history // 10:,}"
        self._middle = history // 10
        contestants = [
            Contestant("journal", "journal", full),
            Contestant(ECHO, ECHO, full),
            Contestant("sqlite", "sqlite", full),
            Contestant("optimized", "optimized", less),
            Contestant(f"journal, history {long}", "journal", full),
            Contestant(f"sqlite, history {long}", "sqlite", full),
            Contestant(f"journal, history {middle}", "journal", full),
            Contestant(f"optimized, history {middle}", "optimized", least),
            Contestant("journal, steady", "journal", steady),
            Contestant("optimized, steady", "optimized", steady),
            Contestant("journal, idle", "journal", idle),
            Contestant("naive, idle", "naive", idle),
        ]
        self._contestants = {one.name: one for one in contestants}
        self._long = {mode: f"{mode}, history {long}" for mode in ("journal", "sqlite")}
        self._mid = {mode: f"{mode}, history {middle}" for mode in ("journal", "optimized")}

    async def run(self) -> None:
        """Measure everything.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        place = Path(tempfile.mkdtemp(prefix="chatlab-", dir=self._work))
        try:
            await self._prepare(place)
            for number in range(1, self.rounds + 1):
                everyone = list(self._contestants.values())
                for one in everyone if number % 2 else reversed(everyone):
                    self._tell(f"round {number} of {self.rounds}: {one.name}")
                    await self._measure(one)
                await self._time_a_start()
            self._complete = True
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def report(self, command: str) -> RungsReport:
        """What was measured so far."""
        return RungsReport(
            command=command,
            environment=environment.describe(self._work),
            rounds=self.rounds,
            history=self.history,
            messages=self.messages,
            per_s={
                one.name: estimate([value for value in one.per_s if value is not None])
                for one in self._contestants.values()
                if any(value is not None for value in one.per_s)
            },
            promises=list(filter(None, self._promises())),
            audit=self._audit,
            invalid=self._invalid,
            complete=self._complete,
        )

    async def _prepare(self, place: Path) -> None:
        for mode, name in self._long.items():
            await self._fill(self._contestants[name], mode, self.history, place)
        for mode, name in self._mid.items():
            await self._fill(self._contestants[name], mode, self._middle, place)

    async def _fill(self, one: Contestant, mode: str, history: int, place: Path) -> None:
        self._tell(f"writing {history:,} messages of history for {mode}")
        one.prepared = place / f"{mode}-{history}"
        await prepare(mode, history, one.prepared)

    async def _measure(self, one: Contestant) -> None:
        seed = len(one.per_s) + 1
        if one.mode == ECHO:
            ceiling = await measure_ceiling(ECHO, one.scenario, seed, work_folder=self._work)
            one.per_s.append(ceiling.throughput_per_s)
            return
        done = await measure_round(
            one.mode, one.scenario, seed, work_folder=self._work, prepared=one.prepared
        )
        self._audit += done.audit
        self._invalid += [f"{one.name}, round {seed}: {reason}" for reason in done.invalid]
        one.done.append(None if done.invalid else done)
        one.per_s.append(None if done.invalid else done.load.throughput_per_s)

    async def _time_a_start(self) -> None:
        """From the start of the process to its first word, on the long history."""
        folder = Path(tempfile.mkdtemp(prefix="chatlab-", dir=self._work))
        try:
            prepared = self._contestants[self._long["journal"]].prepared
            assert prepared is not None
            shutil.copytree(prepared, folder, dirs_exist_ok=True)
            started_at = time.perf_counter()
            async with ServerProcess("journal", folder):
                self._start_s.append(time.perf_counter() - started_at)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _promises(self) -> list[Promise | None]:
        long, middle = f"{self.history:,}", f"{self._middle:,}"
        journal_long = self._long["journal"]
        return [
            self._ratio("journal / bare echo server, messages per second", "journal", ECHO, 1.0),
            self._ratio(
                f"journal with {long} messages of history / with none", journal_long, "journal", 0.9
            ),
            self._ratio(
                f"sqlite with {long} messages of history / with none",
                self._long["sqlite"],
                "sqlite",
                0.9,
            ),
            self._ratio("journal / optimized, no history", "journal", "optimized", 5.0),
            self._ratio(
                f"journal / optimized, {middle} messages of history",
                self._mid["journal"],
                self._mid["optimized"],
                50.0,
            ),
            self._value(
                f"journal's peak memory with {long} messages of history",
                "MiB",
                [one.after.rss_peak_bytes / MIB for one in self._rounds(journal_long) if one],
                RSS_MAX_MIB,
            ),
            self._value(
                f"at {STEADY_PER_S:,.0f} messages/s: journal's ack p99 / optimized's delivery p99",
                "x",
                self._latencies("journal, steady", "optimized, steady"),
                1.0,
            ),
            self._value(
                "one user, one message at a time: journal's ack p50 / naive's",
                "x",
                self._latencies("journal, idle", "naive, idle"),
                1.0,
            ),
            self._value(
                f"start of journal on {long} messages, with Python's own",
                "s",
                self._start_s,
                START_MAX_S,
            ),
        ]

    def _rounds(self, name: str) -> list[Round | None]:
        return self._contestants[name].done

    def _ratio(self, words: str, ours: str, theirs: str, at_least: float) -> Promise | None:
        pairs = zip(self._contestants[ours].per_s, self._contestants[theirs].per_s, strict=False)
        ratios = [a / b for a, b in pairs if a is not None and b]
        return Promise(words, "x", estimate(ratios), at_least=at_least) if ratios else None

    def _value(
        self, words: str, unit: str, samples: Sequence[float], at_most: float
    ) -> Promise | None:
        return Promise(words, unit, estimate(samples), at_most=at_most) if samples else None

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


def _closed(messages: int) -> Scenario:
    return override(load("midnight"), messages=messages, users=USERS, rooms=1, in_flight=IN_FLIGHT)
