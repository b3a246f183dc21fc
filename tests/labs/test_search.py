"""The search for a limit, on servers made up for it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.labs.capacity.search import PRECISION, PROBES_MAX, SUCCESSES, Search


def carry_out(search: Search, keeps_up: Callable[[float], bool]) -> list[tuple[float, bool]]:
    """Probe until the search ends."""
    probes = []
    while (rate := search.next_rate()) is not None:
        probes.append((rate, keeps_up(rate)))
        search.record(rate, success=probes[-1][1])
    return probes


def test_it_doubles_then_closes_in_then_makes_sure() -> None:
    search = Search(100)
    rates = [rate for rate, _ in carry_out(search, lambda rate: rate <= 550)]

    assert rates == [100, 200, 400, 800, 570, 480, 520, 520, 520]
    assert (search.answer, search.ceiling) == (520, 570)


@given(limit=st.floats(1.5, 90_000), start=st.floats(1, 100_000))
def test_it_finds_any_limit_to_its_precision(limit: float, start: float) -> None:
    search = Search(start)
    probes = carry_out(search, lambda rate: rate <= limit)

    assert search.answer is not None
    assert search.ceiling is not None
    assert search.answer <= limit < search.ceiling
    # Rates have two digits, of which the first can be a 1: a step of a tenth.
    assert search.ceiling <= search.answer * (PRECISION + 0.1)
    assert len(probes) < PROBES_MAX


@given(st.integers(), st.floats(0, 1))
def test_with_a_server_of_changing_mood_it_ends_and_claims_only_what_it_saw(
    seed: int, chance_of_success: float
) -> None:
    chance = random.Random(seed)
    search = Search(100)
    probes = carry_out(search, lambda _rate: chance.random() < chance_of_success)

    assert len(probes) <= PROBES_MAX
    if search.answer is not None:
        outcomes = [kept for rate, kept in probes if rate == search.answer]
        assert outcomes == [True] * SUCCESSES
        assert not [rate for rate, kept in probes if not kept and rate <= search.answer]


def test_an_answer_that_fails_when_confirmed_becomes_the_ceiling() -> None:
    search = Search(100)
    for rate, success in [(100, True), (200, False), (140, True), (170, False), (150, False)]:
        assert search.next_rate() == rate
        search.record(rate, success=success)
    assert search.next_rate() == 140  # the edge is found: once more, to make sure
    search.record(140, success=False)

    assert search.ceiling == 140
    assert search.next_rate() == 120


def test_a_server_that_keeps_up_with_nothing_has_no_answer() -> None:
    search = Search(100, lowest=10)
    probes = carry_out(search, lambda _rate: False)

    assert [rate for rate, _ in probes] == [100, 50, 25, 12, 10]
    assert search.answer is None


def test_a_server_that_keeps_up_with_everything_has_no_ceiling() -> None:
    search = Search(100, highest=1_000)
    carry_out(search, lambda _rate: True)

    assert (search.answer, search.ceiling) == (1_000, None)


@pytest.mark.parametrize(("start", "first"), [(0.5, 1.0), (1e9, 100_000.0)])
def test_the_start_lies_within_the_bounds(start: float, first: float) -> None:
    assert Search(start).next_rate() == first
