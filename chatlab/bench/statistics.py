"""Medians, intervals and verdicts: what a few rounds allow to claim.

The round is the unit: the thousands of messages in a round share its luck, and count as one. No
distribution is assumed: intervals come from the order of the samples alone.
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


class Estimate(msgspec.Struct, frozen=True):
    """A median and the interval that holds the true one with 95% confidence.

    `low` and `high` are None for fewer than `ROUNDS_FOR_A_CLAIM` samples.
    """

    median: float
    low: float | None
    high: float | None
    samples: list[float]


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


def _rank(n: int) -> int:
    """The largest k with 2 x P(at most k-1 heads in n throws) <= 5%; 0 if there is none."""
    tail = 0.0
    for k in range(n // 2 + 1):
        tail += math.comb(n, k) / 2**n
        if 2 * tail > 1 - CONFIDENCE:
            return k
    return n // 2
