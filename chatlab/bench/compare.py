"""The comparison: rounds of each mode in turn, each on a fresh server and a fresh data folder.

Rounds alternate A B B A, so that a machine that slows down or warms up favours nobody. Two modes
never run at the same time. Each round is audited; nothing measured is ever left out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec
import psutil

from chatlab.bench import environment
from chatlab.bench.audit import Audit, audit, read_saved
from chatlab.bench.load import Load, LoadResult
from chatlab.bench.report import Comparison, IOReport, ModeReport, Report, TrustCheck
from chatlab.bench.scenario import Scenario, plan
from chatlab.bench.server_process import ServerProcess
from chatlab.bench.statistics import Estimate, estimate, verdict
from chatlab.chat.metrics import percentiles
from chatlab.chat.parts.files import FileIO
from chatlab.chat.snapshot import Snapshot

RUN_ID = "0"
SENDER_LATE_MAX_MS = 20.0
SENDER_CPU_MAX_PERCENT = 90.0
MACHINE_BUSY_MAX_PERCENT = 25.0
_IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One mode, once.

    Attributes:
        load: what the load generator noted.
        audit: what became of the messages.
        io: what each file cost, from the first message to the last.
        cpu_s: processor time of the server, over the same time.
        after: the server's account of itself, after the last message.
    """

    load: LoadResult
    audit: Audit
    io: dict[str, FileIO]
    cpu_s: float
    after: Snapshot

    @property
    def operations(self) -> int:
        """Reads and writes of all files."""
        return sum(io.operations for io in self.io.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a comparison stands.

    Attributes:
        number, total: rounds begun, and of how many.
        mode: of the round under way.
        step: what is happening in it.
        load: its figures so far, once messages flow.
    """

    number: int
    total: int
    mode: str
    step: Literal["starting", "measuring", "stopping"]
    load: LoadResult | None = None


class Compare:
    """A comparison under way; what was measured so far can be reported at any moment.

    Args:
        modes: the line-ups; the first is the baseline.
        scenario, seed: what load.
        rounds: for each mode.
        work_folder: where data folders are made; the system's place for temporary files if None.
        options: further options for each `chatlab serve`.

    Attributes:
        progress: where it stands; None before the start.
    """

    def __init__(
        self,
        modes: Sequence[str],
        scenario: Scenario,
        *,
        seed: int,
        rounds: int,
        work_folder: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.modes = list(modes)
        self.scenario = scenario
        self.seed = seed
        self.rounds = rounds
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self._options = options
        self.progress: Progress | None = None
        self._plan = plan(scenario, seed)
        self._done: dict[str, list[Round]] = {mode: [] for mode in modes}
        self._busy_percent = 0.0

    async def run(self) -> None:
        """Measure every round.

        Raises:
            UsageError, ServerFailed: a server would not start, or not stop.
        """
        self._busy_percent = psutil.cpu_percent(interval=0.3)
        order = [
            mode
            for number in range(self.rounds)
            for mode in (self.modes if number % 2 == 0 else reversed(self.modes))
        ]
        for number, mode in enumerate(order, start=1):
            self.progress = Progress(number, len(order), mode, "starting")
            self._done[mode].append(await self._round(mode, self.progress))

    async def _round(self, mode: str, starting: Progress) -> Round:
        folder = Path(tempfile.mkdtemp(prefix="chatlab-", dir=self.work_folder))
        try:
            async with ServerProcess(mode, folder, self.scenario.history, self._options) as server:
                load = Load(server.url, self.scenario, self._plan, run_id=RUN_ID)
                self.progress = replace(starting, step="measuring", load=load.result)
                result = await load.run()
                self.progress = replace(starting, step="stopping", load=result)
                await server.stop()
            return _round_of(result, audit(result, RUN_ID, read_saved(folder)))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def report(self, command: str) -> Report:
        """What was measured so far.

        Args:
            command: the command line that asked for it.
        """
        measured = {mode: rounds for mode, rounds in self._done.items() if rounds}
        return Report(
            command=command,
            seed=self.seed,
            environment=environment.describe(self.work_folder),
            scenario=msgspec.to_builtins(self.scenario),
            history=self.scenario.history,
            rounds=self.rounds,
            complete=all(len(rounds) == self.rounds for rounds in self._done.values()),
            modes={mode: _mode_report(rounds) for mode, rounds in measured.items()},
            comparisons=_comparisons(measured),
            trust=self._trust([one for rounds in measured.values() for one in rounds]),
        )

    def _trust(self, rounds: list[Round]) -> list[TrustCheck]:
        if not rounds:
            return []
        late_ms = max(one.load.late_p99_ms for one in rounds)
        cpu = max(one.load.sender_cpu_percent for one in rounds)
        unsent = sum(len(one.load.plan) - one.load.sent for one in rounds)
        file_system = environment.file_system(self.work_folder)
        busy = self._busy_percent
        return [
            _at_most("sender late, p99 of the worst round (ms)", late_ms, SENDER_LATE_MAX_MS),
            _at_most("sender CPU in the worst round (% of a core)", cpu, SENDER_CPU_MAX_PERCENT),
            _at_most("messages planned but not sent", unsent, 0),
            _at_most("machine busy before the start (%)", busy, MACHINE_BUSY_MAX_PERCENT),
            TrustCheck(
                "data folder on a disk (in memory, an fsync costs nothing)",
                file_system not in _IN_MEMORY,
                file_system,
                "not in memory",
            ),
        ]


def _round_of(result: LoadResult, judged: Audit) -> Round:
    assert result.before is not None
    assert result.after is not None
    return Round(
        load=result,
        audit=judged,
        io=result.io,
        cpu_s=result.after.cpu_s - result.before.cpu_s,
        after=result.after,
    )


def _mode_report(rounds: list[Round]) -> ModeReport:
    last = rounds[-1].after
    return ModeReport(
        parts=last.parts,
        ack_means=last.ack_means,
        throughput_per_s=estimate([one.load.throughput_per_s for one in rounds]),
        ack_ms=percentiles([ms for one in rounds for ms in one.load.ack_ms]),
        delivery_ms=percentiles([ms for one in rounds for ms in one.load.delivery_ms]),
        io=_io_report(sorted(rounds, key=lambda one: one.operations)[(len(rounds) - 1) // 2]),
        cpu_s=median(one.cpu_s for one in rounds),
        rss_peak_bytes=max(one.after.rss_peak_bytes for one in rounds),
        audit=sum((one.audit for one in rounds), Audit()),
        refusals=dict(Counter(code for one in rounds for code in one.load.refused.values())),
    )


def _io_report(one: Round) -> IOReport:
    total = sum(one.io.values(), FileIO())
    saved = one.audit.saved
    return IOReport(
        **msgspec.structs.asdict(total),
        per_message=one.operations / saved if saved else None,
        files=one.io,
    )


def _comparisons(measured: dict[str, list[Round]]) -> list[Comparison]:
    baseline, *others = measured
    return [
        _compared(baseline, mode, _paired(measured[mode], measured[baseline])) for mode in others
    ]


def _paired(rounds: list[Round], baseline: list[Round]) -> list[float]:
    """The throughput ratios of rounds with the same number; none where the baseline is zero."""
    return [
        a.load.throughput_per_s / b.load.throughput_per_s
        for a, b in zip(rounds, baseline, strict=False)
        if b.load.throughput_per_s
    ]


def _compared(baseline: str, mode: str, ratios: list[float]) -> Comparison:
    ratio = estimate(ratios) if ratios else Estimate(0.0, None, None, [])
    return Comparison(
        baseline=baseline,
        mode=mode,
        metric="throughput_per_s",
        ratio=ratio.median if ratios else None,
        low=ratio.low,
        high=ratio.high,
        verdict=verdict(ratio, more_is_better=True),
    )


def _at_most(check: str, value: float, limit: float) -> TrustCheck:
    return TrustCheck(check, value <= limit, round(value, 1), limit)
