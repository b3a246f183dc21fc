"""The statistics agree with SciPy's and NumPy's, which know nothing of ours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chatlab.bench.statistics import estimate
from chatlab.chat.metrics import percentile

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60, unique=True)


@given(SAMPLES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_percentile_is_numpys_inverted_cdf(samples: list[float], fraction: float) -> None:
    theirs = np.quantile(samples, fraction, method="inverted_cdf")
    assert percentile(sorted(samples), fraction) == theirs


@pytest.mark.parametrize("n", range(1, 80))
def test_the_interval_of_the_median_is_as_wide_as_the_binomial_asks_for(n: int) -> None:
    """From the k-th to the k-th last: k - 1 is the largest count whose two tails stay within 5%."""
    found = estimate([float(value) for value in range(1, n + 1)])
    k = int(stats.binom.ppf(0.025, n, 0.5))
    while k > 0 and 2 * stats.binom.cdf(k - 1, n, 0.5) > 0.05:
        k -= 1
    assert (found.low, found.high) == ((float(k), float(n + 1 - k)) if k else (None, None))


@pytest.mark.parametrize(
    ("name", "draw", "median"),
    [
        ("normal", stats.norm(10, 2), 10.0),
        ("exponential", stats.expon(scale=3), 3 * math.log(2)),
        ("lognormal", stats.lognorm(1.0), 1.0),
        ("uniform", stats.uniform(0, 2), 1.0),
    ],
)
@pytest.mark.parametrize("n", [6, 10, 25])
def test_the_interval_holds_the_true_median_in_95_of_100_cases(
    name: str,  # noqa: ARG001 (names the case)
    draw: stats.rv_continuous,
    median: float,
    n: int,
) -> None:
    rows = draw.rvs(size=(2_000, n), random_state=np.random.default_rng(7))
    held = 0
    for row in rows:
        found = estimate(list(row))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= median <= found.high
    # Two thousand trials of a 95% interval fall below 94% once in about fifty thousand times.
    assert held / len(rows) >= 0.94
