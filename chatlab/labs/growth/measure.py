"""The growth lab: what does one message cost when the history is long?

For each mode and each length of history, a few rounds of the midnight burst. Two costs are
followed: bytes read and written for each message, which are counted, and the time for each
message, which is measured. Read `fit.py` for how their growth gets its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from chatlab.bench import environment
from chatlab.bench.audit import Audit
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.bench.statistics import Estimate, estimate
from chatlab.labs.common import Say, bytes_per_message, silent
from chatlab.labs.growth.fit import RULE, Fit, fit
from chatlab.labs.growth.round_size import round_size

SCHEMA = "chatlab.growth/1"
DEFAULT_HISTORIES = (0, 1_000, 10_000, 100_000)
LONG_HISTORY = 2_000
USERS = 10


class GrowthPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One mode at one length of history.

    Attributes:
        history: messages in the data folder before the start of each round.
        messages: sent in each round; fewer where a round would have taken too long.
        history_mean: messages in the file half-way through a round.
        rounds: measured.
        delivered_per_s: one sample a round.
        bytes_per_message: read and written, of all files; the median of rounds.
        ms_per_message: of the whole round; the median of rounds.
        invalid: why some round's time cannot be trusted; empty if all can.
        audit: all rounds added up.
    """

    history: int
    messages: int
    history_mean: float
    rounds: int
    delivered_per_s: Estimate
    bytes_per_message: float | None
    ms_per_message: float | None
    invalid: list[str]
    audit: Audit


class ModeGrowth(msgspec.Struct, frozen=True):
    """One mode: its points, shortest history first, and the shape of its costs."""

    ack_means: str
    points: list[GrowthPoint]
    bytes_fit: Fit
    time_fit: Fit


class GrowthReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `complete` is False after Ctrl-C."""

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    rounds: int
    complete: bool
    rule: str = RULE
    modes: dict[str, ModeGrowth]


class Growth:
    """The lab, under way.

    Args:
        modes: the line-ups.
        histories: lengths of history, in messages.
        rounds: for each mode and history.
        messages: in a round, where that does not take too long.
        seed: of the load.
        work_folder: where data folders are made; the system's place for temporary files if None.
        say: hears what is being measured.
    """

    def __init__(
        self,
        modes: Sequence[str],
        *,
        histories: Sequence[int] = DEFAULT_HISTORIES,
        rounds: int = 3,
        messages: int = 1_000,
        seed: int = 1,
        work_folder: Path | None = None,
        say: Say = silent,
    ) -> None:
        self.modes = list(modes)
        self.histories = sorted(set(histories))
        self.rounds = rounds
        self.messages = messages
        self.seed = seed
        self.work_folder = work_folder or Path(tempfile.gettempdir())
        self.rounds_done: dict[tuple[str, int], list[Round]] = {}
        self._say = say
        self._sizes: dict[tuple[str, int], int] = {}
        self._pace: dict[str, tuple[int, float]] = {}  # at which history, how many a second

    async def run(self) -> None:
        """Measure every round.

        Raises:
            UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
        """
        if self.histories[0] > LONG_HISTORY:
            for mode in self.modes:
                await self._warm_up(mode)
        total = self.rounds * len(self.modes) * len(self.histories)
        for number, (mode, history) in enumerate(self._order(), start=1):
            size = self._size(mode, history)
            self._say(f"round {number} of {total}: {mode}, {size:,} messages after {history:,}")
            done = await self._round(mode, history, size)
            self.rounds_done.setdefault((mode, history), []).append(done)

    def report(self, command: str) -> GrowthReport:
        """What was measured so far; `command` is the command line that asked for it."""
        modes = {}
        for mode in self.modes:
            done = {h: rounds for (name, h), rounds in self.rounds_done.items() if name == mode}
            if done:
                modes[mode] = mode_growth(dict(sorted(done.items())))
        wanted = self.rounds * len(self.modes) * len(self.histories)
        return GrowthReport(
            command=command,
            seed=self.seed,
            environment=environment.describe(self.work_folder),
            rounds=self.rounds,
            complete=sum(map(len, self.rounds_done.values())) == wanted,
            modes=modes,
        )

    def _order(self) -> Iterator[tuple[str, int]]:
        """Up through the histories, then down, and so on; the modes A B, B A."""
        for lap in range(self.rounds):
            histories = self.histories if lap % 2 == 0 else self.histories[::-1]
            for step, history in enumerate(histories):
                for mode in self.modes if (lap + step) % 2 == 0 else self.modes[::-1]:
                    yield mode, history

    async def _warm_up(self, mode: str) -> None:
        """With long histories only, a round without any tells the mode's pace."""
        self._say(f"finding the pace of {mode}")
        await self._round(mode, 0, self.messages)

    def _size(self, mode: str, history: int) -> int:
        """Messages in a round: the same in each round at this history, so that rounds compare."""
        if (mode, history) not in self._sizes:
            self._sizes[mode, history] = round_size(self.messages, history, self._pace.get(mode))
        return self._sizes[mode, history]

    async def _round(self, mode: str, history: int, messages: int) -> Round:
        scenario = Scenario(
            name="growth",
            words="the midnight burst, after some history",
            messages=messages,
            users=USERS,
            history=history,
        )
        done = await measure_round(mode, scenario, self.seed, work_folder=self.work_folder)
        self._pace[mode] = (history + messages // 2, done.load.throughput_per_s)
        return done


def mode_growth(done: dict[int, list[Round]]) -> ModeGrowth:
    """One mode's rounds (at least one at each history, shortest first), put together."""
    points = [growth_point(history, rounds) for history, rounds in done.items()]
    by_bytes = [(p.history_mean, p.bytes_per_message) for p in points]
    by_time = [(p.history_mean, p.ms_per_message) for p in points]
    return ModeGrowth(
        ack_means=next(iter(done.values()))[-1].after.ack_means,
        points=points,
        bytes_fit=fit([(x, y) for x, y in by_bytes if y is not None]),
        time_fit=fit([(x, y) for x, y in by_time if y is not None]),
    )


def growth_point(history: int, rounds: Sequence[Round]) -> GrowthPoint:
    """The rounds at one history, put together; their times from valid rounds if there are any."""
    valid = [one for one in rounds if not one.invalid] or list(rounds)
    messages = len(rounds[0].load.plan)
    speed = estimate([one.load.throughput_per_s for one in valid])
    each_bytes = [each for one in rounds if (each := bytes_per_message(one)) is not None]
    return GrowthPoint(
        history=history,
        messages=messages,
        history_mean=history + messages / 2,
        rounds=len(rounds),
        delivered_per_s=speed,
        bytes_per_message=median(each_bytes) if each_bytes else None,
        ms_per_message=1000 / speed.median if speed.median else None,
        invalid=sorted({reason for one in rounds for reason in one.invalid}),
        audit=sum((one.audit for one in rounds), Audit()),
    )
