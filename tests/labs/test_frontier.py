"""The frontier, held against its definition; the recommendation, against its rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.labs.tune.frontier import frontier, recommended

CHOICES = st.lists(
    st.tuples(st.integers(0, 9).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=12
)


def test_what_is_worse_in_both_is_beaten() -> None:
    assert frontier([(10, 1), (9, 2), (20, 5), (20, 6), (15, 5)]) == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_equals_do_not_beat_each_other() -> None:
    assert frontier([(3, 3), (3, 3)]) == [True, True]


@given(CHOICES)
def test_the_most_and_the_cheapest_are_always_on_the_frontier(
    choices: list[tuple[float, float]],
) -> None:
    on = [choice for choice, is_on in zip(choices, frontier(choices), strict=True) if is_on]

    assert max(gain for gain, _ in on) == max(gain for gain, _ in choices)
    assert min(price for _, price in on) == min(price for _, price in choices)


@given(CHOICES)
def test_along_the_frontier_more_always_costs_more(choices: list[tuple[float, float]]) -> None:
    on = sorted({c for c, is_on in zip(choices, frontier(choices), strict=True) if is_on})

    prices = [price for _, price in on]
    assert prices == sorted(set(prices))


@given(CHOICES)
def test_whatever_is_off_the_frontier_is_beaten_by_something_on_it(
    choices: list[tuple[float, float]],
) -> None:
    marks = frontier(choices)
    on = [choice for choice, is_on in zip(choices, marks, strict=True) if is_on]

    for (gain, price), is_on in zip(choices, marks, strict=True):
        assert is_on or any(g >= gain and p <= price for g, p in on)


@pytest.mark.parametrize(
    ("choices", "sizes", "place"),
    [
        ([(100, 50), (80, 10), (79, 1)], [1, 1, 1], 1),  # 80% is enough, 79% is not
        ([(100, 10), (100, 11), (100, 11.1)], [100, 10, 1], 1),  # 10% apart is alike, 11% is not
        ([(100, 10), (100, 9)], [5, 5], 1),  # the same size: the cheaper
        ([(0, 5)], [1], 0),
        ([], [], None),
    ],
)
def test_the_recommendation_follows_its_rule(
    choices: list[tuple[float, float]], sizes: list[int], place: int | None
) -> None:
    assert recommended(choices, sizes) == place
