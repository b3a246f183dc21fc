"""What the server counts while it runs: totals, and raw samples of its latencies.

Owns the rule how many samples a percentile needs. The monitor, a part (`parts/monitor/`), makes
rates and percentiles; `snapshot.py` says what comes out. Everything here is bounded: after a week
a server uses no more memory than after a minute.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence

from chatlab.chat.parts.message_seams import Entry, Monitor
from chatlab.chat.parts.monitor.window import WindowMonitor
from chatlab.chat.parts.monitor.window import percentile as percentile  # for the instruments
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Batches, Counts, Percentiles, Rates, ServerNote

STEPS = ("accepted", "acked", "saved", "delivered")
"""The steps of a message that the monitor counts."""
SAMPLES_MAX = 4_096
SAMPLE_AGE_MAX_S = 10.0
NOTES_MAX = 8
SAVE_FAILED_MAX_AGE_S = 30.0
"""So long a save that failed, and was not tried again, says something about the disk."""
BEYOND_MIN = 10
"""A percentile needs this many samples beyond it: with fewer, one odd sample decides it. So p50
needs 20 samples, p95 200 and p99 1,000."""


PercentileOf = Callable[[Sequence[float], float], float | None]


def percentiles(samples: Sequence[float], percentile_of: PercentileOf = percentile) -> Percentiles:
    """p50, p95 and p99 of raw samples, each None where there are too few.

    Args:
        samples: in any order.
        percentile_of: makes one percentile of sorted samples.
    """
    ordered = sorted(samples)  # once for all three

    def at(fraction: float) -> float | None:
        enough = len(ordered) * (1 - fraction) >= BEYOND_MIN - 1e-9
        return percentile_of(ordered, fraction) if enough else None

    return Percentiles(at(0.50), at(0.95), at(0.99), len(ordered))


class Samples:
    """The latest raw samples: at most `SAMPLES_MAX`, none older than `SAMPLE_AGE_MAX_S`.

    Args:
        clock: seconds.
        percentile_of: makes a percentile of them.
    """

    def __init__(self, clock: Clock, percentile_of: PercentileOf = percentile) -> None:
        self._clock = clock
        self._percentile_of = percentile_of
        # In groups, because most come as a batch: hundreds are kept at the price of one.
        self._groups: deque[tuple[float, Sequence[float]]] = deque()
        self._size = 0

    def add(self, *values: float) -> None:
        """Keep samples taken now."""
        self._groups.append((self._clock(), values[-SAMPLES_MAX:]))
        self._size += len(self._groups[-1][1])
        while self._size > SAMPLES_MAX:
            at, oldest = self._groups.popleft()
            kept = oldest[self._size - SAMPLES_MAX :]
            self._size -= len(oldest) - len(kept)
            if kept:
                self._groups.appendleft((at, kept))

    def percentiles(self) -> Percentiles:
        """Of the samples that are not too old."""
        oldest = self._clock() - SAMPLE_AGE_MAX_S
        young = [one for at, values in self._groups if at >= oldest for one in values]
        return percentiles(young, self._percentile_of)


class Metrics:
    """What the server counts as messages pass.

    If a monitor fails, the totals go on, a note says so once, and what it could not tell is None,
    shown as a dash.

    Args:
        clock: seconds.

    Attributes:
        monitor: makes rates and percentiles; a line-up brings its own.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.started_at = clock()
        self.monitor: Monitor = WindowMonitor(clock)
        self._monitor_faults: set[str] = set()  # its methods that failed: at most three
        self._counts: Counter[str] = Counter()
        self.ack_ms = Samples(clock, self._percentile)
        self.save_ms = Samples(clock, self._percentile)
        self.delivery_ms = Samples(clock, self._percentile)
        self.ack_from_due_ms = Samples(clock, self._percentile)
        self.delivery_from_due_ms = Samples(clock, self._percentile)
        self.loop_lag_ms = Samples(clock, self._percentile)
        self._refusals: Counter[str] = Counter()  # bounded: the codes are ours
        self._notes: dict[str, ServerNote] = {}
        self._batches = Batches()
        self._batch_count = 0
        self._save_failed: tuple[float, str] | None = None  # when and why, until one succeeds

    def accepted(self, count: int = 1) -> None:
        """A message passed every check; -1 takes one back that the processor refused."""
        self._event("accepted", count)

    def acked(self, batch: Sequence[Entry]) -> None:
        """Acks were sent for these messages."""
        self._event("acked", len(batch))
        self._add(batch, self.ack_ms, self.ack_from_due_ms)

    def saved(self, batch: Sequence[Entry]) -> None:
        """A batch was saved."""
        size = len(batch)
        self._save_failed = None
        self._event("saved", size)
        self._add(batch, self.save_ms)
        self._batch_count += 1
        self._batches = Batches(
            last=size,
            largest=max(size, self._batches.largest),
            mean=self._batches.mean + (size - self._batches.mean) / self._batch_count,
        )

    def save_failed(self, why: str) -> None:
        """A batch was not saved; the processor may try again."""
        self._save_failed = (self.clock(), why)

    @property
    def save_trouble(self) -> str:
        """Why saving fails at present; empty if it does not, as far as is known."""
        at, why = self._save_failed or (0.0, "")
        return why if self.clock() - at < SAVE_FAILED_MAX_AGE_S else ""

    def delivered(self, batch: Sequence[Entry], frames: int) -> None:
        """A batch was sent to its rooms in `frames` frames."""
        self._event("delivered", len(batch))
        self._counts["frames"] += frames
        self._add(batch, self.delivery_ms, self.delivery_from_due_ms)

    def refused(self, code: str) -> None:
        """An `error` frame was sent."""
        self._counts["refused"] += 1
        self._refusals[code] += 1

    def note(self, text: str, about: str = "") -> None:
        """Keep a sentence for people; a repeated one is counted.

        Args:
            about: what sentences have in common that differ, e.g. in a name: only the last of them
                is kept, so that a flood of them does not push out all others.
        """
        key = about or text
        before = self._notes.pop(key, None)
        times = before.times + 1 if before else 1
        self._notes[key] = ServerNote(self.clock() - self.started_at, text, times)
        if len(self._notes) > NOTES_MAX:
            del self._notes[next(iter(self._notes))]

    @property
    def counts(self) -> Counts:
        """All totals."""
        return Counts(**self._counts)

    @property
    def rates(self) -> Rates:
        """All rates."""
        return Rates(**{f"{name}_per_s": self._per_s(name) for name in STEPS})

    @property
    def batches(self) -> Batches:
        """The sizes of the batches saved."""
        return self._batches

    @property
    def refusals(self) -> dict[str, int]:
        """Error codes and how often each was sent."""
        return dict(self._refusals)

    @property
    def notes(self) -> list[ServerNote]:
        """The latest sentences, newest last."""
        return list(self._notes.values())

    def _event(self, name: str, count: int) -> None:
        self._counts[name] += count
        try:
            self.monitor.count(name, count)
        except Exception as error:
            self._blame_monitor("count", error)

    def _per_s(self, name: str) -> float | None:
        if "count" in self._monitor_faults:
            return None  # it missed some events, so its rate is wrong
        try:
            return _number(self.monitor.per_s(name))
        except Exception as error:
            self._blame_monitor("per_s", error)
            return None

    def _percentile(self, ordered: Sequence[float], fraction: float) -> float | None:
        try:
            found = self.monitor.percentile(ordered, fraction)
            return None if found is None else _number(found)
        except Exception as error:
            self._blame_monitor("percentile", error)
            return None

    def _blame_monitor(self, method: str, error: Exception) -> None:
        if method not in self._monitor_faults:
            self._monitor_faults.add(method)
            self.note(f"the monitor's {method} failed: {type(error).__name__}: {error}")

    def _add(
        self, batch: Sequence[Entry], samples: Samples, from_due: Samples | None = None
    ) -> None:
        """Sample how long ago each message arrived, and was due, if it says so."""
        now = self.clock()
        samples.add(*[(now - one.since) * 1000 for one in batch])
        if from_due is not None:
            since_due = [(now - one.due_at) * 1000 for one in batch if one.due_at is not None]
            if since_due:
                from_due.add(*since_due)


def _number(found: object) -> float:
    """What a monitor returned, if that is a finite number.

    Raises:
        TypeError: it is not.
    """
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise TypeError(f"it returned {str(found)[:50]!r}, which is not a number")
    return found
