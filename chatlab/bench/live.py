"""A running comparison at one moment, as a frozen snapshot: all that a live view needs of it.

Owns the choice of what is shown: two modes, and which moment of which round of each. Two modes are
never measured at the same time, so the one that does not run is a ghost: its last round, at the
same scenario time as the one that does. The snapshot has no reference back to the comparison.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Literal

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.compare import Compare, RoundProgress
from chatlab.bench.rounds import Round, Step
from chatlab.bench.scenario import Scenario
from chatlab.bench.timeline import Timeline, finished
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Snapshot
from chatlab.errors import UsageError

COUNT_S = 0.5
"""Between two questions to a server about its files: each costs it a moment of the round."""
COUNT_BEFORE_S = 0.1
"""... until messages flow: the sooner the first count, the more of the round it sees."""

Role = Literal["live", "done", "ghost", "waiting"]
"""`live`: its messages flow. `done`: they were the last that did. `ghost`: an earlier round.
`waiting`: it has not run yet."""


@dataclass(frozen=True, slots=True)
class LiveMode:
    """One mode at one moment.

    Attributes:
        name: of the mode.
        role: see there.
        timeline: the round to show; None if there is none yet.
        t_s: at which moment of it.
        numbered: whether the round's number says anything; in a demonstration there is only one.
        known: its rounds that the scale of charts must fit: the running and the last one.
        throughputs_per_s: of its finished rounds.
        clean: whether none of their audits found a fault.
    """

    name: str
    role: Role
    timeline: Timeline | None
    t_s: float
    numbered: bool = True
    known: tuple[Timeline, ...] = ()
    throughputs_per_s: tuple[float, ...] = ()
    clean: bool = True

    @property
    def median_per_s(self) -> float | None:
        """The median throughput so far."""
        return median(self.throughputs_per_s) if self.throughputs_per_s else None


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """A comparison at one moment.

    Attributes:
        scenario: what load.
        measurement: False in a demonstration, where all modes run at once.
        elapsed_s: seconds since the watching began.
        left_s: about how many the rest takes; None if unknown.
        number, total: rounds begun, and of how many; 0 before the first.
        doing: the step and the mode of that round.
        modes: all of them, the baseline first.
        pair: the names of those to show side by side: the baseline, and the last other one to run.
    """

    scenario: Scenario
    measurement: bool
    elapsed_s: float
    left_s: float | None
    number: int
    total: int
    doing: tuple[Step, str]
    modes: tuple[LiveMode, ...]
    pair: tuple[str, ...]

    @property
    def shown(self) -> list[LiveMode]:
        """The modes of `pair`; a comparison of one mode has but one."""
        return [one for name in self.pair for one in self.modes if one.name == name]


class LiveRecorder:
    """What was seen of a running comparison so far.

    Args:
        compare: the comparison; only read.
        clock: seconds.
    """

    def __init__(self, compare: Compare, clock: Clock = time.monotonic) -> None:
        self._compare = compare
        self._names = list(compare.entrants)
        self._clock = clock
        self._started_at = clock()
        self._current: RoundProgress | None = None
        self._live: dict[str, Timeline] = {}
        self._last: dict[str, Timeline] = {}
        self._counted_from: dict[str, tuple[int, Snapshot]] = {}
        self._throughputs_per_s: dict[str, list[float]] = {name: [] for name in self._names}
        self._focus = self._names[0]
        self._rival = self._names[-1] if len(self._names) < 3 else self._names[1]

    def snapshot(self) -> LiveSnapshot:
        """Where the comparison stands now."""
        compare = self._compare
        for name in self._names:
            self._take_done(name, compare.rounds_done[name])
        for name, progress in compare.under_way.items():
            if name in self._names:  # a ceiling has nothing to draw
                self._take_live(name, progress)
        now = self._current = next(iter(compare.under_way.values()), self._current)
        return LiveSnapshot(
            scenario=compare.scenario,
            measurement=compare.measurement,
            elapsed_s=self._clock() - self._started_at,
            left_s=compare.left_s,
            number=now.number if now else 0,
            total=now.total if now else 0,
            doing=(now.step, now.mode) if now else ("starting", ""),
            modes=tuple(map(self._mode, self._names)),
            pair=tuple(dict.fromkeys([self._names[0], self._rival])),
        )

    async def count(self, name: str) -> None:
        """Ask the servers of one mode, one after another, what their files have cost so far."""
        while True:
            now = self._compare.under_way.get(name)
            if now is not None and now.url and now.step == "measuring":
                # An error: the round ended meanwhile, and its server with it. The result has the
                # exact count; here the figure stays as it was.
                with suppress(UsageError):
                    self.take_count(name, now.number, await fetch_snapshot(now.url))
            await asyncio.sleep(COUNT_S if name in self._live else COUNT_BEFORE_S)

    def take_count(self, name: str, number: int, snapshot: Snapshot) -> None:
        """Take in a server's snapshot from the round `number` of a mode.

        Counting begins at the first snapshot with a saved message: what the setting up of the
        rooms cost before belongs to no message.
        """
        counted, base = self._counted_from.get(name, (0, snapshot))
        if counted != number:
            if snapshot.counts.saved:
                self._counted_from[name] = (number, snapshot)
            return
        live = self._live.get(name)
        saved = snapshot.counts.saved - base.counts.saved
        if saved and live is not None and live.number == number:
            per_message = (snapshot.io.operations - base.io.operations) / saved
            self._live[name] = live.with_operations(per_message)

    def _take_live(self, name: str, progress: RoundProgress) -> None:
        load = progress.load
        if load is None or load.t_s <= 0:
            return  # users are still being connected
        # The one before was taken from here when it was done.
        live = self._live.get(name) or Timeline(progress.number, self._compare.scenario.messages)
        self._live[name] = live.with_sample(load)
        self._look_at(name)

    def _take_done(self, name: str, rounds: Sequence[Round]) -> None:
        known = self._throughputs_per_s[name]
        if len(rounds) > len(known):
            known += [done.load.throughput_per_s for done in rounds[len(known) :]]
            self._last[name] = finished(rounds[-1], self._live.pop(name, None))
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        self._focus = name
        if name != self._names[0] and self._compare.measurement:
            self._rival = name

    def _mode(self, name: str) -> LiveMode:
        role, timeline, t_s = self._shown(name)
        known = tuple(known[name] for known in (self._live, self._last) if name in known)
        throughputs = tuple(self._throughputs_per_s[name])
        clean = all(done.audit.clean for done in self._compare.rounds_done[name])
        numbered = self._compare.measurement
        return LiveMode(name, role, timeline, t_s, numbered, known, throughputs, clean)

    def _shown(self, name: str) -> tuple[Role, Timeline | None, float]:
        """What a mode is now, its round to show, and at which moment."""
        live, last = self._live.get(name), self._last.get(name)
        if live is not None:
            return "done" if live.ended else "live", live, live.end_s
        if last is None:
            return "waiting", None, 0.0
        if name == self._focus or not self._compare.measurement:
            return "done", last, last.end_s
        focus = self._live.get(self._focus) or self._last.get(self._focus)
        return "ghost", last, focus.end_s if focus else 0.0
