"""One round over scenario time, frozen, so that two rounds can be compared at the same moment.

Answers "how did this round stand t seconds after its start?", whether the round is running (five
samples a second) or finished (exact, from what the load generator noted). Read `live.py` next: it
says which rounds are shown.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import TypeVar

import msgspec

from chatlab.bench.load_result import NEVER, LoadProgress, LoadResult
from chatlab.bench.load_tracker import LATEST_ACKS
from chatlab.bench.rounds import Round
from chatlab.chat.metrics import percentiles

SAMPLES_MAX = 2_000
"""Of one round; beyond that every other one is dropped: hours must not cost more than minutes."""

SERIES_POINTS = 120
_BEFORE = LoadProgress(0.0, 0, 0, 0, 0, 0.0, None, None)
_T = attrgetter("t_s")
_Point = TypeVar("_Point")


class Series(msgspec.Struct, frozen=True):
    """A run over time, at evenly spaced moments; all lists are of one length.

    Attributes:
        t_s: seconds after the start.
        sent, acked, delivered: how many so far.
        outstanding: sent, and neither delivered nor refused.
        oldest_s: how long the oldest of those planned and not settled had waited.
    """

    t_s: list[float]
    sent: list[int]
    acked: list[int]
    delivered: list[int]
    outstanding: list[int]
    oldest_s: list[float]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One round of one mode.

    Attributes:
        number: of the round.
        messages: in its plan.
        samples: where it stood, oldest first.
        operations: (seconds after the start, file reads and writes per saved message until then).
        over: whether it has ended, so that its samples are exact and complete.
    """

    number: int
    messages: int
    samples: tuple[LoadProgress, ...] = ()
    operations: tuple[tuple[float, float], ...] = ()
    over: bool = False

    @property
    def end_s(self) -> float:
        """The latest moment known, in seconds after the start."""
        return self.samples[-1].t_s if self.samples else 0.0

    @property
    def settled(self) -> bool:
        """Whether every message was delivered or refused."""
        last = self.at(self.end_s)
        return last.delivered + last.refused >= self.messages

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.over or self.settled

    def with_sample(self, now: LoadProgress) -> Timeline:
        """The same with a newer sample; unchanged once all is settled: only the clock goes on."""
        if now.t_s <= self.end_s or self.ended:
            return self
        return replace(self, samples=_bounded((*self.samples, now)))

    def with_operations(self, per_message: float) -> Timeline:
        """The same with the file operations per message so far."""
        operations = (*self.operations, (self.end_s, per_message))
        return replace(self, operations=_bounded(operations))

    def at(self, t_s: float) -> LoadProgress:
        """The latest sample at or before a moment; zeros before the first."""
        upto = bisect_right(self.samples, t_s, key=_T)
        return self.samples[upto - 1] if upto else _BEFORE

    def operations_at(self, t_s: float) -> float | None:
        """Reads and writes per message until a moment; None if they were not counted before it."""
        upto = bisect_right(self.operations, t_s, key=itemgetter(0))
        return self.operations[upto - 1][1] if upto else None

    def rates_per_s(self, upto_s: float, step_s: float) -> list[float]:
        """Deliveries per second in each step from the start up to a moment.

        A last step that has hardly begun is left out: a few messages in a few milliseconds would
        be a peak that never was.
        """
        return [
            (self._delivered(to_s) - self._delivered(from_s)) / (to_s - from_s)
            for from_s, to_s in _steps(min(upto_s, self.end_s), step_s)
            if from_s == 0 or to_s - from_s > step_s / 2
        ]

    def outstanding(self, upto_s: float, step_s: float) -> list[int | None]:
        """The most messages that waited in each step from the start up to a moment.

        None before the first sample: how many waited then is unknown.
        """
        most: list[int | None] = []
        for from_s, to_s in _steps(min(upto_s, self.end_s), step_s):
            first = bisect_right(self.samples, from_s, key=_T)
            inside = self.samples[first : bisect_right(self.samples, to_s, key=_T)]
            seen = inside or self.samples[first - 1 : first]
            most.append(max((each.outstanding for each in seen), default=None))
        return most

    def _delivered(self, t_s: float) -> float:
        """How many were delivered by a moment, on a straight line between two samples."""
        after = bisect_left(self.samples, t_s, key=_T)
        if after == len(self.samples):
            return self.at(t_s).delivered
        a, b = (self.samples[after - 1] if after else _BEFORE), self.samples[after]
        share = (t_s - a.t_s) / (b.t_s - a.t_s) if b.t_s > a.t_s else 1.0
        return a.delivered + (b.delivered - a.delivered) * share


