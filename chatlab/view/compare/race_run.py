"""One round over scenario time, so that two rounds can be held side by side at the same moment.

Owns the answer to "how did this round stand t seconds after its start?", whether the round is
under way (five samples a second) or over (exact, from what the load generator noted).
Read `race_state.py` next: it says which rounds are looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from chatlab.bench.load_result import NEVER, LoadProgress, LoadResult
from chatlab.bench.load_tracker import LATEST_ACKS
from chatlab.bench.rounds import Round
from chatlab.chat.metrics import percentiles

SAMPLES_MAX = 2_000
"""Of one round; beyond, every other one is forgotten: hours must not cost more than minutes."""

_BEFORE = LoadProgress(0.0, 0, 0, 0, 0, 0.0, None, None)
_T = attrgetter("t_s")


class Run:
    """One round of one mode.

    Args:
        number: of the round.
        messages: of its plan.

    Attributes:
        samples: where it stood, oldest first.
        operations: (seconds after the start, file reads and writes per saved message until then).
        over: whether it has ended, so that its samples are exact and complete.
    """

    def __init__(self, number: int, messages: int) -> None:
        self.number = number
        self.messages = messages
        self.samples: list[LoadProgress] = []
        self.operations: list[tuple[float, float]] = []
        self.over = False

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

    def add(self, now: LoadProgress) -> None:
        """Note where it stands; nothing once all is settled, because the clock alone goes on."""
        if now.t_s > self.end_s and not self.ended:
            self.samples.append(now)
            if len(self.samples) > SAMPLES_MAX:
                del self.samples[1:-1:2]

    def add_operations(self, per_message: float) -> None:
        """Note the file operations per message so far."""
        self.operations.append((self.end_s, per_message))
        if len(self.operations) > SAMPLES_MAX:
            del self.operations[1:-1:2]

    def at(self, t_s: float) -> LoadProgress:
        """The latest sample at or before a moment; zeros before the first."""
        upto = bisect_right(self.samples, t_s, key=_T)
        return self.samples[upto - 1] if upto else _BEFORE

    def operations_at(self, t_s: float) -> float | None:
        """Reads and writes per message until a moment; None if nobody looked before it."""
        upto = bisect_right(self.operations, t_s, key=lambda pair: pair[0])
        return self.operations[upto - 1][1] if upto else None

    def rates_per_s(self, upto_s: float, step_s: float) -> list[float]:
        """Deliveries per second in each step from the start up to a moment.

        A last step that has hardly begun is left out: a few messages in a few milliseconds would
        be a peak that never was.
        """
        rates = []
        for from_s, to_s in _steps(min(upto_s, self.end_s), step_s):
            if from_s == 0 or to_s - from_s > step_s / 2:
                grown = self._delivered(to_s) - self._delivered(from_s)
                rates.append(grown / (to_s - from_s))
        return rates

    def outstanding(self, upto_s: float, step_s: float) -> list[int | None]:
        """The most messages that waited in each step from the start up to a moment.

        None before the first sample: how many waited then, nobody saw.
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


def finished(done: Round, seen: Run | None = None) -> Run:
    """A round that is over, with exact values at any moment.

    Args:
        done: the round.
        seen: the same round as it was watched; only it knows the operations on the way.
    """
    run = Run(done.number, len(done.load.plan))
    run.samples = _samples(done.load)
    run.operations = seen.operations if seen and seen.number == done.number else []
    if done.operations_per_message is not None:
        run.operations = [*run.operations, (run.end_s, done.operations_per_message)]
    run.over = True
    return run


def _samples(load: LoadResult) -> list[LoadProgress]:
    series = load.series()
    acks = sorted(
        ((end_s, plan_s, sent_s) for end_s, plan_s, sent_s in _ack_times(load)), key=lambda a: a[0]
    )
    samples = []
    last = len(series.t_s) - 1
    for n, t_s in enumerate(series.t_s):
        upto = bisect_right(acks, t_s, key=lambda a: a[0]) if n < last else len(acks)
        latest = acks[max(0, upto - LATEST_ACKS) : upto]
        # The last moment is a rounded product; the totals are sure to hold the last message.
        sent = series.sent[n] if n < last else load.sent
        delivered = series.delivered[n] if n < last else load.delivered
        refused = sent - delivered - series.outstanding[n] if n < last else len(load.refused)
        samples.append(
            LoadProgress(
                t_s=t_s if n < last else load.wall_s,
                sent=sent,
                acked=series.acked[n] if n < last else load.acked,
                delivered=delivered,
                refused=refused,
                oldest_s=series.oldest_s[n] if delivered + refused < len(load.plan) else 0.0,
                ack_p95_ms=_p95_ms([end_s - plan_s for end_s, plan_s, _ in latest]),
                ack_p95_send_ms=_p95_ms([end_s - sent_s for end_s, _, sent_s in latest]),
            )
        )
    return samples


def _ack_times(load: LoadResult) -> list[tuple[float, float, float]]:
    times = zip(load.acked_s, load.plan_s(), load.sent_s, strict=True)
    return [each for each in times if each[0] != NEVER]


def _p95_ms(waits_s: Sequence[float]) -> float | None:
    p95_s = percentiles(waits_s).p95
    return None if p95_s is None else p95_s * 1000


def _steps(upto_s: float, step_s: float) -> list[tuple[float, float]]:
    count = -int(-upto_s // step_s) if upto_s > 0 else 0
    return [(n * step_s, min(upto_s, (n + 1) * step_s)) for n in range(count)]
