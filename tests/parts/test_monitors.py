"""Monitors: what every one of them keeps to, and what the window shows that totals cannot."""

from __future__ import annotations

import gc
import sys
from types import FunctionType, ModuleType

import pytest

from chatlab.chat.parts.message_seams import Monitor
from chatlab.chat.parts.monitor.totals import TotalsMonitor
from chatlab.chat.parts.monitor.window import RateWindow, WindowMonitor
from tests.support.parts import FakeClock, every

EVERY = pytest.mark.parametrize("part", every("monitor"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def monitor(part: type[Monitor], clock: FakeClock) -> Monitor:
    return part(clock)


def bytes_kept(monitor: Monitor) -> int:
    """The memory of everything that a monitor holds on to."""
    found: dict[int, object] = {}
    rest: list[object] = [monitor]
    while rest:
        one = rest.pop()
        if id(one) not in found and not isinstance(one, ModuleType | FunctionType | type):
            found[id(one)] = one
            rest += gc.get_referents(one)
    return sum(map(sys.getsizeof, found.values()))


# What every monitor keeps to.


@EVERY
def test_a_steady_rate_from_the_start_is_shown(monitor: Monitor, clock: FakeClock) -> None:
    assert monitor.per_s("saved") == 0
    for _ in range(500):
        clock.advance(0.01)
        monitor.count("saved", 2)

    assert monitor.per_s("saved") == pytest.approx(200, rel=0.02)


@EVERY
def test_each_kind_of_event_counts_by_itself(monitor: Monitor, clock: FakeClock) -> None:
    clock.advance(1)
    monitor.count("saved", 30)
    monitor.count("acked", 11)
    monitor.count("acked", -1)

    assert monitor.per_s("saved") == 3 * monitor.per_s("acked") > 0
    assert monitor.per_s("delivered") == 0


@EVERY
def test_to_ask_changes_nothing(part: type[Monitor], clock: FakeClock) -> None:
    asked, left_alone = part(clock), part(clock)
    for _ in range(300):
        clock.advance(0.01)
        for monitor in (asked, left_alone):
            monitor.count("saved", 1)
        asked.per_s("saved")

    assert asked.per_s("saved") == left_alone.per_s("saved")


@EVERY
@pytest.mark.parametrize("samples", [(3.0,), [5.0, 1.0, 4.0]])
def test_a_percentile_is_a_sample_or_none_and_leaves_the_samples_alone(monitor, samples) -> None:
    before = list(samples)
    for fraction in (0.0, 0.5, 0.95, 1.0):
        found = monitor.percentile(samples, fraction)
        assert found is None or found in before

    assert list(samples) == before


@EVERY
def test_a_week_takes_no_more_memory_than_a_minute(monitor: Monitor, clock: FakeClock) -> None:
    for _ in range(6_000):
        clock.advance(0.01)
        monitor.count("saved", 50)
    after_a_minute = bytes_kept(monitor)
    for _ in range(7 * 24 * 60):
        clock.advance(60)
        monitor.count("saved", 50)

    assert bytes_kept(monitor) <= after_a_minute + 200


# What only the better one can.


def test_totals_have_no_percentiles_and_do_not_see_that_something_has_begun(clock) -> None:
    totals, window = TotalsMonitor(clock), WindowMonitor(clock)
    clock.advance(99)
    for _ in range(100):
        clock.advance(0.01)
        totals.count("saved", 10)
        window.count("saved", 10)

    assert totals.per_s("saved") == pytest.approx(10)
    assert window.per_s("saved") == pytest.approx(1_000, rel=0.02)
    assert (totals.percentile([9, 1, 5], 0.5), window.percentile([9, 1, 5], 0.5)) == (None, 5)


# The sliding window.


def test_a_rate_counts_the_events_of_the_last_second_only(clock: FakeClock) -> None:
    rate = RateWindow(clock)
    for _ in range(10):
        rate.add(3)
        clock.advance(0.05)
    for pause_s, shown in [(0, 30), (0.35, 30), (0.75, 0), (3600, 0)]:
        clock.advance(pause_s)
        assert rate.per_s() == shown


def test_a_steady_rate_is_shown_as_it_is_at_every_moment(clock: FakeClock) -> None:
    rate = RateWindow(clock)
    shown = []
    for millisecond in range(5_000):
        clock.advance(0.001)
        rate.add(1)
        if millisecond > 2_000:
            shown.append(rate.per_s())

    assert min(shown) >= 950
    assert max(shown) <= 1_050
