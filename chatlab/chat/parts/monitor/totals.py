"""The plain monitor: what happened since the start, and nothing about now.

A server that was idle for an hour and has been overloaded for a minute still shows a low rate. Its
better sibling is `window.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.settings import Clock


class TotalsMonitor(Monitor):
    """Divides what was counted by the time since the start."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._started_at = clock()
        self._totals: Counter[str] = Counter()  # bounded: the names are the server's

    def count(self, name: str, count: int) -> None:
        self._totals[name] += count

    def per_s(self, name: str) -> float:
        seconds = self.clock() - self._started_at
        return self._totals[name] / seconds if seconds > 0 else 0.0

    def percentile(self, samples: Sequence[float], fraction: float) -> float | None:  # noqa: ARG002
        """None: a mean must not stand where people expect a percentile."""
        return None
