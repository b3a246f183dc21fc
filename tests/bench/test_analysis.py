"""What may be claimed from rounds: invalid ones carry no verdict, noisy ones are flagged only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chatlab.bench import analysis, invalid_rounds
from chatlab.bench.audit import Audit
from chatlab.bench.duration import guessed_round_s, left_s
from chatlab.bench.load_result import NEVER
from chatlab.bench.report import Comparison
from chatlab.bench.rounds import Round
from chatlab.bench.scenario import Scenario
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


def throughput(
    measured: dict[str, list[Round]], mode: str, control: str | None = None
) -> Comparison:
    wanted = (mode, "throughput_per_s")
    found = analysis.comparisons(measured, control)
    return next(one for one in found if (one.mode, one.metric) == wanted)


def rounds_at(*rates: float) -> list[Round]:
    return [a_round(rate) for rate in (rates if len(rates) > 1 else 6 * rates)]


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"sent": COUNT - 3}, ["3 planned messages were not sent"]),
        ({"sent_s": [0.5] * COUNT}, ["500 ms late"]),
        ({"sender_cpu_s": 1.0}, ["% of a core"]),
        ({}, []),
        # A burst of many messages takes its time to leave: a share of a long round is allowed.
        ({"per_s": 1.0, "sent_s": [1.0] * COUNT}, []),
    ],
)
def test_a_round_whose_plan_was_not_met_says_why(changes, reasons) -> None:
    found = a_round(**changes).invalid
    assert all(reason in each for each, reason in zip(found, reasons, strict=True))


def test_no_verdict_rests_on_an_invalid_round() -> None:
    spoiled = [*rounds_at(*[500.0] * 5), a_round(1.0, sent=COUNT - 1)]
    measured = {"a": rounds_at(100), "b": spoiled}
    assert throughput(measured, "b").verdict == "unknown"  # five pairs are left, six are needed
    report = analysis.mode_report(spoiled)
    assert report.throughput_per_s.samples == pytest.approx([500.0] * 5)
    assert [bool(one.invalid) for one in report.rounds] == [False] * 5 + [True]


@pytest.mark.parametrize("guilty", "ab")
def test_nothing_is_better_where_an_audit_is_not_clean(guilty: str) -> None:
    measured = {"a": rounds_at(100), "b": rounds_at(500)}
    assert throughput(measured, "b").verdict == "better"
    one = measured[guilty][3]
    measured[guilty][3] = replace(one, audit=Audit(lost=1))
    found = analysis.comparisons(measured, None)
    assert {(each.verdict, each.ratio, each.low) for each in found} == {("unknown", None, None)}


def test_a_round_far_from_the_others_is_flagged_and_still_counted() -> None:
    report = analysis.mode_report(rounds_at(100, 101, 99, 100, 102, 10))
    assert [one.noisy for one in report.rounds] == [False] * 5 + [True]
    assert len(report.throughput_per_s.samples) == 6


SLOWING = [100.0, 80.0, 60.0, 40.0, 20.0, 10.0]


@pytest.mark.parametrize(
    ("baseline", "other", "ratio", "verdict"),
    [
        (rounds_at(100), rounds_at(200), 2.0, "better"),
        (rounds_at(200), rounds_at(100), 0.5, "worse"),
        # Paired by number: a machine that slows down slows both of a pair.
        (rounds_at(*SLOWING), rounds_at(*(2 * rate for rate in SLOWING)), 2.0, "better"),
        ([a_round(delivered_s=[NEVER] * COUNT)] * 6, rounds_at(100), None, "unknown"),
    ],
)
def test_a_clear_difference_is_claimed(baseline, other, ratio, verdict) -> None:
    found = throughput({"a": baseline, "b": other}, "b")
    assert found.ratio == pytest.approx(ratio)
    assert found.verdict == verdict


def test_a_difference_no_larger_than_the_controls_is_noise() -> None:
    again = rounds_at(80, 90, 100, 110, 120, 125)
    measured = {"a": rounds_at(100), "b": rounds_at(110), "a again": again}
    assert throughput(measured, "b").verdict == "better"
    assert throughput(measured, "b", control="a again").verdict == "same"


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"busy_percent": 80.0}, ["machine busy before the start (%)"]),
        ({"view_percent": 50.0}, ["showing the progress (% of a core)"]),
        ({"file_system": "tmpfs"}, ["data folder on a disk (in memory, an fsync costs nothing)"]),
        (
            {"rounds": [a_round(sent_s=[0.5] * COUNT)]},
            ["sender late, p99 of the worst round (ms)", "rounds whose plan was not met"],
        ),
    ],
)
def test_a_bad_circumstance_fails_its_own_checks_alone(changes, failed) -> None:
    good: dict[str, Any] = {"busy_percent": 0.0, "view_percent": 0.0, "file_system": "ext4"}
    checks = invalid_rounds.trust(**({"rounds": [a_round()]} | good | changes))
    assert [one.check for one in checks if not one.ok] == failed


@pytest.mark.parametrize(("late_ms_of_short", "failed"), [(10, []), (50, ["50 of 20"])])
def test_a_sender_may_be_later_in_a_longer_round(late_ms_of_short: int, failed: list[str]) -> None:
    long = a_round(20, sent_s=[0.08] * COUNT)  # of 2 s: 100 ms are allowed
    short = a_round(200, sent_s=[late_ms_of_short / 1000] * COUNT)
    checks = invalid_rounds.trust([long, short], busy_percent=0, view_percent=0, file_system="ext4")
    late = checks[0]
    assert [f"{late.value:g} of {late.limit:g}"] * (not late.ok) == failed


def test_what_is_left_is_known_once_each_mode_has_done_a_round() -> None:
    order = ["naive", "optimized", "optimized", "naive", "naive", "optimized"]
    assert left_s(order, {"naive": [2.0], "optimized": []}) is None
    assert left_s(order, {"naive": [2.0], "optimized": [1.0, 3.0]}) == 2 + 2 + 2
    assert left_s(order, {"naive": [2.0, 4.0, 3.0], "optimized": [1.0, 3.0, 2.0]}) == 0


def test_a_guess_knows_the_plan_and_what_rewriting_a_long_history_costs() -> None:
    burst = Scenario(name="burst", words="", messages=1_000)
    long = Scenario(name="long", words="", messages=1_000, history=20_000)
    steady = Scenario(name="steady", words="", messages=1_000, rate_per_s=100.0)
    naive, journal = (
        [guessed_round_s(m, load) for load in (burst, long)] for m in ("naive", "journal")
    )
    assert naive[1] > 5 * naive[0]
    assert journal[1] == journal[0] < naive[0]
    assert 10 < guessed_round_s("journal", steady) < 12
