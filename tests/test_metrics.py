"""Metrics: percentiles as defined, honest blanks, monitors that fail, bounds on everything."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatlab.chat.metrics import (
    NOTES_MAX,
    SAMPLE_AGE_MAX_S,
    SAMPLES_MAX,
    Metrics,
    Samples,
    percentile,
    percentiles,
)
from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.parts.monitor.totals import TotalsMonitor
from chatlab.chat.parts.monitor.window import WindowMonitor
from chatlab.chat.snapshot import Batches, Counts, Percentiles, Rates, ServerNote
from tests.support.parts import FakeClock, entry

FRACTIONS = ("0", "0.01", "0.25", "0.5", "0.9", "0.95", "0.99", "1")


# Percentiles.


def by_definition(samples: list[float], fraction: Fraction) -> float:
    """The smallest sample that at least this fraction of all are less than or equal to."""
    return min(
        one for one in samples if sum(other <= one for other in samples) >= fraction * len(samples)
    )


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=120), st.sampled_from(FRACTIONS))
@example([float(n) for n in range(1, 101)], "0.95")
def test_a_percentile_is_what_its_definition_says(samples: list[float], fraction: str) -> None:
    assert percentile(sorted(samples), float(fraction)) == by_definition(
        samples, Fraction(fraction)
    )


@pytest.mark.parametrize("fraction", ["0.5", "0.95", "0.99"])
def test_a_rank_is_exact_for_every_number_of_samples(fraction: str) -> None:
    for n in range(1, SAMPLES_MAX + 1):
        rank = -(-n * Fraction(fraction) // 1)
        assert percentile(range(1, n + 1), float(fraction)) == rank


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        *((0, ()), (19, ()), (20, (10,)), (199, (100,)), (200, (100, 190)), (999, (500, 950))),
        (1_000, (500, 950, 990)),
    ],
)
def test_a_percentile_is_blank_without_ten_samples_beyond_it(n: int, shown: Any) -> None:
    samples = [float(one) for one in range(n, 0, -1)]
    blank = [None] * (3 - len(shown))
    assert percentiles(samples) == Percentiles(*shown, *blank, n=n)
    assert samples == [float(one) for one in range(n, 0, -1)]


def test_samples_are_the_latest_of_the_last_ten_seconds() -> None:
    clock = FakeClock()
    samples = Samples(clock)
    for value in range(3 * SAMPLES_MAX):
        samples.add(value)
    found = samples.percentiles()
    assert found.n == SAMPLES_MAX
    assert found.p50 == 2.5 * SAMPLES_MAX - 1

    clock.advance(SAMPLE_AGE_MAX_S)
    assert samples.percentiles().n == SAMPLES_MAX
    clock.advance(0.001)
    assert samples.percentiles() == Percentiles(n=0)


# All together.


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(FakeClock())


def test_counts_each_step_of_a_message_and_each_refusal_by_its_code(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.accepted()
    metrics.acked([entry(1)])
    metrics.saved([entry(1), entry(2)])
    metrics.delivered([entry(1), entry(2)], frames=10)
    for code in ("bad_json", "overloaded", "bad_json"):
        metrics.refused(code)

    assert metrics.counts == Counts(accepted=3, acked=1, saved=2, delivered=2, frames=10, refused=3)
    assert metrics.refusals == {"bad_json": 2, "overloaded": 1}
    assert metrics.rates.accepted_per_s == 3
    assert metrics.rates.delivered_per_s == 2


def test_latencies_are_milliseconds_since_acceptance(metrics: Metrics) -> None:
    batch = [entry(n, metrics.clock()) for n in range(20)]
    for step in (metrics.acked, metrics.saved, partial(metrics.delivered, frames=20)):
        metrics.clock.advance(0.25)
        step(batch)
    shown = [each.percentiles().p50 for each in (metrics.ack_ms, metrics.save_ms)]
    assert [*shown, metrics.delivery_ms.percentiles().p50] == pytest.approx([250, 500, 750])


def test_batches_have_a_last_a_largest_and_a_mean(metrics: Metrics) -> None:
    assert metrics.batches == Batches()
    for size in (10, 100, 40):
        metrics.saved([entry(n) for n in range(size)])

    assert (metrics.batches.last, metrics.batches.largest) == (40, 100)
    assert metrics.batches.mean == pytest.approx(50)


def test_a_repeated_note_is_counted_and_moves_last(metrics: Metrics) -> None:
    metrics.note("disk full")
    metrics.note("slow client")
    metrics.clock.advance(5)
    metrics.note("disk full")
    assert metrics.notes == [ServerNote(0, "slow client", 1), ServerNote(5, "disk full", 2)]


def test_only_the_latest_notes_are_kept_and_snapshots_stay(metrics: Metrics) -> None:
    metrics.note("first")
    metrics.refused("bad_json")
    notes, refusals = metrics.notes, metrics.refusals
    metrics.refused("bad_json")
    for n in range(100):
        metrics.note(f"note {n}")

    latest = [f"note {n}" for n in range(100 - NOTES_MAX, 100)]
    assert [note.text for note in metrics.notes] == latest
    assert ([note.text for note in notes], refusals) == (["first"], {"bad_json": 1})


# A monitor of someone's own.


class Broken(Monitor):
    """Fails in everything."""

    def count(self, name: str, count: int) -> None:
        raise ZeroDivisionError(f"while counting {count} {name}")

    def per_s(self, name: str) -> float:
        raise KeyError(name)

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        raise IndexError(f"no {fraction} of {len(samples)}")


def test_a_monitor_that_fails_takes_nothing_with_it_and_is_told_of_once(metrics: Metrics) -> None:
    metrics.monitor = Broken(metrics.clock)
    for _ in range(100):
        metrics.accepted()
        metrics.saved([entry(n, metrics.clock()) for n in range(10)])

    assert metrics.counts == Counts(accepted=100, saved=1_000)
    assert metrics.rates == Rates(None, None, None, None)
    assert metrics.save_ms.percentiles() == Percentiles(n=1_000)
    assert [(note.text, note.times) for note in metrics.notes] == [
        ("the monitor's count failed: ZeroDivisionError: while counting 1 accepted", 1),
        ("the monitor's percentile failed: IndexError: no 0.5 of 1000", 1),
    ]


def test_rates_of_a_monitor_that_has_missed_events_are_not_shown(metrics: Metrics) -> None:
    class FailsOnce(WindowMonitor):
        failed = False

        def count(self, name: str, count: int) -> None:
            if not self.failed:
                self.failed = True
                raise RuntimeError
            super().count(name, count)

    metrics.monitor = FailsOnce(metrics.clock)
    metrics.accepted()
    metrics.accepted()

    assert metrics.rates.accepted_per_s is None
    assert len(metrics.notes) == 1


@pytest.mark.parametrize("answer", ["many", float("nan"), float("inf"), True, [1.0], 1j])
def test_what_is_no_number_is_not_shown(metrics: Metrics, answer: Any) -> None:
    monitor = metrics.monitor = TotalsMonitor(metrics.clock)
    monitor.per_s = monitor.percentile = lambda *_: answer  # type: ignore[method-assign]
    metrics.saved([entry(n, metrics.clock()) for n in range(20)])

    assert metrics.rates.saved_per_s is None
    assert metrics.save_ms.percentiles().p50 is None
    assert len(metrics.notes) == 2


def test_figures_are_those_of_the_monitor_and_none_of_too_few_samples(metrics: Metrics) -> None:
    asked = []

    class Asked(TotalsMonitor):
        def percentile(self, samples: Sequence[float], fraction: float) -> None:
            asked.append((fraction, len(samples)))

    metrics.monitor = Asked(metrics.clock)
    metrics.saved([entry(n, metrics.clock()) for n in range(19)])
    metrics.save_ms.percentiles()
    assert asked == []

    metrics.saved([entry(1, metrics.clock())])
    assert metrics.save_ms.percentiles() == Percentiles(n=20)
    assert asked == [(0.5, 20)]
    metrics.clock.advance(10)
    assert metrics.rates.saved_per_s == 2
