"""A counter that starts anew each second: it shows a saw where there is a straight line.

Fails: steady
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
        self._second = 0
        self._counts: Counter[str] = Counter()

    def count(self, name: str, count: int) -> None:
        self._start_anew()
        self._counts[name] += count

    def per_s(self, name: str) -> float:
        self._start_anew()
        return self._counts[name]

    def _start_anew(self) -> None:
        second = int(self.clock())
        if second != self._second:
            self._second = second
            self._counts.clear()

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        ordered = sorted(samples)
        rank = max(1, math.ceil(len(ordered) * fraction))
        return ordered[rank - 1]
