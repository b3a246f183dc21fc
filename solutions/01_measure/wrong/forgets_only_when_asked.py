"""Old events are let go when someone asks for a rate. At night, nobody asks.

Fails: memory
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from chatlab.chat.parts.monitor import Monitor
from chatlab.chat.settings import Clock


class MyMonitor(Monitor):
    """Shows how many events happen per second, and what the unlucky ones meet."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._events: dict[str, deque[tuple[float, int]]] = {}

    def count(self, name: str, count: int) -> None:
        self._events.setdefault(name, deque()).append((self.clock(), count))

    def per_s(self, name: str) -> float:
        events = self._events.get(name, deque())
        while events and events[0][0] <= self.clock() - 1:
            events.popleft()
        return sum(count for _, count in events)

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        ordered = sorted(samples)
        rank = max(1, math.ceil(len(ordered) * fraction))
        return ordered[rank - 1]
