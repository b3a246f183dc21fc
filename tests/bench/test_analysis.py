"""What may be claimed from rounds: invalid ones carry no verdict, noisy ones are flagged only."""

from __future__ import annotations

from typing import Any

import pytest

from chatlab.bench import analysis, environment
from chatlab.bench.audit import Audit
from chatlab.bench.load_result import NEVER
from chatlab.bench.rounds import Round
from tests.support.reports import a_load
from tests.support.snapshots import a_snapshot

COUNT = 40


def a_round(per_s: float = 100.0, **changes: Any) -> Round:
    return Round(
        number=1,
        load=a_load([(n + 1) / per_s for n in range(COUNT)], **changes),
        audit=Audit(sent=COUNT, acked=COUNT, saved=COUNT, delivered=COUNT),
        after=a_snapshot(),
    )


def the_verdict(measured: dict[str, list[Round]], mode: str, control: str | None = None) -> str:
    [found] = [
        one.verdict
        for one in analysis.comparisons(measured, control)
        if one.mode == mode and one.metric == "throughput_per_s"
    ]
    return found


def rounds_at(*rates: float) -> list[Round]:
    return [a_round(rate) for rate in rates]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sent": COUNT - 3}, "3 planned messages were not sent"),
        ({"sent_s": [0.5] * COUNT}, "500 ms late"),
        ({"sender_cpu_s": 1.0}, "% of a core"),
    ],
)
def test_a_round_whose_plan_was_not_met_says_why(changes: dict[str, Any], reason: str) -> None:
    [found] = a_round(**changes).invalid
    assert reason in found


def test_a_round_is_valid_if_late_only_for_its_length() -> None:
    """A burst of many messages takes its time to leave: a share of a long round is allowed."""
    assert a_round().invalid == []
    assert a_round(per_s=1.0, sent_s=[1.0] * COUNT).invalid == []


def test_no_verdict_rests_on_an_invalid_round() -> None:
    spoiled = [*rounds_at(*[500.0] * 5), a_round(1.0, sent=COUNT - 1)]
    measured = {"a": rounds_at(*[100.0] * 6), "b": spoiled}
    assert the_verdict(measured, "b") == "unknown"  # five pairs are left, six are needed
    report = analysis.mode_report(spoiled)
    assert report.throughput_per_s.samples == pytest.approx([500.0] * 5)
    assert [bool(one.invalid) for one in report.rounds] == [False] * 5 + [True]


def test_a_round_far_from_the_others_is_flagged_and_still_counted() -> None:
    report = analysis.mode_report(rounds_at(100, 101, 99, 100, 102, 10))
    assert [one.noisy for one in report.rounds] == [False] * 5 + [True]
    assert len(report.throughput_per_s.samples) == 6


def test_a_clear_difference_is_claimed() -> None:
    measured = {"a": rounds_at(*[100.0] * 6), "b": rounds_at(*[200.0] * 6)}
    assert the_verdict(measured, "b") == "better"
    assert the_verdict({"b": measured["b"], "a": measured["a"]}, "a") == "worse"


def test_a_difference_no_larger_than_the_controls_is_noise() -> None:
    measured = {
        "a": rounds_at(*[100.0] * 6),
        "b": rounds_at(*[110.0] * 6),
        "a again": rounds_at(80, 90, 100, 110, 120, 125),
    }
    assert the_verdict(measured, "b") == "better"
    assert the_verdict(measured, "b", control="a again") == "same"


def test_rounds_are_paired_by_their_number() -> None:
    """A machine that slows down slows both of a pair: the ratio stays what it is."""
    slowing = [100.0, 80.0, 60.0, 40.0, 20.0, 10.0]
    measured = {"a": rounds_at(*slowing), "b": rounds_at(*(2 * rate for rate in slowing))}
    [ratio] = [
        one.ratio
        for one in analysis.comparisons(measured, None)
        if one.metric == "throughput_per_s"
    ]
    assert ratio == pytest.approx(2.0)


def test_a_baseline_that_delivered_nothing_has_no_ratio() -> None:
    nothing = [a_round(delivered_s=[NEVER] * COUNT) for _ in range(6)]
    measured = {"a": nothing, "b": rounds_at(*[100.0] * 6)}
    [found] = [
        one for one in analysis.comparisons(measured, None) if one.metric == "throughput_per_s"
    ]
    assert found.ratio is None
    assert found.verdict == "unknown"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"busy_percent": 80.0}, "machine busy before the start (%)"),
        ({"view_percent": 50.0}, "showing the progress (% of a core)"),
        ({"file_system": "tmpfs"}, "data folder on a disk (in memory, an fsync costs nothing)"),
    ],
)
def test_a_bad_circumstance_fails_its_own_check_alone(changes: dict[str, Any], check: str) -> None:
    values: dict[str, Any] = {"busy_percent": 0.0, "view_percent": 0.0, "file_system": "ext4"}
    checks = environment.trust([a_round()], **(values | changes))
    assert [one.check for one in checks if not one.ok] == [check]


def test_a_late_sender_fails_the_trust() -> None:
    late = a_round(sent_s=[0.5] * COUNT)
    checks = environment.trust([late], busy_percent=0, view_percent=0, file_system="ext4")
    failed = {one.check for one in checks if not one.ok}
    assert "rounds whose plan was not met" in failed
    assert "sender late, p99 of the worst round (ms)" in failed
