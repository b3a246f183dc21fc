"""What the generator and watching labs claim of the instruments, and only that."""

from __future__ import annotations

import pytest

from chatlab.bench.statistics import Estimate
from chatlab.labs.generator.measure import Generator, GeneratorReport
from chatlab.labs.watching.measure import Watching, WatchingReport
from tests.labs.support import printed, report_of


@pytest.mark.parametrize(("ratio", "says"), [(2.0, "2 x: it does."), (1.99, "2 x: NO.")])
def test_the_generator_must_be_twice_as_fast_as_the_fastest_mode(ratio: float, says: str) -> None:
    speeds = {"mode_per_s": [100.0], "sink_per_s": [100.0 * ratio], "tried_per_s": {}}
    found = speeds | {"mode": "journal", "sink_cpu_percent": [71.0], "ratio": ratio}
    report = report_of(GeneratorReport, **found)
    text = printed(Generator().render(report))

    assert report.passed == (ratio >= 2)
    assert says in text
    assert f"journal{'100':>33}" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict", "says"),
    [
        (0.96, 1.02, "within", "costs at most 5%"),
        (0.95, 1.0, "within", "costs at most 5%"),
        (0.80, 0.94, "above", "costs more than 5%"),
        (0.80, 1.10, "not clear", "is not clear"),
        (None, None, "not clear", "needs 6 rounds"),
    ],
)
def test_the_cost_of_watching_is_claimed_by_its_whole_interval(low, high, verdict, says) -> None:
    speeds = {"watched_per_s": [90.0], "unwatched_per_s": [100.0]}
    ratio = Estimate(0.9, low, high, [0.9])
    report = report_of(WatchingReport, complete=False, mode="naive", ratio=ratio, **speeds)
    text = printed(Watching().render(report))

    assert report.verdict == verdict
    assert report.passed == (verdict != "above")
    assert says in text
    assert text.startswith("PARTIAL (stopped early): Messages delivered per second by naive")


@pytest.mark.parametrize("lab", [Generator(), Watching()])
def test_a_lab_that_was_stopped_at_once_says_so(lab: Generator | Watching) -> None:
    assert "Nothing was measured" in printed(lab.render(lab.report()))
