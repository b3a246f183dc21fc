"""Medians, intervals and verdicts: what a few rounds allow to claim.

The round is the unit: the thousands of messages in a round share its luck, and count as one. No
distribution is assumed: intervals come from the order of the samples alone.

Also here: a line through the costs of a few histories, and a name for its shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

import msgspec

CONFIDENCE = 0.95
ROUNDS_FOR_A_CLAIM = 6
"""The fewest samples that give an interval at `CONFIDENCE`: see `estimate`."""
Verdict = Literal["better", "worse", "same", "unknown"]
Shape = Literal["flat", "linear", "not clear"]

POINTS_MIN = 3
SPREAD_MIN = 4.0
FLAT_MAX = 1.25
MISS_MAX = 0.20

RULE = (
    f"flat: the highest cost is at most {FLAT_MAX:g} times the lowest; linear: a rising straight "
    f"line comes within {MISS_MAX:.0%} of every point; otherwise not clear"
)


class Estimate(msgspec.Struct, frozen=True):
    """A median and the interval that holds the true one with 95% confidence.

    `low` and `high` are None for fewer than `ROUNDS_FOR_A_CLAIM` samples.
    """

    median: float
    low: float | None
    high: float | None
    samples: list[float]


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


def estimate(samples: Sequence[float]) -> Estimate:
    """The median of samples, with its interval.

    The interval runs from the k-th smallest to the k-th largest sample, with the largest k at
    which a fair coin would leave the median outside in at most 5% of cases (Conover, Practical
    Nonparametric Statistics, section 3.2). Six samples are the fewest for which k is at least 1:
    2 x (1/2)^6 = 3.1%.

    Args:
        samples: at least one.
    """
    ordered = sorted(samples)
    rank = _rank(len(ordered))
    low = ordered[rank - 1] if rank else None
    high = ordered[-rank] if rank else None
    return Estimate(median(ordered), low, high, list(samples))


def verdict(ratio: Estimate | None, *, more_is_better: bool, noise: float = 1.0) -> Verdict:
    """What a ratio to the baseline allows to claim.

    "same" if its interval includes 1, or if the ratio is no further from 1 than noise.

    Args:
        ratio: mode / baseline; None if unknown.
        more_is_better: of the metric.
        noise: at least 1; how far from 1, as a factor, the ratio of a mode to itself was.
    """
    if ratio is None or ratio.low is None or ratio.high is None:
        return "unknown"
    within_noise = noise > 1 and 1 / noise <= ratio.median <= noise
    if ratio.low <= 1 <= ratio.high or within_noise:
        return "same"
    return "better" if (ratio.low > 1) == more_is_better else "worse"


def outliers(samples: Sequence[float]) -> list[bool]:
    """Which samples lie far from the others; all False for fewer than five.

    The modified z-score with its usual limit of 3.5 (Iglewicz and Hoaglin, How to Detect and
    Handle Outliers, 1993): distance from the median, in units of the median distance.
    """
    if len(samples) < 5:
        return [False] * len(samples)
    middle = median(samples)
    distances = [abs(sample - middle) for sample in samples]
    typical = median(distances)
    return [0.6745 * distance > 3.5 * typical for distance in distances]


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Name the growth of a cost.

    `RULE` is short on purpose, so that anyone can check it with a pocket calculator, and it has a
    third answer for when the points allow no name.

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


def _rank(n: int) -> int:
    """The largest k with 2 x P(at most k-1 heads in n throws) <= 5%; 0 if there is none."""
    tail = 0.0
    for k in range(n // 2 + 1):
        tail += math.comb(n, k) / 2**n
        if 2 * tail > 1 - CONFIDENCE:
            return k
    return n // 2


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
