"""The growth lab: what does one message cost when the history is long?

For each mode and each length of history, a few rounds of the midnight burst. The lab follows two
costs: bytes read and written per message, which are counted, and time per message, which is
measured. Read `fit` in `bench/statistics.py` for how their growth gets its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.invalid_rounds import valid_rounds
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import Scenario
from chatlab.bench.statistics import RULE, Estimate, Fit, estimate, fit
from chatlab.disk.counted import FileIO
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, Seed

LONG_HISTORY = 2_000
USERS = 10
EXPECTED_PER_S = 700
"""For the estimate: slower rounds get fewer messages, and take no longer."""

MESSAGES_MIN = 10
ROUND_MAX_S = 8.0
ROUND_CUT_S = 2.5


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


class GrowthReport(LabReport, frozen=True, kw_only=True):
    """All modes, and the rule by which their growth gets its name."""

    schema: str = "chatlab.growth/1"
    seed: int
    rounds: int
    rule: str = RULE
    modes: dict[str, ModeGrowth]

    @property
    def passed(self) -> bool:
        """Whether no round lost or damaged a message."""
        return all(point.audit.clean for mode in self.modes.values() for point in mode.points)


@dataclass(kw_only=True)
class Growth(Lab):
    """Measures throughput, and the bytes read and written for one message, after more and more
    history; then names the growth: flat, linear, or not clear.
    """

    modes: Annotated[tuple[str, ...], Option("MODES", "Line-ups to measure.", kind="modes")] = (
        "naive",
        "optimized",
    )
    history: Annotated[
        tuple[int, ...], Option("N,N,...", "Messages in the data folder before a round.", 0)
    ] = (0, 1_000, 10_000, 100_000)
    rounds: Annotated[int, Option("N", "Rounds of each mode and history.", 1, 1_000)] = 3
    messages: Annotated[
        int, Option("N", "Messages in a round; fewer where it is slow.", 10, 100_000)
    ] = 1_000
    seed: Seed = 1
    done: dict[tuple[str, int], list[Round]] = field(default_factory=dict, init=False)
    sizes: dict[tuple[str, int], int] = field(default_factory=dict, init=False)
    paces: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)
    """At which history a mode's last round was, and how many messages it delivered per second."""

    @property
    def total(self) -> int:
        """Rounds in all."""
        return self.rounds * len(self.modes) * len(self.history)

    def estimate(self) -> tuple[float, str]:
        each_s = ROUND_S + self.messages / EXPECTED_PER_S
        return self.total * each_s, f"{self.total} rounds"

    async def measure(self) -> None:
        if min(self.history) > LONG_HISTORY:
            for mode in self.modes:  # a round without any history tells the mode's pace
                self.say(f"finding the pace of {mode}")
                await self._round(mode, 0, self.messages)
        for number, (mode, history) in enumerate(self._order(), start=1):
            size = self._size(mode, history)
            self.say(f"round {number} of {self.total}: {mode}, {size:,} messages after {history:,}")
            done = await self._round(mode, history, size)
            self.done.setdefault((mode, history), []).append(done)

    def report(self) -> GrowthReport:
        modes = {}
        for mode in self.modes:
            done = {h: rounds for (name, h), rounds in self.done.items() if name == mode}
            if done:
                modes[mode] = mode_growth(dict(sorted(done.items())))
        return self.fill(GrowthReport, modes=modes)

    def _order(self) -> Iterator[tuple[str, int]]:
        """Up through the histories, then down, and so on; the modes A B, B A."""
        for lap in range(self.rounds):
            histories = sorted(self.history, reverse=lap % 2 == 1)
            for step, history in enumerate(histories):
                for mode in self.modes if (lap + step) % 2 == 0 else self.modes[::-1]:
                    yield mode, history

    def _size(self, mode: str, history: int) -> int:
        """Messages in a round: the same in each round at this history, so that rounds compare."""
        if (mode, history) not in self.sizes:
            self.sizes[mode, history] = round_size(self.messages, history, self.paces.get(mode))
        return self.sizes[mode, history]

    async def _round(self, mode: str, history: int, messages: int) -> Round:
        scenario = Scenario(
            name="growth",
            words="the midnight burst, after some history",
            messages=messages,
            users=USERS,
            history=history,
        )
        done = await measure_round(mode, scenario, self.seed, work_folder=self.folder)
        self.paces[mode] = (history + messages // 2, done.load.throughput_per_s)
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
    valid = valid_rounds(rounds)
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


def bytes_per_message(one: Round) -> float | None:
    """Bytes read and written, of all files, for each saved message; None if none was saved.

    A count, not an estimate: the same plan gives it again to within a batch or two.
    """
    total = sum(one.load.io.values(), FileIO())
    return (total.bytes_read + total.bytes_written) / one.audit.saved if one.audit.saved else None


def round_size(wanted: int, history: int, pace: tuple[int, float] | None) -> int:
    """How many messages a round may have, so that it ends in good time.

    Assumes the worst: a cost that grows as fast as the history does. A round that would then
    take longer than `ROUND_MAX_S` is cut to `ROUND_CUT_S`; others are left whole, because rounds
    of one size compare best: the messages of a round share what it reads once.

    Args:
        wanted: messages, if there is time for them.
        history: messages before the start.
        pace: the last round's mean history, in messages, and what it delivered per second.
    """
    if pace is None:
        return wanted
    history_before, delivered_per_s = pace
    slowdown = max(1.0, (history + wanted / 2) / max(1, history_before))
    per_s = delivered_per_s / slowdown
    if wanted <= ROUND_MAX_S * per_s:
        return wanted
    return min(wanted, max(MESSAGES_MIN, int(ROUND_CUT_S * per_s)))
