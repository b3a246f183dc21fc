"""Counts, rates and percentiles, kept while the server runs.

Owns the arithmetic of watching: totals, sliding windows, and percentiles from raw samples.
Knows nothing of how they are shown. Everything here is bounded: a server that is watched for a
week uses no more memory than after a minute.

Read `snapshot.py` for what comes out of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Batches, Counts, Note, Percentiles, Rates

RATE_WINDOW_S = 1.0
RATE_BUCKETS = 10
BUCKETS_PER_S = RATE_BUCKETS / RATE_WINDOW_S
SAMPLES_MAX = 4_096
SAMPLE_AGE_MAX_S = 10.0
NOTES_MAX = 8
BEYOND_MIN = 10
"""A percentile is named only if at least so many samples lie beyond it: below that, one odd
sample decides it. So p50 needs 20 samples, p95 200 and p99 1,000."""


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The smallest sample that at least `fraction` of all are less than or equal to.

    The nearest-rank definition (Hyndman and Fan 1996, definition 1): always a value that was
    really measured.

    Args:
        ordered: the samples, ascending; at least one.
        fraction: between 0 and 1.
    """
    rank = -(-len(ordered) * fraction // 1)  # rounded up
    return ordered[min(len(ordered), max(1, int(rank))) - 1]


def percentiles(samples: Sequence[float]) -> Percentiles:
    """p50, p95 and p99 of raw samples, each None where there are too few."""
    ordered = sorted(samples)

    def at(fraction: float) -> float | None:
        enough = len(ordered) * (1 - fraction) >= BEYOND_MIN - 1e-9
        return percentile(ordered, fraction) if enough else None

    return Percentiles(at(0.50), at(0.95), at(0.99), len(ordered))


class RateWindow:
    """Counts events of the last `RATE_WINDOW_S` seconds, in buckets of a tenth of that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: deque[tuple[int, int]] = deque(maxlen=RATE_BUCKETS)  # but for the newest
        self._bucket = 0
        self._count = 0

    def add(self, count: int) -> None:
        """Count `count` events that happen now."""
        bucket = int(self._clock() * BUCKETS_PER_S)
        if bucket != self._bucket:
            self._buckets.append((self._bucket, self._count))
            self._bucket, self._count = bucket, 0
        self._count += count

    def per_s(self) -> float:
        """Events per second over the window that ends now."""
        now = self._clock() * BUCKETS_PER_S
        oldest = int(now) - RATE_BUCKETS
        # As much of the oldest bucket counts as is missing of the newest, which has just begun:
        # otherwise a steady rate would seem to fall by a tenth at the start of each bucket.
        share = {oldest: 1 - now % 1}
        buckets = (*self._buckets, (self._bucket, self._count))
        events = sum(count * share.get(bucket, 1) for bucket, count in buckets if bucket >= oldest)
        return events / RATE_WINDOW_S


class Samples:
    """The latest raw samples: at most `SAMPLES_MAX`, none older than `SAMPLE_AGE_MAX_S`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Together, because most come together: a batch of hundreds is kept at the price of one.
        self._groups: deque[tuple[float, Sequence[float]]] = deque()
        self._size = 0

    def add(self, *values: float) -> None:
        """Keep samples that were taken now."""
        self._groups.append((self._clock(), values[-SAMPLES_MAX:]))
        self._size += len(self._groups[-1][1])
        while self._size > SAMPLES_MAX:
            at, oldest = self._groups.popleft()
            kept = oldest[self._size - SAMPLES_MAX :]
            self._size -= len(oldest) - len(kept)
            if kept:
                self._groups.appendleft((at, kept))

    def percentiles(self) -> Percentiles:
        """Of the samples that are young enough."""
        oldest = self._clock() - SAMPLE_AGE_MAX_S
        return percentiles([one for at, values in self._groups if at >= oldest for one in values])


class Metrics:
    """What the server counts as messages pass.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.started_at = clock()
        self._counts: Counter[str] = Counter()
        self._rates = {
            name: RateWindow(clock) for name in ("accepted", "acked", "saved", "delivered")
        }
        self.ack_ms = Samples(clock)
        self.save_ms = Samples(clock)
        self.delivery_ms = Samples(clock)
        self.loop_lag_ms = Samples(clock)
        self._refusals: Counter[str] = Counter()  # bounded: the codes are ours
        self._notes: dict[str, Note] = {}
        self._batches = Batches()
        self._batch_count = 0

    def accepted(self, count: int = 1) -> None:
        """A message passed every check; -1 takes one back that the processor had no room for."""
        self._event("accepted", count)

    def acked(self, accepted_at: Sequence[float]) -> None:
        """The acks of some messages were sent; `accepted_at` has one time for each of them."""
        self._event("acked", len(accepted_at))
        self.ack_ms.add(*self._ms_since(accepted_at))

    def saved(self, accepted_at: Sequence[float]) -> None:
        """A batch was saved; `accepted_at` has one time for each of its messages."""
        size = len(accepted_at)
        self._event("saved", size)
        self.save_ms.add(*self._ms_since(accepted_at))
        self._batch_count += 1
        self._batches = Batches(
            last=size,
            largest=max(size, self._batches.largest),
            mean=self._batches.mean + (size - self._batches.mean) / self._batch_count,
        )

    def delivered(self, accepted_at: Sequence[float], frames: int) -> None:
        """A batch was sent to its rooms, with so many frames."""
        self._event("delivered", len(accepted_at))
        self._counts["frames"] += frames
        self.delivery_ms.add(*self._ms_since(accepted_at))

    def refused(self, code: str) -> None:
        """An `error` frame was sent."""
        self._counts["refused"] += 1
        self._refusals[code] += 1

    def note(self, text: str) -> None:
        """Remember a sentence for people; the same one again only counts."""
        before = self._notes.pop(text, None)
        times = before.times + 1 if before else 1
        self._notes[text] = Note(self.clock() - self.started_at, text, times)
        if len(self._notes) > NOTES_MAX:
            del self._notes[next(iter(self._notes))]

    @property
    def counts(self) -> Counts:
        """All totals."""
        return Counts(**self._counts)

    @property
    def rates(self) -> Rates:
        """All rates."""
        return Rates(**{f"{name}_per_s": rate.per_s() for name, rate in self._rates.items()})

    @property
    def batches(self) -> Batches:
        """The sizes of what was saved together."""
        return self._batches

    @property
    def refusals(self) -> dict[str, int]:
        """Error codes and how often each was sent."""
        return dict(self._refusals)

    @property
    def notes(self) -> list[Note]:
        """The latest sentences, newest last."""
        return list(self._notes.values())

    def _event(self, name: str, count: int) -> None:
        self._counts[name] += count
        self._rates[name].add(count)

    def _ms_since(self, times: Sequence[float]) -> list[float]:
        now = self.clock()
        return [(now - at) * 1000 for at in times]
