"""Statistics: an interval holds what it promises, and a verdict claims no more than it holds.

Intervals and percentiles agree with SciPy's and NumPy's, which know nothing of ours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chatlab.bench.statistics import (
    CONFIDENCE,
    ROUNDS_FOR_A_CLAIM,
    Estimate,
    estimate,
    outliers,
    verdict,
)
from chatlab.chat.metrics import percentile

# Conover, Practical Nonparametric Statistics: the interval of the median runs from the k-th
# smallest to the k-th largest of n samples.
PUBLISHED_RANKS = {6: 1, 8: 1, 9: 2, 12: 3, 15: 4, 17: 5, 20: 6, 25: 8, 30: 10, 50: 18, 100: 40}

Draw = Callable[[random.Random], float]
SOURCES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda chance: chance.gauss(100, 15), 100.0),
    "skewed": (lambda chance: chance.lognormvariate(2, 1), math.exp(2)),
    "exponential": (lambda chance: chance.expovariate(1), math.log(2)),
    "no mean": (lambda chance: math.tan(math.pi * (chance.random() - 0.5)), 0.0),
    "many ties": (lambda chance: float(chance.randint(1, 5)), 3.0),
}
"""How a sample is drawn, and the median of all that could be."""

SIMULATIONS = 2_000
SIMULATION_ERROR = 3 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / SIMULATIONS)
SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60, unique=True)


@given(SAMPLES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_percentile_is_numpys_inverted_cdf(samples: list[float], fraction: float) -> None:
    theirs = np.quantile(samples, fraction, method="inverted_cdf")
    assert percentile(sorted(samples), fraction) == theirs


def test_the_interval_of_the_median_is_as_wide_as_the_binomial_asks_for() -> None:
    """From the k-th to the k-th last: k - 1 is the largest count whose two tails stay within 5%."""
    for n in range(1, 120):
        found = estimate(range(1, n + 1))
        k = int(stats.binom.ppf(0.025, n, 0.5))
        while k > 0 and 2 * stats.binom.cdf(k - 1, n, 0.5) > 0.05:
            k -= 1
        assert (found.low, found.high) == ((k, n + 1 - k) if k else (None, None))
        assert k == PUBLISHED_RANKS.get(n, k)
        assert bool(k) == (n >= ROUNDS_FOR_A_CLAIM)
        assert found.median == (n + 1) / 2


def test_the_interval_of_six_is_all_of_them_and_an_odd_one_hardly_moves_the_median() -> None:
    found = estimate([30, 10, 60, 20, 50, 40])
    assert (found.low, found.median, found.high) == (10, 35, 60)
    assert found.samples == [30, 10, 60, 20, 50, 40]  # in the order of the rounds
    assert estimate([30, 10, 1_000_000, 20, 50, 40]).median == 35


@pytest.mark.parametrize("n", [6, 9, 17])
@pytest.mark.parametrize("source", SOURCES)
def test_the_interval_holds_the_true_median_in_95_of_100_cases(source: str, n: int) -> None:
    draw, truth = SOURCES[source]
    chance = random.Random(f"{source} {n}")
    held = 0
    for _ in range(SIMULATIONS):
        found = estimate([draw(chance) for _ in range(n)])
        held += found.low <= truth <= found.high
    assert held / SIMULATIONS >= CONFIDENCE - SIMULATION_ERROR


@pytest.mark.parametrize(
    ("low", "high", "noise", "more", "less"),
    [
        (1.1, 1.5, 1.0, "better", "worse"),
        (0.2, 0.9, 1.0, "worse", "better"),
        (0.9, 1.1, 1.0, "same", "same"),
        (1.0, 1.5, 1.0, "same", "same"),
        (0.5, 1.0, 1.0, "same", "same"),
        (None, None, 1.0, "unknown", "unknown"),
        # No larger than the noise, or larger.
        (1.03, 1.05, 1.1, "same", "same"),
        (0.95, 0.97, 1.1, "same", "same"),
        (1.19, 1.21, 1.1, "better", "worse"),
        (0.79, 0.81, 1.1, "worse", "better"),
    ],
)
def test_a_verdict_follows_from_the_interval_the_noise_and_what_is_wanted(
    low: float | None, high: float | None, noise: float, more: str, less: str
) -> None:
    found = Estimate(1.0 if low is None or high is None else (low + high) / 2, low, high, [])
    assert verdict(found, more_is_better=True, noise=noise) == more
    assert verdict(found, more_is_better=False, noise=noise) == less


def verdicts(seeds: int, factor: float) -> list[str]:
    """Of comparisons of two servers, the second `factor` times as fast as the first."""
    found = []
    for seed in range(seeds):
        chance = random.Random(seed)
        pairs = [(chance.lognormvariate(0, 0.1), chance.lognormvariate(0, 0.1)) for _ in range(6)]
        ratios = estimate([factor * ours / theirs for ours, theirs in pairs])
        found.append(verdict(ratios, more_is_better=True))
    return found


def test_a_server_is_the_same_as_itself_in_19_of_20_comparisons_but_not_as_a_faster_one() -> None:
    found = verdicts(1_000, 1.0)
    assert found.count("same") >= 950
    assert all(found[start : start + 20].count("same") >= 15 for start in range(0, 1_000, 20))
    assert set(verdicts(100, 2.0)) == {"better"}
    assert set(verdicts(100, 0.5)) == {"worse"}


@pytest.mark.parametrize(
    ("samples", "odd"),
    [
        ([100, 101, 99, 250, 102, 98], [3]),
        ([], []),
        ([1.0, 1.0, 1.0, 900.0], []),  # too few
        ([5.0] * 6, []),
    ],
)
def test_an_odd_sample_is_pointed_out_and_the_others_are_not(samples, odd) -> None:
    assert [n for n, is_odd in enumerate(outliers(samples)) if is_odd] == odd
    assert len(outliers(samples)) == len(samples)
