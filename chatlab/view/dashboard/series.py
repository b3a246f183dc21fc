"""What snapshots say about time: a value for each of the last seconds.

Owns the step from totals to rates. Snapshots come at any interval and never exactly on the second;
a chart whose columns are whole seconds stands still while it moves on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, floor

from chatlab.chat.snapshot import Snapshot


def rates_per_s(
    history: Sequence[Snapshot], total: Callable[[Snapshot], float], seconds_max: int
) -> list[float]:
    """How much a total grew in each of the last whole seconds, oldest first.

    Args:
        history: snapshots of one server, oldest first.
        total: what to look at: something that only grows.
        seconds_max: return at most so many.
    """
    times = [snapshot.uptime_s for snapshot in history]
    totals = [total(snapshot) for snapshot in history]
    seconds = _seconds(times, seconds_max)
    return [b - a for a, b in pairwise(_between(times, totals, at) for at in seconds)]


def gauge(
    history: Sequence[Snapshot], value: Callable[[Snapshot], float | None], seconds_max: int
) -> list[float | None]:
    """What a value was at the end of each of the last whole seconds, oldest first."""
    times = [snapshot.uptime_s for snapshot in history]
    return [value(history[bisect_right(times, at) - 1]) for at in _seconds(times, seconds_max - 1)]


def _seconds(times: Sequence[float], back: int) -> range:
    last = floor(times[-1])
    return range(max(ceil(times[0]), last - max(0, back)), last + 1)


def _between(times: Sequence[float], totals: Sequence[float], at: float) -> float:
    """The total at a moment between two snapshots, on a straight line between them."""
    after = min(len(times) - 1, bisect_right(times, at))
    before = max(0, after - 1)
    span = times[after] - times[before]
    share = (at - times[before]) / span if span > 0 else 0.0
    return totals[before] + (totals[after] - totals[before]) * min(1.0, share)