def series(load: LoadResult, points: int = SERIES_POINTS) -> Series:
    """A finished run over time, at `points` + 1 moments."""
    step_s = load.wall_s / points
    moments = [*(step_s * n for n in range(points)), load.wall_s]
    sent = _counts_at(moments, load.sent_s)
    delivered = _counts_at(moments, load.delivered_s)
    refused = _counts_at(moments, list(load.refused_s.values()))
    return Series(
        t_s=moments,
        sent=sent,
        acked=_counts_at(moments, load.acked_s),
        delivered=delivered,
        outstanding=[s - d - r for s, d, r in zip(sent, delivered, refused, strict=True)],
        oldest_s=_oldest_s(load, moments),
    )


def finished(done: Round, seen: Timeline | None = None) -> Timeline:
    """A finished round, with exact values at any moment.

    Args:
        done: the round.
        seen: the same round as it was watched; only it has the operations on the way.
    """
    samples = _samples(done.load)
    operations = seen.operations if seen and seen.number == done.number else ()
    if done.operations_per_message is not None:
        operations = (*operations, (samples[-1].t_s, done.operations_per_message))
    return Timeline(done.number, len(done.load.plan), samples, operations, over=True)


def _oldest_s(load: LoadResult, moments: Sequence[float]) -> list[float]:
    """At each moment, how long the oldest message of the plan had waited; 0 if all were settled."""
    settled_s = [
        at_s if at_s != NEVER else load.refused_s.get(number, float("inf"))
        for number, at_s in enumerate(load.delivered_s)
    ]
    all_until_s = list(accumulate(settled_s, max))
    settled = [bisect_right(all_until_s, moment) for moment in moments]
    return [
        max(0.0, moment - load.plan[n].at_s) if n < len(load.plan) else 0.0
        for moment, n in zip(moments, settled, strict=True)
    ]


def _counts_at(moments: Sequence[float], times_s: Sequence[float]) -> list[int]:
    """How many of the times lie at or before each moment."""
    ordered = sorted(at for at in times_s if at != NEVER)
    return [bisect_right(ordered, moment) for moment in moments]


def _samples(load: LoadResult) -> tuple[LoadProgress, ...]:
    over_time = series(load)
    times = zip(load.acked_s, load.plan_s(), load.sent_s, strict=True)
    acks = sorted((each for each in times if each[0] != NEVER), key=itemgetter(0))
    samples = []
    for n, t_s in enumerate(over_time.t_s[:-1]):
        delivered = over_time.delivered[n]
        refused = over_time.sent[n] - delivered - over_time.outstanding[n]
        waiting = delivered + refused < len(load.plan)
        samples.append(
            LoadProgress(
                t_s,
                over_time.sent[n],
                over_time.acked[n],
                delivered,
                refused,
                over_time.oldest_s[n] if waiting else 0.0,
                *_p95s_ms(acks[: bisect_right(acks, t_s, key=itemgetter(0))]),
            )
        )
    # The last moment is a rounded product; only the totals are sure to hold the last message.
    waiting = load.delivered + len(load.refused) < len(load.plan)
    last = LoadProgress(
        load.wall_s,
        load.sent,
        load.acked,
        load.delivered,
        len(load.refused),
        over_time.oldest_s[-1] if waiting else 0.0,
        *_p95s_ms(acks),
    )
    return (*samples, last)


def _p95s_ms(acks: Sequence[tuple[float, float, float]]) -> tuple[float | None, float | None]:
    """The p95 of the latest acks, from the planned and from the real send."""
    latest = acks[-LATEST_ACKS:]
    return (
        percentiles([(end_s - plan_s) * 1000 for end_s, plan_s, _ in latest]).p95,
        percentiles([(end_s - sent_s) * 1000 for end_s, _, sent_s in latest]).p95,
    )


def _bounded(points: tuple[_Point, ...]) -> tuple[_Point, ...]:
    """At most `SAMPLES_MAX`; the first and the latest stay."""
    return points if len(points) <= SAMPLES_MAX else (*points[:-1:2], points[-1])


def _steps(upto_s: float, step_s: float) -> list[tuple[float, float]]:
    count = -int(-upto_s // step_s) if upto_s > 0 else 0
    return [(n * step_s, min(upto_s, (n + 1) * step_s)) for n in range(count)]
