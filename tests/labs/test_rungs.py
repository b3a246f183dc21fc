"""What the upper rungs promise: when a promise is kept, and that the screen says so."""

from __future__ import annotations

from typing import Any

import pytest

from chatlab.bench.audit import Audit
from chatlab.bench.statistics import Estimate
from chatlab.labs.rungs.measure import Promise, Rungs, RungsReport
from chatlab.labs.rungs.view import render
from tests.labs.support import printed, report_of


def found(median: float, low: float | None, high: float | None) -> Estimate:
    return Estimate(median, low, high, [median])


@pytest.mark.parametrize(
    ("interval", "at_least", "at_most", "verdict"),
    [
        ((1.0, 1.2), 1.0, None, "met"),
        ((0.99, 1.2), 1.0, None, "not clear"),
        ((0.8, 0.99), 1.0, None, "missed"),
        ((0.8, 1.0), 1.0, None, "not clear"),
        ((0.8, 1.0), None, 1.0, "met"),
        ((0.8, 1.01), None, 1.0, "not clear"),
        ((1.01, 1.2), None, 1.0, "missed"),
        ((None, None), 1.0, None, "not clear"),
        ((None, None), None, 1.0, "not clear"),
    ],
)
def test_a_promise_is_judged_by_its_whole_interval(interval, at_least, at_most, verdict) -> None:
    assert Promise("a / b", "x", found(1.0, *interval), at_least, at_most).verdict == verdict


USUAL: dict[str, Any] = {
    "rounds": 6,
    "history": 1_000_000,
    "messages": 30_000,
    "per_s": {"journal": found(61_234, 60_000, 62_000)},
    "promises": [
        Promise("journal / echo", "x", found(1.23, 1.1, 1.3), at_least=1.0),
        Promise("journal / optimized", "x", found(4.1, 3.9, 4.4), at_least=5.0),
        Promise("start", "s", found(0.4, 0.3, 0.5), at_most=2.0),
    ],
    "audit": Audit(),
    "invalid": ["sqlite, round 3: the sender used 97% of a core"],
}


def a_report(**changes: Any) -> RungsReport:
    return report_of(RungsReport, **USUAL | changes)


def screen(**changes: Any) -> str:
    return printed(render(a_report(**changes)), 80)


def test_the_screen_says_what_was_found_and_what_was_promised() -> None:
    lines = screen().splitlines()

    assert "      met  journal / echo:" in lines
    assert "           1.23 x (95% interval 1.1 to 1.3), promised at least 1 x" in lines
    assert "   missed  journal / optimized:" in lines
    assert "           0.4 s (95% interval 0.3 to 0.5), promised at most 2 s" in lines
    assert "! not counted: sqlite, round 3: the sender used 97% of a core" in lines
    assert "61,234  60,000 to 62,000" in screen()
    assert max(map(len, lines)) <= 80


def test_a_missed_promise_and_an_audit_that_is_not_clean_are_told() -> None:
    assert not a_report().passed
    assert a_report(promises=[]).passed
    assert not a_report(promises=[], audit=Audit(lost=1)).passed
    assert "NOT CLEAN" in screen(audit=Audit(lost=1))


def test_a_run_that_was_stopped_is_marked() -> None:
    assert "PARTIAL" in screen(complete=False)
    lab = Rungs(rounds=1, history=10, messages=60)
    assert "Nothing was measured" in printed(render(lab.report()))


def test_a_shorter_history_than_promised_for_is_told() -> None:
    assert "this run had 10,000" in " ".join(screen(history=10_000).split())
    assert "this run had" not in screen()
