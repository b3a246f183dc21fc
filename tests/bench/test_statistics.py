"""Statistics: an interval holds what it promises, and a verdict claims no more than it holds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from statistics import median

import pytest

from chatlab.bench.statistics import CONFIDENCE, Estimate, estimate, outliers, verdict

# Conover, Practical Nonparametric Statistics: the interval of the median runs from the k-th
# smallest to the k-th largest of n samples.
RANKS = {
    6: 1,
    7: 1,
    8: 1,
    9: 2,
    10: 2,
    11: 2,
    12: 3,
    15: 4,
    17: 5,
    20: 6,
    25: 8,
    30: 10,
    50: 18,
    100: 40,
}

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


def between(low: float | None, high: float | None) -> Estimate:
    """An estimate of which only the interval matters."""
    return Estimate(1.0, low, high, [])


# Intervals.


@pytest.mark.parametrize(("n", "rank"), RANKS.items())
def test_the_interval_has_the_ranks_of_the_published_table(n: int, rank: int) -> None:
    found = estimate(range(1, n + 1))

    assert (found.low, found.high) == (rank, n + 1 - rank)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_fewer_than_six_samples_have_a_median_and_no_interval(n: int) -> None:
    found = estimate(range(n))

    assert found.median == (n - 1) / 2
    assert found.low is None
    assert found.high is None


def test_the_interval_of_six_runs_from_the_lowest_to_the_highest() -> None:
    found = estimate([30, 10, 60, 20, 50, 40])

    assert (found.low, found.median, found.high) == (10, 35, 60)


@pytest.mark.parametrize("n", range(6, 120))
def test_the_interval_is_the_narrowest_that_keeps_the_promise(n: int) -> None:
    low = estimate(range(1, n + 1)).low
    assert low is not None
    rank = int(low)

    def coverage(k: int) -> Fraction:
        return 1 - 2 * Fraction(sum(math.comb(n, heads) for heads in range(k)), 2**n)

    assert coverage(rank) >= Fraction(95, 100) > coverage(rank + 1)


@pytest.mark.parametrize("n", [6, 9, 17])
@pytest.mark.parametrize("source", SOURCES)
def test_the_interval_holds_the_true_median_in_95_of_100_cases(source: str, n: int) -> None:
    draw, truth = SOURCES[source]
    chance = random.Random(f"{source} {n}")
    held = 0
    for _ in range(SIMULATIONS):
        found = estimate([draw(chance) for _ in range(n)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high

    assert held / SIMULATIONS >= CONFIDENCE - SIMULATION_ERROR


def test_the_samples_stay_in_the_order_of_the_rounds() -> None:
    assert estimate([3.0, 1.0, 2.0]).samples == [3.0, 1.0, 2.0]


def test_one_odd_round_hardly_moves_the_median() -> None:
    assert estimate([10, 11, 12, 13, 14, 1_000_000]).median == median([10, 11, 12, 13, 14, 15])


# Verdicts.


@pytest.mark.parametrize(
    ("low", "high", "more", "less"),
    [
        (1.1, 1.5, "better", "worse"),
        (0.2, 0.9, "worse", "better"),
        (0.9, 1.1, "same", "same"),
        (1.0, 1.5, "same", "same"),
        (0.5, 1.0, "same", "same"),
        (None, None, "unknown", "unknown"),
    ],
)
def test_a_verdict_follows_from_the_interval_and_from_what_is_wanted(
    low: float | None, high: float | None, more: str, less: str
) -> None:
    assert verdict(between(low, high), more_is_better=True) == more
    assert verdict(between(low, high), more_is_better=False) == less


def ratios(chance: random.Random, rounds: int, factor: float) -> list[float]:
    """The ratios of two servers' rounds, the second `factor` times as fast as the first."""
    return [
        factor * chance.lognormvariate(0, 0.1) / chance.lognormvariate(0, 0.1)
        for _ in range(rounds)
    ]


def test_a_server_against_itself_is_the_same_in_19_of_20_comparisons() -> None:
    verdicts = [
        verdict(estimate(ratios(random.Random(seed), 6, 1.0)), more_is_better=True)
        for seed in range(1_000)
    ]

    assert verdicts.count("same") >= 950
    assert all(
        verdicts[start : start + 20].count("same") >= 15 for start in range(0, len(verdicts), 20)
    )


@pytest.mark.parametrize(("factor", "expected"), [(2.0, "better"), (0.5, "worse")])
def test_a_server_twice_as_fast_is_told_from_one_half_as_fast(factor: float, expected: str) -> None:
    for seed in range(100):
        found = estimate(ratios(random.Random(seed), 6, factor))
        assert verdict(found, more_is_better=True) == expected


def test_five_rounds_claim_nothing_however_large_the_difference() -> None:
    assert verdict(estimate([100.0] * 5), more_is_better=True) == "unknown"


# Noise.


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.04, "same"), (0.96, "same"), (1.2, "better"), (0.8, "worse")]
)
def test_a_difference_no_larger_than_noise_claims_nothing(ratio: float, expected: str) -> None:
    sure = Estimate(ratio, ratio - 0.01, ratio + 0.01, [])

    assert verdict(sure, more_is_better=True, noise=1.1) == expected


def test_an_odd_sample_is_pointed_out_and_the_others_are_not() -> None:
    assert outliers([100, 101, 99, 250, 102, 98]) == [False, False, False, True, False, False]


@pytest.mark.parametrize("samples", [[], [1.0, 1.0, 1.0, 900.0], [5.0] * 6])
def test_too_few_or_equal_samples_have_no_odd_one(samples: list[float]) -> None:
    assert outliers(samples) == [False] * len(samples)
