"""Your monitor. Save this file, and `chatlab learn` checks it.

It works as it is: like the plain monitor, it divides a total by the time since the start, and has
no percentiles to give. Let it show what happens now. `README.md` beside this file tells the story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.settings import Clock


class MyMonitor(Monitor):
    """Shows how many events happen per second, and what the unlucky ones meet."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._started_at = clock()
        self._totals: Counter[str] = Counter()
        # TODO: what must you keep, to know what happened in the last second?

    def count(self, name: str, count: int) -> None:
        """`count` events called `name` happen now, at `self.clock()` seconds.

        It is called for every message. `count` can be many, for a batch, or -1, which takes back
        one that was counted just before.
        """
        # TODO: a total forgets when it happened. And what you keep must not grow for ever.
        self._totals[name] += count

    def per_s(self, name: str) -> float:
        """How many events called `name` happened in the last second; 0 if there were none."""
        # TODO: an hour of silence before a burst must make no difference.
        seconds = self.clock() - self._started_at
        return self._totals[name] / seconds if seconds > 0 else 0.0

    def percentile(self, samples: Sequence[float], fraction: float) -> float | None:
        """The smallest sample that at least `fraction` of all samples are no larger than.

        Args:
            samples: at least one, in any order. They are not yours: leave them as they are.
            fraction: between 0 and 1: 0.5 for the p50, 0.99 for the p99. 0 gives the smallest.
        """
        # TODO: None shows as a dash. Which of the samples is it?
        return None
