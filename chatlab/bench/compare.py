"""The comparison: rounds of each mode in turn, each on a fresh server and a fresh data folder.

Rounds alternate A B B A, so that a machine that slows down or warms up favours no mode. Two modes
never run at the same time. Each round is audited and shown, even an invalid one.

Read `rounds.py` next: one round. The README of this folder names the files after that.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from chatlab.bench import analysis, machine
from chatlab.bench.duration import CEILING_S, guessed_round_s, left_s
from chatlab.bench.invalid_rounds import trust
from chatlab.bench.load_result import LoadProgress
from chatlab.bench.machine import CEILINGS, CeilingRound, measure_ceiling
from chatlab.bench.processes import LoadProcess
from chatlab.bench.report import Report
from chatlab.bench.rounds import Round, Step, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.bench.statistics import estimate
from chatlab.chat.server_job import USUAL_OPTIONS, ServerOptions
from chatlab.disk.simulated import describe


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """A round that is running.

    Attributes:
        number, total: rounds begun, and rounds planned.
        mode: its name in the report.
        step: what it is doing.
        url: its server's address, once it has one.
        worker: its load generator, once it runs.
    """

    number: int
    total: int
    mode: str
    step: Step
    url: str = ""
    worker: LoadProcess | None = None

    @property
    def load(self) -> LoadProgress | None:
        """How far the load is, once messages flow."""
        return self.worker.progress if self.worker else None


class Compare:
    """A running comparison; it can report at any moment what was measured so far.

    Args:
        modes: the line-ups; the first is the baseline.
        scenario, seed: what load.
        rounds: for each mode.
        control: whether to run the baseline twice, to see how much the same mode varies.
        ceiling: whether to measure the ceilings too: see `machine.py`.
        work_folder: where to make data folders; the system's temporary folder if None.
        options: of each server.

    Attributes:
        simulated: what is simulated, one phrase each.
        under_way: the running rounds, by name: one, or all modes in a demonstration.
        rounds_done: the rounds so far, by name.
        ceilings_done: the same for the ceilings.
        measurement: False once modes have run at the same time.
    """

    def __init__(
        self,
        modes: Sequence[str],
        scenario: Scenario,
        *,
        seed: int,
        rounds: int,
        control: bool = False,
        ceiling: bool = False,
        work_folder: Path | None = None,
        options: ServerOptions = USUAL_OPTIONS,
    ) -> None:
        self.simulated = describe(plans=options.faults, disk=options.disk)
        self.control = f"{modes[0]} again" if control else None
        again = {self.control: modes[0]} if self.control else {}
        self.entrants = {mode: mode for mode in modes} | again
        self.scenario = scenario
        self.seed = seed
        self.rounds = rounds
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self.under_way: dict[str, RoundProgress] = {}
        self.measurement = True
        self.rounds_done: dict[str, list[Round]] = {name: [] for name in self.entrants}
        self.ceilings_done: dict[str, list[CeilingRound]] = (
            {name: [] for name in CEILINGS} if ceiling else {}
        )
        self._order = _alternating([*self.entrants, *self.ceilings_done], rounds)
        self._taken_s: dict[str, list[float]] = {name: [] for name in self._order}
        self._options = options
        self._busy_percent = 0.0
        self._view_percent = 0.0

    @property
    def guessed_s(self) -> float:
        """About how long all rounds take: see `duration.py`."""
        each = [guessed_round_s(mode, self.scenario) for mode in self.entrants.values()]
        return self.rounds * (sum(each) + CEILING_S * len(self.ceilings_done))

    @property
    def left_s(self) -> float | None:
        """About how long the rounds take that are not done; None until each mode has done one."""
        return left_s(self._order, self._taken_s)

    async def run(self) -> None:
        """Measure every round.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        self._busy_percent = psutil.cpu_percent(interval=0.3)
        started_at, cpu_before_s = time.perf_counter(), time.process_time()
        try:
            for number, name in enumerate(self._order, start=1):
                starting = RoundProgress(number, len(self._order), name, "starting")
                began_at = time.perf_counter()
                await (self._round if name in self.entrants else self._ceiling)(starting)
                self._taken_s[name].append(time.perf_counter() - began_at)
        finally:
            # While others are measured, this process does nothing but show the progress.
            cpu_s = time.process_time() - cpu_before_s
            self._view_percent = 100 * cpu_s / (time.perf_counter() - started_at)

    async def demonstrate(self) -> None:
        """Run all modes at once, once: to see, not to measure.

        They take processor time and disk from each other, so the figures mean little.
        """
        self.measurement = False
        try:
            async with asyncio.TaskGroup() as group:
                for number, name in enumerate(self.entrants, start=1):
                    starting = RoundProgress(number, len(self.entrants), name, "starting")
                    group.create_task(self._round(starting))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _round(self, progress: RoundProgress) -> None:
        name = progress.mode

        def tell(step: Step, url: str, worker: LoadProcess | None) -> None:
            self.under_way[name] = replace(progress, step=step, url=url, worker=worker)

        try:
            done = await measure_round(
                *(self.entrants[name], self.scenario, self.seed),
                number=progress.number,
                work_folder=self.work_folder,
                options=self._options,
                tell=tell,
            )
            self.rounds_done[name].append(done)
        finally:
            self.under_way.pop(name, None)

    async def _ceiling(self, progress: RoundProgress) -> None:
        name = progress.mode
        self.under_way[name] = replace(progress, mode=f"ceiling: {name}", step="measuring")
        try:
            self.ceilings_done[name].append(
                await measure_ceiling(name, self.scenario, self.seed, work_folder=self.work_folder)
            )
        finally:
            self.under_way.pop(name, None)

    def report(self, command: str) -> Report:
        """What was measured so far.

        Args:
            command: the command line that asked for it.
        """
        measured = {name: rounds for name, rounds in self.rounds_done.items() if rounds}
        return Report(
            command=command,
            seed=self.seed,
            environment=machine.describe(self.work_folder),
            scenario=msgspec.to_builtins(self.scenario),
            history=self.scenario.history,
            rounds=self.rounds,
            measurement=self.measurement,
            simulated=self.simulated,
            control=self.control,
            complete={*map(len, self.rounds_done.values()), *map(len, self.ceilings_done.values())}
            == {self.rounds},
            modes={
                name: analysis.mode_report(rounds, self.ceilings_done)
                for name, rounds in measured.items()
            },
            ceilings={
                name: estimate([one.throughput_per_s for one in rounds])
                for name, rounds in self.ceilings_done.items()
                if rounds
            },
            comparisons=analysis.comparisons(measured, self.control),
            trust=trust(
                [one for rounds in measured.values() for one in rounds],
                [one for rounds in self.ceilings_done.values() for one in rounds],
                busy_percent=self._busy_percent,
                view_percent=self._view_percent,
                file_system=machine.file_system(self.work_folder),
            ),
        )


def _alternating(names: list[str], rounds: int) -> list[str]:
    """A B B A: what slows down or warms up favours nobody."""
    return [
        name for number in range(rounds) for name in (names if number % 2 == 0 else names[::-1])
    ]
