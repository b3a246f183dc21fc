"""The sliding window: what happens now, and how long the unlucky wait.

A rate covers the last second, and a percentile is always a value that was measured. Its plain
sibling is `totals.py`.

Each kind of event has eleven buckets of a tenth of a second, so that a million events a second take
no more memory than one. What it costs: a rate can be off by the events of the oldest tenth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.settings import Clock

RATE_WINDOW_S = 1.0
RATE_BUCKETS = 10
BUCKETS_PER_S = RATE_BUCKETS / RATE_WINDOW_S


class WindowMonitor(Monitor):
    """Rates over a sliding window, and nearest-rank percentiles."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._windows: dict[str, RateWindow] = {}  # bounded: the names are the server's

    def count(self, name: str, count: int) -> None:
        try:
            window = self._windows[name]
        except KeyError:
            window = self._windows[name] = RateWindow(self.clock)
        window.add(count)

    def per_s(self, name: str) -> float:
        window = self._windows.get(name)
        return window.per_s() if window is not None else 0.0

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        return percentile(sorted(samples), fraction)


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
        # Of the oldest bucket, count the share that the newest, still unfinished one lacks: else a
        # steady rate would seem to fall by a tenth at the start of each bucket.
        share = {oldest: 1 - now % 1}
        buckets = (*self._buckets, (self._bucket, self._count))
        events = sum(count * share.get(bucket, 1) for bucket, count in buckets if bucket >= oldest)
        return events / RATE_WINDOW_S


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The smallest sample that at least `fraction` of all are less than or equal to.

    The nearest-rank definition (Hyndman and Fan 1996, definition 1).

    Args:
        ordered: the samples, ascending; at least one.
        fraction: between 0 and 1.
    """
    rank = -(-len(ordered) * fraction // 1)  # rounded up
    return ordered[min(len(ordered), max(1, int(rank))) - 1]
