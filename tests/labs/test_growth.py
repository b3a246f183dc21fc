"""The growth lab: the name of a growth, the size of a round, and what its screen says of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.audit import Audit
from chatlab.bench.statistics import FLAT_MAX, MISS_MAX, estimate, fit
from chatlab.labs.growth.measure import (
    MESSAGES_MIN,
    GrowthPoint,
    GrowthReport,
    ModeGrowth,
    round_size,
)
from chatlab.labs.growth.view import render
from tests.labs.support import printed, report_of

HISTORIES = (500.0, 1_500.0, 10_500.0, 100_500.0)
HISTORY = st.integers(0, 10**6)
NOISE = st.floats(-0.09, 0.09)
Points = list[tuple[float, float]]


def on(at_zero: float, slope: float) -> Points:
    """Points on a line, given by its cost at 0 and what one message adds."""
    return [(x, at_zero + slope * x) for x in HISTORIES]


def test_points_on_a_rising_line_are_linear_with_that_line() -> None:
    found = fit(on(700.0, 0.4))

    assert found.shape == "linear"
    assert found.at_zero == pytest.approx(700)
    assert found.per_1000 == pytest.approx(400)
    assert found.worst_miss == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("costs", "shape"),
    [
        ((200.0, 200.0, 200.0), "flat"),
        ((0.0, 0.0, 0.0), "flat"),
        ((1.0, (1 + FLAT_MAX) / 2, FLAT_MAX), "flat"),
        ((1.0, 1 + FLAT_MAX / 2, 0.01 + FLAT_MAX), "not clear"),
        ((1.0, (1.01 + FLAT_MAX) / 2, 0.01 + FLAT_MAX), "linear"),
    ],
)
def test_flat_ends_where_the_rule_says(costs: tuple[float, ...], shape: str) -> None:
    assert fit(list(zip((0.0, 50.0, 100.0), costs, strict=True))).shape == shape


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([], "it takes 3 histories"),
        ([(0.0, 1.0), (1.0, 1.0)], "it takes 3 histories"),
        ([(5.0, 1.0), (5.0, 1.1), (50.0, 1.0)], "it takes 3 histories"),
        ([(1_000.0, 1.0), (1_100.0, 1.0), (1_200.0, 1.0)], "less than 4 times the shortest"),
        ([(0.0, 0.0), (10.0, 5.0), (20.0, 10.0)], "some cost is 0"),
        ([(0.0, 100.0), (50.0, 80.0), (100.0, 60.0)], "does not rise with the history, yet is not"),
        ([(x, x**0.5) for x in HISTORIES], "no rising line comes closer than "),
        ([(x, x**2) for x in HISTORIES], "no rising line comes closer than "),
    ],
)
def test_points_that_allow_no_name_get_none_and_a_reason(points: Points, reason: str) -> None:
    found = fit(points)

    assert found.shape == "not clear"
    assert reason in found.reason
    if "closer" in reason:
        assert found.worst_miss > MISS_MAX
        assert f"{found.worst_miss:.0%}" in found.reason


@given(st.floats(1, 1e6), st.floats(0, 1e4), st.lists(NOISE, min_size=4, max_size=4))
def test_a_line_with_a_little_noise_is_never_unclear(at_zero, slope, noise) -> None:
    points = [(x, y * (1 + e)) for (x, y), e in zip(on(at_zero, slope), noise, strict=True)]

    assert fit(points).shape in {"flat", "linear"}


@given(st.permutations(on(700.0, 0.4)), st.floats(1e-3, 1e6))
def test_neither_the_order_of_the_points_nor_the_unit_of_the_cost_matters(points, unit) -> None:
    bent = [(x, y * (1.1 if x > 1e5 else 1)) for x, y in points]
    found = fit([(x, y * unit) for x, y in bent])

    assert found.shape == "linear"
    assert found.per_1000 / unit == pytest.approx(fit(sorted(bent)).per_1000)


@pytest.mark.parametrize(
    ("history", "pace", "size"),
    [
        (0, None, 1_000),  # nothing is known yet
        (10_000, (1_500, 3_000.0), 1_000),  # it ends in time
        (100_000, (10_500, 60.0), 15),  # 60 a second after 10,500 are 6.27 after 100,500; 2.5 s
        (1_000, (500, 100.0), 83),  # half of the round's messages count as history
        (0, (100_000, 100.0), 250),  # no pace is taken to rise where the history is shorter
    ],
)
def test_a_round_that_would_take_too_long_gets_fewer_messages(history, pace, size) -> None:
    assert round_size(1_000, history, pace) == size


@given(st.integers(MESSAGES_MIN, 10_000), HISTORY, HISTORY, st.floats(0, 1e5))
def test_a_round_is_never_too_small_nor_larger_than_wanted(wanted, history, before, per_s) -> None:
    assert MESSAGES_MIN <= round_size(wanted, history, (before, per_s)) <= wanted


def report(
    costs: dict[int, float], audit: Audit | None = None, invalid: list[str] | None = None
) -> GrowthReport:
    """A mode whose messages cost so many bytes, and as many milliseconds, after each history."""
    clean = Audit(sent=1, acked=1, saved=1, delivered=1)
    usual = {"messages": 10, "rounds": 1, "invalid": invalid or [], "audit": audit or clean}
    points = []
    for history, cost in costs.items():
        place = {"history": history, "history_mean": history + 5}
        found = {"delivered_per_s": estimate([1_000 / cost]), "ms_per_message": cost}
        points.append(GrowthPoint(**usual, **place, **found, bytes_per_message=cost))
    found = fit([(point.history_mean, point.bytes_per_message or 0) for point in points])
    modes = {"mine": ModeGrowth("written", points, found, found)}
    return report_of(GrowthReport, modes=modes)


RISING = {0: 10.0, 1_000: 210.0, 10_000: 2_010.0}


@pytest.mark.parametrize(
    ("costs", "says", "says_not"),
    [
        (RISING, "In bytes it is linear: each 1,000 messages of history add 200 B", "flat"),
        (RISING, "100 delivered per second became 0.498: 201 times slower.", "flat"),
        ({0: 10.0, 1_000: 10.0, 10_000: 10.0}, "In bytes it is flat", "slower"),
        ({0: 10.0, 1_000: 20.0}, "not clear: it takes 3 histories", "In bytes"),
    ],
)
def test_growth_names_what_it_can_and_says_why_it_cannot(costs, says, says_not) -> None:
    text = printed(render(report(costs))).replace(report(costs).rule, "")

    assert says in text
    assert says_not not in text


def test_growth_warns_of_what_its_figures_do_not_prove() -> None:
    doubtful = report({0: 10.0}, Audit(sent=1, lost=1), ["the sender was 99 ms late (p99)"])
    text = printed(render(doubtful))

    assert not doubtful.passed
    assert report({0: 10.0}).passed
    assert "NOT CLEAN" in text
    assert "! mine at 0 lost or damaged messages: its speed proves nothing." in text
    assert "! mine at 0: in one round the sender was 99 ms late (p99)" in text
