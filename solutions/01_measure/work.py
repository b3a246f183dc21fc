"""A sliding window of ten buckets, and nearest-rank percentiles."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.settings import Clock

BUCKETS = 10
"""In a window of one second."""


class MyMonitor(Monitor):
    """Shows how many events happen per second, and what the unlucky ones meet."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        # Of each kind of event, pairs of (which tenth of a second, how many); the newest is last.
        self._windows: dict[str, deque[tuple[int, int]]] = {}

    def count(self, name: str, count: int) -> None:
        window = self._windows.setdefault(name, deque(maxlen=BUCKETS + 1))
        bucket = int(self.clock() * BUCKETS)
        if window and window[-1][0] == bucket:
            count += window.pop()[1]
        window.append((bucket, count))

    def per_s(self, name: str) -> float:
        at = self.clock() * BUCKETS
        oldest = int(at) - BUCKETS
        events = 0.0
        for bucket, count in self._windows.get(name, ()):
            if bucket > oldest:
                events += count
            elif bucket == oldest:
                events += count * (1 - at % 1)  # the part of it that is still within the second
        return events

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        ordered = sorted(samples)
        rank = max(1, math.ceil(len(ordered) * fraction))
        return ordered[rank - 1]
