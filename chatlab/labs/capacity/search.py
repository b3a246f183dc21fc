"""The search for a limit: double until it fails, close in on the edge, then make sure.

Knows nothing of servers: it proposes a rate, is told whether that went well, and proposes the
next one. A rate counts as the answer only after several successes and no failure, because a probe
near the limit succeeds or fails by luck.
"""

from __future__ import annotations

import math
from collections import Counter

PRECISION = 1.1
SUCCESSES = 3
PROBES_MAX = 40


class Search:
    """One search.

    Args:
        start: the first rate to try, per second.
        lowest, highest: never tried below or above these.

    Attributes:
        answer: the highest rate that is sure so far; None if there is none.
        ceiling: the lowest rate that failed; None if none did.
    """

    def __init__(self, start: float, *, lowest: float = 1.0, highest: float = 100_000.0) -> None:
        self._start = min(max(start, lowest), highest)
        self._lowest, self._highest = lowest, highest
        self._successes: Counter[float] = Counter()
        self._failed: set[float] = set()
        self._probes = 0

    @property
    def ceiling(self) -> float | None:
        return min(self._failed, default=None)

    @property
    def answer(self) -> float | None:
        sure = [rate for rate in self._below() if self._successes[rate] >= SUCCESSES]
        return max(sure, default=None)

    def record(self, rate: float, *, success: bool) -> None:
        """How it went at a rate."""
        self._probes += 1
        if success:
            self._successes[rate] += 1
        else:
            self._failed.add(rate)

    def next_rate(self) -> float | None:
        """The rate to try next; None when the search is over."""
        if self._probes >= PROBES_MAX:
            return None
        floor, ceiling = max(self._below(), default=None), self.ceiling
        if floor is None:
            return self._below_all(ceiling)
        if ceiling is None:
            if floor < self._highest:
                return min(2 * floor, self._highest)
        elif ceiling > PRECISION * floor:
            between = rounded(math.sqrt(floor * ceiling))
            if floor < between < ceiling:
                return between
        return floor if self._successes[floor] < SUCCESSES else None

    def _below(self) -> list[float]:
        """Rates that went well, below all that did not."""
        ceiling = self.ceiling
        return [rate for rate in self._successes if ceiling is None or rate < ceiling]

    def _below_all(self, ceiling: float | None) -> float | None:
        if ceiling is None:
            return self._start
        return max(rounded(ceiling / 2), self._lowest) if ceiling > self._lowest else None


def rounded(rate: float) -> float:
    """To two digits, as a person would choose it: 1,414 becomes 1,400."""
    return float(f"{rate:.2g}")
