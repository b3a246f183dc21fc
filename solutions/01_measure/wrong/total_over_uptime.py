"""A total, divided by the time since the start: an average of the whole day.

Fails: last_second
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from chatlab.chat.parts.monitor import Monitor
from chatlab.chat.settings import Clock


class MyMonitor(Monitor):
    """Shows how many events happen per second, and what the unlucky ones meet."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._started_at = clock()
        self._totals: Counter[str] = Counter()

    def count(self, name: str, count: int) -> None:
        self._totals[name] += count

    def per_s(self, name: str) -> float:
        seconds = self.clock() - self._started_at
        return self._totals[name] / seconds if seconds > 0 else 0.0

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        ordered = sorted(samples)
        rank = max(1, math.ceil(len(ordered) * fraction))
        return ordered[rank - 1]
