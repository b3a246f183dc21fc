"""Figures that the labs derive from a run, on runs made up for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.chat.modes import parse
from chatlab.labs.blocks import bar
from chatlab.labs.common import most_at_risk
from chatlab.labs.growth.round_size import MESSAGES_MIN, round_size
from chatlab.labs.pitfalls.measure import PITFALLS, is_clear
from chatlab.labs.pitfalls.runs import Figure
from chatlab.labs.tune.grid import pairs

MOMENTS = st.integers(0, 20).map(float) | st.just(NEVER)


def noted(times: list[tuple[float, float]]) -> LoadResult:
    """A run of which only acks and deliveries matter."""
    return LoadResult(
        plan=[],
        receivers=[],
        sent_s=[],
        acked_s=[acked for acked, _ in times],
        delivered_s=[delivered for _, delivered in times],
        receipts=[],
        received=[],
    )


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([(1.0, 2.0), (1.5, 3.0), (2.5, 3.0)], 2),
        ([(1.0, 2.0), (2.0, 3.0)], 1),  # the one is safe when the other comes
        ([(2.0, 1.0)], 0),  # delivered, then acked: never at risk
        ([(1.0, NEVER), (5.0, NEVER)], 2),
        ([(NEVER, 3.0), (NEVER, NEVER)], 0),
    ],
)
def test_at_risk_is_what_was_acked_and_not_yet_delivered(
    times: list[tuple[float, float]], most: int
) -> None:
    assert most_at_risk(noted(times)) == most


@given(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=30))
def test_at_risk_agrees_with_looking_at_every_moment(times: list[tuple[float, float]]) -> None:
    def at(moment: float) -> int:
        return sum(
            acked != NEVER and acked <= moment and (delivered == NEVER or delivered > moment)
            for acked, delivered in times
        )

    assert most_at_risk(noted(times)) == max(at(float(moment)) for moment in range(21))


def test_a_first_round_has_all_its_messages() -> None:
    assert round_size(1_000, 0, None) == 1_000


def test_a_round_that_ends_in_time_keeps_all_its_messages() -> None:
    assert round_size(1_000, 10_000, (1_500, 3_000.0)) == 1_000


def test_a_round_that_would_take_too_long_gets_fewer_messages() -> None:
    # 60 a second after 10,500 are 6.27 after 100,500; for 2.5 seconds.
    assert round_size(1_000, 100_000, (10_500, 60.0)) == 15


def test_no_pace_is_taken_to_rise_where_the_history_is_shorter() -> None:
    assert round_size(1_000, 0, (100_000, 100.0)) == 250


@given(
    wanted=st.integers(MESSAGES_MIN, 10_000),
    history=st.integers(0, 10**6),
    before=st.integers(0, 10**6),
    per_s=st.floats(0, 1e5),
)
def test_a_round_is_never_too_small_nor_larger_than_wanted(
    wanted: int, history: int, before: int, per_s: float
) -> None:
    assert MESSAGES_MIN <= round_size(wanted, history, (before, per_s)) <= wanted


def test_a_batch_of_one_is_measured_once() -> None:
    assert pairs([1, 10], [5.0, 50.0], one_is_full=True) == [(1, None), (10, 5.0), (10, 50.0)]
    assert len(pairs([1, 10], [5.0, 50.0], one_is_full=False)) == 4


@pytest.mark.parametrize(
    ("wrong", "cured", "clear"),
    [
        (200.0, 100.0, True),
        (199.0, 100.0, False),
        (5.0, 0.0, True),
        (0.0, 0.0, False),
        (None, 0.5, True),  # never, against at some time
        (0.5, None, False),
        (None, None, False),
    ],
)
def test_a_mistake_is_shown_only_when_it_is_clearly_worse(
    wrong: float | None, cured: float | None, clear: bool
) -> None:
    assert is_clear(Figure("time", wrong, "s"), Figure("time", cured, "s")) is clear


def test_a_latency_that_could_not_be_named_proves_nothing() -> None:
    assert not is_clear(Figure("p95", None, "ms"), Figure("p95", 5.0, "ms"))


@pytest.mark.parametrize("name", PITFALLS)
def test_a_mistake_and_its_cure_differ_in_one_thing(name: str) -> None:
    wrong, cured = PITFALLS[name].wrong, PITFALLS[name].cured
    parts = zip(parse(wrong.mode).parts.items(), parse(cured.mode).parts.items(), strict=True)
    options = zip(wrong.options, cured.options, strict=True)

    assert sum(a != b for a, b in parts) + sum(a != b for a, b in options) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(8.0, "████"), (4.0, "██"), (1.0, "▌"), (0.001, "▏"), (0.0, ""), (99.0, "████")],
)
def test_a_bar_is_as_long_as_its_value(value: float, text: str) -> None:
    assert bar(value, 8.0, 4) == text
