"""What is known of a comparison while it runs: which round is looked at, and beside which ghost.

Owns the choice of the moment and of the pair of modes. Fed with what a comparison tells; draws
nothing. Read `race.py` next: it draws this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from chatlab.bench.compare import RoundProgress
from chatlab.bench.rounds import Round
from chatlab.bench.scenario import Scenario
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Snapshot
from chatlab.view.compare.race_run import Run, finished

Role = Literal["live", "done", "ghost", "waiting"]
"""`live`: its messages flow. `done`: they were the last that did. `ghost`: an earlier round.
`waiting`: it has not run yet."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One side of the screen.

    Attributes:
        name: of the mode.
        role: see there.
        run: the round to show; None if there is none yet.
        t_s: at which moment of it.
        numbered: whether the round's number says anything; in a demonstration there is only one.
    """

    name: str
    role: Role
    run: Run | None
    t_s: float
    numbered: bool = True


class RaceState:
    """A comparison as it is watched.

    Args:
        names: the modes, the baseline first.
        scenario: what load.
        clock: seconds.

    Attributes:
        measurement: False in a demonstration, where all run at once.
        current: the round under way, or the last one; None before the first.
    """

    def __init__(self, names: Sequence[str], scenario: Scenario, clock: Clock) -> None:
        self.names = list(names)
        self.scenario = scenario
        self.measurement = True
        self.current: RoundProgress | None = None
        self._clock = clock
        self._started_at = clock()
        self._live: dict[str, Run] = {}
        self._last: dict[str, Run] = {}
        self._counted_from: dict[str, tuple[int, Snapshot]] = {}
        self._samples_per_s: dict[str, list[float]] = {name: [] for name in names}
        self._focus = self.names[0]
        self._rival = self.names[-1] if len(self.names) < 3 else self.names[1]

    @property
    def elapsed_s(self) -> float:
        """Seconds since the watching began."""
        return self._clock() - self._started_at

    def look(
        self,
        under_way: Mapping[str, RoundProgress],
        rounds_done: Mapping[str, Sequence[Round]],
        *,
        measurement: bool = True,
    ) -> None:
        """Take in where the comparison stands now: see the attributes of `Compare`."""
        self.measurement = measurement
        for name in self.names:
            self._take_done(name, rounds_done.get(name, ()))
        for name, progress in under_way.items():
            if name in self.names:  # and no ceiling, of which there is nothing to draw
                self._take_live(name, progress)
        self.current = next(iter(under_way.values()), self.current)

    def count(self, name: str, number: int, snapshot: Snapshot) -> None:
        """Take in a server's account of itself, in the round `number` of a mode.

        Counting begins at the first snapshot that knows of a saved message: what it cost before
        to set up the rooms is no message's.
        """
        counted, base = self._counted_from.get(name, (0, snapshot))
        if counted != number:
            if snapshot.counts.saved:
                self._counted_from[name] = (number, snapshot)
            return
        run = self._live.get(name)
        saved = snapshot.counts.saved - base.counts.saved
        if saved and run is not None and run.number == number:
            run.add_operations((snapshot.io.operations - base.io.operations) / saved)

    def flows(self, name: str) -> bool:
        """Whether messages of a mode are under way, as far as is known."""
        return name in self._live

    def pair(self) -> list[Contestant]:
        """The modes to show side by side: the one that runs, and the baseline or its last rival.

        The baseline stands left; a comparison of one mode has but one side.
        """
        names = list(dict.fromkeys([self.names[0], self._rival]))
        return [self._contestant(name) for name in names]

    def runs(self, name: str) -> list[Run]:
        """The rounds of a mode that are still known: they decide the scales."""
        return [runs[name] for runs in (self._live, self._last) if name in runs]

    def per_s_so_far(self, name: str) -> tuple[float | None, int]:
        """The median of the deliveries per second of a mode's rounds, and how many there are."""
        samples = self._samples_per_s[name]
        return (median(samples) if samples else None), len(samples)

    def _take_live(self, name: str, progress: RoundProgress) -> None:
        load = progress.load
        if load is None or load.t_s <= 0:
            return  # users are still being connected
        run = self._live.get(name)
        if run is None:  # the one before was taken from here when it was done
            run = self._live[name] = Run(progress.number, self.scenario.messages)
        run.add(load)
        self._look_at(name)

    def _take_done(self, name: str, rounds: Sequence[Round]) -> None:
        known = self._samples_per_s[name]
        if len(rounds) == len(known):
            return
        known += [done.load.throughput_per_s for done in rounds[len(known) :]]
        self._last[name] = finished(rounds[-1], self._live.pop(name, None))
        self._look_at(name)

    def _look_at(self, name: str) -> None:
        self._focus = name
        if name != self.names[0] and self.measurement:
            self._rival = name

    def _contestant(self, name: str) -> Contestant:
        run = self._live.get(name)
        last = self._last.get(name)
        if run is not None:
            role: Role = "done" if run.ended else "live"
            return Contestant(name, role, run, run.end_s, self.measurement)
        if last is None:
            return Contestant(name, "waiting", None, 0.0)
        if name == self._focus or not self.measurement:
            return Contestant(name, "done", last, last.end_s, self.measurement)
        return Contestant(name, "ghost", last, self._moment_s())

    def _moment_s(self) -> float:
        """The moment of the round that is looked at."""
        run = self._live.get(self._focus) or self._last.get(self._focus)
        return run.end_s if run else 0.0
