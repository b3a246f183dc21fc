"""The moment of every event, for ever: each rate is right, and the memory grows.

Fails: memory
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import repeat

from chatlab.chat.parts.monitor import Monitor
from chatlab.chat.settings import Clock


class MyMonitor(Monitor):
    """Shows how many events happen per second, and what the unlucky ones meet."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._moments: dict[str, list[float]] = {}

    def count(self, name: str, count: int) -> None:
        moments = self._moments.setdefault(name, [])
        if count < 0:
            del moments[count:]
        moments.extend(repeat(self.clock(), count))

    def per_s(self, name: str) -> float:
        moments = self._moments.get(name, [])
        return len(moments) - bisect_right(moments, self.clock() - 1)

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        ordered = sorted(samples)
        rank = max(1, math.ceil(len(ordered) * fraction))
        return ordered[rank - 1]
