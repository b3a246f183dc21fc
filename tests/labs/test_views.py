"""What the labs say about results made up for it: each sentence only where the figures bear it."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console, RenderableType

from chatlab.bench.audit import Audit
from chatlab.bench.statistics import estimate
from chatlab.chat.snapshot import Percentiles
from chatlab.labs.growth import view as growth
from chatlab.labs.growth.fit import fit
from chatlab.labs.growth.measure import GrowthPoint, GrowthReport, ModeGrowth
from chatlab.labs.pitfalls import view as pitfalls
from chatlab.labs.pitfalls.measure import PITFALLS, PitfallsReport, result
from chatlab.labs.pitfalls.runs import Figure
from chatlab.labs.tune import view as tune
from chatlab.labs.tune.measure import Cell, TuneReport, judged

CLEAN = Audit(sent=1, acked=1, saved=1, delivered=1)


def printed(what: RenderableType, width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


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
    return printed(
        tune.render(
            TuneReport(
                command="",
                seed=1,
                environment={},
                mode="optimized",
                rounds=1,
                burst_messages=100,
                steady_per_s=10,
                steady_messages=200,
                complete=complete,
                cells=marked,
                recommended=best,
            )
        )
    )


def test_tune_cites_the_rows_that_show_too_small_too_large_and_too_long() -> None:
    text = tuned(
        cell(1, 10, 100, 12),
        cell(100, 10, 1_000, 10),
        cell(100, 900, 1_000, 80),
        cell(9_000, 900, 900, 800),
    )

    assert "Recommended: batch 100, 10 ms" in text
    assert "Too small: batch 1, 10 ms delivers 100 per second, batch 100, 10 ms 1,000." in text
    assert "Too large: with the same interval, batch 9,000, 900 ms has a p95 of 800 ms" in text
    assert "Too long: with the same batch size, batch 100, 900 ms has a p95 of 80.0 ms" in text


def test_tune_claims_no_harm_that_it_did_not_see() -> None:
    text = tuned(cell(10, 10, 1_000, 10), cell(10, 50, 1_000, 11), cell(100, 10, 1_000, 11))

    for what in ("Too small", "Too large", "Too long"):
        assert f"{what} did not hurt here" in text


def test_tune_recommends_nothing_that_lost_messages() -> None:
    fast = cell(100, 10, 9_000, 1, audit=Audit(sent=2, lost=1))
    text = tuned(fast, cell(10, 10, 100, 10))

    assert "Recommended: batch 10, 10 ms" in text
    assert "! batch 100, 10 ms lost or damaged messages" in text


def test_tune_shows_a_p99_only_where_there_is_one() -> None:
    one = cell(10, 10, 100, 10)
    sharper = msgspec.structs.replace(one, delivery_ms=Percentiles(5, 10, 4_321, 1_000))

    assert "p99" not in tuned(one).splitlines()[1]
    assert "4.32 s" in tuned(sharper)


def test_a_partial_result_says_so() -> None:
    assert tuned(cell(1, 1, 1, 1), complete=False).startswith("PARTIAL (stopped early)")


def grown(costs: dict[int, float], audit: Audit = CLEAN, invalid: list[str] | None = None) -> str:
    """A mode whose messages cost so many bytes, and as many milliseconds, after each history."""
    points = [
        GrowthPoint(
            history=history,
            messages=10,
            history_mean=history + 5,
            rounds=1,
            delivered_per_s=estimate([1_000 / cost]),
            bytes_per_message=cost,
            ms_per_message=cost,
            invalid=invalid or [],
            audit=audit,
        )
        for history, cost in costs.items()
    ]
    found = fit([(point.history_mean, point.bytes_per_message or 0) for point in points])
    return printed(
        growth.render(
            GrowthReport(
                command="",
                seed=1,
                environment={},
                rounds=1,
                complete=True,
                modes={"mine": ModeGrowth("written", points, found, found)},
            )
        )
    )


def test_growth_names_a_line_with_its_slope_and_the_fall() -> None:
    text = grown({0: 10.0, 1_000: 210.0, 10_000: 2_010.0})

    assert "In bytes it is linear: each 1,000 messages of history add 200 B" in text
    assert "100 delivered per second became 0.498: 201 times slower." in text


def test_growth_calls_flat_what_is_flat_and_nothing_slower() -> None:
    text = grown({0: 10.0, 1_000: 10.0, 10_000: 10.0})

    assert "In bytes it is flat" in text
    assert "slower" not in text


def test_growth_says_why_it_gives_no_name() -> None:
    assert "not clear: it takes 3 histories" in grown({0: 10.0, 1_000: 20.0})


def test_growth_warns_of_what_its_figures_do_not_prove() -> None:
    text = grown({0: 10.0}, Audit(sent=1, lost=1), ["the sender was 99 ms late (p99)"])

    assert "NOT CLEAN" in text
    assert "! mine at 0 lost or damaged messages: its speed proves nothing." in text
    assert "! mine at 0: in one round the sender was 99 ms late (p99)" in text


@pytest.mark.parametrize(
    ("wrong", "says"), [(None, PITFALLS["cache"].happens), (0.4, "This run did not show it")]
)
def test_pitfalls_explain_only_what_the_run_showed(wrong: float | None, says: str) -> None:
    what = PITFALLS["cache"].proof
    one = result("cache", PITFALLS["cache"], [Figure(what, wrong, "s")], [Figure(what, 0.5, "s")])
    report = PitfallsReport(command="", seed=1, environment={}, complete=True, results=[one])

    assert says in printed(pitfalls.render(report))


def test_pitfalls_say_why_a_percentile_is_blank() -> None:
    what = PITFALLS["blocking"].proof
    for value, explained in ((None, True), (9.0, False)):
        figures = ([Figure(what, value, "ms")], [Figure(what, 1.0, "ms")])
        one = result("blocking", PITFALLS["blocking"], *figures)
        report = PitfallsReport(command="", seed=1, environment={}, complete=True, results=[one])

        assert ("a p95 takes 200" in printed(pitfalls.render(report))) is explained


@pytest.mark.parametrize("width", [40, 80, 140])
def test_every_view_fits_its_terminal(width: int) -> None:
    figures = [Figure(PITFALLS["errors"].proof, 5, "count")]
    one = result("errors", PITFALLS["errors"], figures, figures)
    report = PitfallsReport(command="", seed=1, environment={}, complete=True, results=[one])

    for line in printed(pitfalls.render(report), width).splitlines():
        assert len(line) <= width
