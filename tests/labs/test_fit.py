"""The name of a growth: exact on exact points, silent on points that allow none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.labs.growth.fit import FLAT_MAX, MISS_MAX, fit

HISTORIES = (500.0, 1_500.0, 10_500.0, 100_500.0)


def on(line: tuple[float, float]) -> list[tuple[float, float]]:
    """Points on a line, given by its cost at 0 and what one message adds."""
    at_zero, slope = line
    return [(x, at_zero + slope * x) for x in HISTORIES]


def test_points_on_a_rising_line_are_linear_with_that_line() -> None:
    found = fit(on((700.0, 0.4)))

    assert found.shape == "linear"
    assert found.at_zero == pytest.approx(700)
    assert found.per_1000 == pytest.approx(400)
    assert found.worst_miss == pytest.approx(0, abs=1e-9)


def test_a_cost_that_stays_is_flat() -> None:
    assert fit([(x, 200.0) for x in HISTORIES]).shape == "flat"


@pytest.mark.parametrize(("ratio", "shape"), [(FLAT_MAX, "flat"), (FLAT_MAX + 0.01, "linear")])
def test_flat_ends_where_the_rule_says(ratio: float, shape: str) -> None:
    costs = (1.0, (1 + ratio) / 2, ratio)
    assert fit(list(zip((0.0, 50.0, 100.0), costs, strict=True))).shape == shape


def test_a_cost_that_falls_has_no_name() -> None:
    found = fit([(0.0, 100.0), (50.0, 80.0), (100.0, 60.0)])

    assert (found.shape, found.reason) == (
        "not clear",
        "it does not rise with the history, yet is not flat",
    )


def test_a_square_root_is_not_taken_for_a_line() -> None:
    found = fit([(x, x**0.5) for x in HISTORIES])

    assert found.shape == "not clear"
    assert found.worst_miss > MISS_MAX
    assert f"{found.worst_miss:.0%}" in found.reason


def test_a_square_is_not_taken_for_a_line() -> None:
    assert fit([(x, x**2) for x in HISTORIES]).shape == "not clear"


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0.0, 1.0), (1.0, 1.0)],
        [(5.0, 1.0), (5.0, 1.1), (50.0, 1.0)],
        [(1_000.0, 1.0), (1_100.0, 1.0), (1_200.0, 1.0)],
        [(0.0, 0.0), (10.0, 5.0), (20.0, 10.0)],
    ],
    ids=["none", "two", "two histories", "alike", "a zero"],
)
def test_points_that_allow_no_name_get_none_and_a_reason(
    points: list[tuple[float, float]],
) -> None:
    found = fit(points)

    assert found.shape == "not clear"
    assert found.reason


def test_no_cost_at_all_is_flat() -> None:
    assert fit([(x, 0.0) for x in HISTORIES]).shape == "flat"


@given(
    at_zero=st.floats(1, 1e6),
    slope=st.floats(0, 1e4),
    noise=st.lists(st.floats(-0.09, 0.09), min_size=4, max_size=4),
)
def test_a_line_with_a_little_noise_is_never_unclear(
    at_zero: float, slope: float, noise: list[float]
) -> None:
    points = [(x, y * (1 + e)) for (x, y), e in zip(on((at_zero, slope)), noise, strict=True)]

    assert fit(points).shape in {"flat", "linear"}


@given(st.permutations(on((700.0, 0.4))))
def test_the_order_of_the_points_does_not_matter(points: list[tuple[float, float]]) -> None:
    assert fit(points).per_1000 == pytest.approx(400)


@given(st.floats(1e-3, 1e6))
def test_the_unit_of_the_cost_does_not_matter(unit: float) -> None:
    points = [(x, y * unit * (1.1 if x > 1e5 else 1)) for x, y in on((700.0, 0.4))]
    here = fit(points)

    assert here.shape == "linear"
    assert here.per_1000 / unit == pytest.approx(fit([(x, y / unit) for x, y in points]).per_1000)
