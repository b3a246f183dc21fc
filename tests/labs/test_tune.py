"""The tuning lab: the frontier, held against its definition; the recommendation, against its rule;
and a screen that says only what the figures bear."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatlab.bench.audit import Audit
from chatlab.chat.snapshot import Percentiles
from chatlab.labs.tune.measure import Cell, TuneReport, frontier, judged, pairs, recommended
from chatlab.labs.tune.view import render
from tests.labs.support import printed, report_of

CLEAN = Audit(sent=1, acked=1, saved=1, delivered=1)
Choices = list[tuple[float, float]]
CHOICES = st.lists(
    st.tuples(st.integers(0, 9).map(float), st.integers(1, 9).map(float)), min_size=1, max_size=12
)


def test_a_batch_of_one_is_measured_once() -> None:
    assert pairs([1, 10], [5.0, 50.0], one_is_full=True) == [(1, None), (10, 5.0), (10, 50.0)]
    assert len(pairs([1, 10], [5.0, 50.0], one_is_full=False)) == 4


@example([(10, 1), (9, 2), (20, 5), (20, 6), (15, 5), (10, 1)])
@given(CHOICES)
def test_on_the_frontier_is_what_no_other_beats_and_no_equal_does(choices: Choices) -> None:
    def beats(other: tuple[float, float], gain: float, price: float) -> bool:
        return other[0] >= gain and other[1] <= price and other != (gain, price)

    beaten = [any(beats(other, *choice) for other in choices) for choice in choices]
    assert frontier(choices) == [not one for one in beaten]


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
def test_the_recommendation_follows_its_rule(choices, sizes, place) -> None:
    assert recommended(choices, sizes) == place


def cell(batch: int, interval_ms: float, per_s: float, p95: float, *, audit: Audit = CLEAN) -> Cell:
    return Cell(
        batch_size=batch,
        flush_interval_ms=interval_ms,
        delivered_per_s=per_s,
        delivery_ms=Percentiles(p95 / 2, p95, None, 200),
        at_risk=round(p95),
        rss_peak_bytes=10**7,
        audit=audit,
    )


def tuned(*cells: Cell, complete: bool = True) -> str:
    marked, best = judged(cells)
    load = {"burst_messages": 100, "steady_per_s": 10, "steady_messages": 200}
    found = {"mode": "optimized", "complete": complete, "cells": marked, "recommended": best}
    report = report_of(TuneReport, **load, **found)
    assert report.passed == all(one.audit.clean for one in cells)
    return printed(render(report))


def test_tune_cites_the_rows_that_show_too_small_too_large_and_too_long() -> None:
    usual = cell(100, 10, 1_000, 10)
    text = tuned(cell(1, 10, 100, 12), usual, cell(100, 900, 1_000, 80), cell(9_000, 900, 900, 800))

    assert "Recommended: batch 100, 10 ms" in text
    assert "Too small: batch 1, 10 ms delivers 100 per second, batch 100, 10 ms 1,000." in text
    assert "Too large: with the same interval, batch 9,000, 900 ms has a p95 of 800 ms" in text
    assert "Too long: with the same batch size, batch 100, 900 ms has a p95 of 80.0 ms" in text


def test_tune_claims_no_harm_that_it_did_not_see() -> None:
    text = tuned(cell(10, 10, 1_000, 10), cell(10, 50, 1_000, 11), cell(100, 10, 1_000, 11))

    assert all(f"{what} did not hurt" in text for what in ("Too small", "Too large", "Too long"))


def test_tune_recommends_nothing_that_lost_messages() -> None:
    text = tuned(cell(100, 10, 9_000, 1, audit=Audit(lost=1)), cell(10, 10, 100, 10))

    assert "Recommended: batch 10, 10 ms" in text
    assert "! batch 100, 10 ms lost or damaged messages" in text


def test_tune_shows_a_p99_only_where_there_is_one() -> None:
    one = cell(10, 10, 100, 10)
    sharper = msgspec.structs.replace(one, delivery_ms=Percentiles(5, 10, 4_321, 1_000))

    assert "p99" not in tuned(one).splitlines()[1]
    assert "4.32 s" in tuned(sharper)


def test_a_partial_result_says_so() -> None:
    assert tuned(cell(1, 1, 1, 1), complete=False).startswith("PARTIAL (stopped early)")
