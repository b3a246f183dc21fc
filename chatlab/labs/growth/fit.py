"""The growth lab's arithmetic: a line through a few points, and a name for its shape.

The rule is short on purpose, so that anyone can check it with a pocket calculator, and it has a
third answer for when the points allow no name. Also here: how many messages a round may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

POINTS_MIN = 3
SPREAD_MIN = 4.0
FLAT_MAX = 1.25
MISS_MAX = 0.20
MESSAGES_MIN = 10
ROUND_MAX_S = 8.0
ROUND_CUT_S = 2.5

RULE = (
    f"flat: the highest cost is at most {FLAT_MAX:g} times the lowest; linear: a rising straight "
    f"line comes within {MISS_MAX:.0%} of every point; otherwise not clear"
)

Shape = Literal["flat", "linear", "not clear"]


class Fit(msgspec.Struct, frozen=True):
    """The straight line that comes closest to some points, and what their shape may be called.

    Attributes:
        shape: by `RULE`; "not clear" also where the points are too few or too much alike.
        at_zero: the line's cost without any history.
        per_1000: what 1,000 more messages of history add to it.
        worst_miss: the line's largest distance from a point, as a share of that point's cost.
        reason: why it is not clear; empty if it is.
    """

    shape: Shape
    at_zero: float = 0.0
    per_1000: float = 0.0
    worst_miss: float = 0.0
    reason: str = ""


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Name the growth of a cost.

    Least squares of the *relative* distances: with ordinary ones, a point that costs a hundred
    times as much would count a hundred times as much, and the rest could be anything.

    Args:
        points: history in messages, and the cost there, at least 0; in any order.
    """
    histories = [history for history, _ in points]
    costs = [cost for _, cost in points]
    if len(set(histories)) < POINTS_MIN:
        return Fit("not clear", reason=f"it takes {POINTS_MIN} histories to see a shape")
    if max(histories) < SPREAD_MIN * min(histories):
        return Fit(
            "not clear",
            reason=f"the longest history is less than {SPREAD_MIN:g} times the shortest",
        )
    if min(costs) <= 0:
        return _of_zeros(costs)
    at_zero, slope = _line(points)
    worst_miss = max(abs(at_zero + slope * x - y) / y for x, y in points)
    found = Fit("flat", at_zero, 1000 * slope, worst_miss)
    if max(costs) <= FLAT_MAX * min(costs):
        return found
    if slope > 0 and worst_miss <= MISS_MAX:
        return msgspec.structs.replace(found, shape="linear")
    reason = "it does not rise with the history, yet is not flat"
    if slope > 0:
        reason = f"no rising line comes closer than {worst_miss:.0%} to every point"
    return msgspec.structs.replace(found, shape="not clear", reason=reason)


def round_size(wanted: int, history: int, pace: tuple[int, float] | None) -> int:
    """How many messages a round may have, so that it ends in good time.

    Assumes the worst: a cost that grows as fast as the history does. A round that would then
    take longer than `ROUND_MAX_S` is cut to `ROUND_CUT_S`; others are left whole, because rounds
    of one size compare best: the messages of a round share what it reads once.

    Args:
        wanted: messages, if there is time for them.
        history: messages before the start.
        pace: the last round's mean history, in messages, and what it delivered per second.
    """
    if pace is None:
        return wanted
    history_before, delivered_per_s = pace
    slowdown = max(1.0, (history + wanted / 2) / max(1, history_before))
    per_s = delivered_per_s / slowdown
    if wanted <= ROUND_MAX_S * per_s:
        return wanted
    return min(wanted, max(MESSAGES_MIN, int(ROUND_CUT_S * per_s)))


def _of_zeros(costs: Sequence[float]) -> Fit:
    """A relative distance from 0 does not exist."""
    if not any(costs):
        return Fit("flat")
    return Fit("not clear", reason="some cost is 0, others are not")


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Cost at 0 and slope: least squares with weights 1 / cost squared."""
    weights = [1 / (y * y) for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    above = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True))
    below = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = above / below
    return mean_y - slope * mean_x, slope
