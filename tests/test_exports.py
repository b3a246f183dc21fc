"""What is exported from a comparison: complete, escaped, and never kinder than the terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from rich.console import Console

from chatlab.bench.audit import Audit
from chatlab.bench.report import (
    Comparison,
    Curve,
    IOReport,
    ModeReport,
    Report,
    RoundReport,
    TrustCheck,
)
from chatlab.bench.statistics import estimate
from chatlab.bench.timeline import Series
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO
from chatlab.view.compare import chart, charts_by_mode, charts_by_round, claims, figures
from chatlab.view.compare.exports import CSV_COLUMNS, to_csv, to_markdown
from chatlab.view.compare.html import CHARTS, to_html
from chatlab.view.compare.table import render

HOSTILE = "naive+store=<b>a|b</b>&`x`$body:\"'S"
CLEAN = Audit(sent=10, acked=10, saved=10, delivered=10)
NOT_CLEAN = Audit(sent=10, acked=10, saved=7, delivered=10, lost=3)
LATENCY = Percentiles(1.5, None, None, 30)


def a_round(number: int = 1, per_s: float = 100.0, **changes: Any) -> RoundReport:
    """A round in which ten messages came back one after the other."""
    tenths = [n / 10 for n in range(11)]
    series = Series(tenths, [10] * 11, [*range(11)], [*range(11)], [*range(10, -1, -1)], tenths)
    values: dict[str, Any] = {
        "number": number,
        "invalid": [],
        "noisy": False,
        "throughput_per_s": per_s,
        "ack_ms": LATENCY,
        "delivery_ms": LATENCY,
        "operations_per_message": 3.0,
        "cpu_s": 0.5,
        "rss_peak_bytes": 50_000_000,
        "loop_lag_ms": LATENCY,
        "late_p99_ms": 2.0,
        "sender_cpu_percent": 12.0,
        "audit": CLEAN,
        "series": series,
    }
    return RoundReport(**(values | changes))


def a_mode(*speeds: float, rounds: list[RoundReport] | None = None, **changes: Any) -> ModeReport:
    if rounds is None:
        rounds = [a_round(n, per_s) for n, per_s in enumerate(speeds or [100.0], start=1)]
    curve = Curve([0, 50, 90, 100], [1, 2, 3, 9], [1, 1, 2, 8])
    values: dict[str, Any] = {
        "parts": {"reader": "direct"},
        "ack_means": "written",
        "throughput_per_s": estimate([one.throughput_per_s for one in rounds]),
        "ack_ms": LATENCY,
        "delivery_ms": LATENCY,
        "ack_send_ms": LATENCY,
        "delivery_send_ms": LATENCY,
        "ack_curve": curve,
        "delivery_curve": curve,
        "io": IOReport(20, 10, 0, 999, 888, 3.0, {"messages.json": FileIO(reads=20, writes=10)}),
        "cpu_s": 0.5,
        "rss_peak_bytes": 50_000_000,
        "audit": CLEAN,
        "refusals": {},
        "rounds": rounds,
    }
    return ModeReport(**(values | changes))


def compared(mode: str, **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "baseline": "naive",
        "mode": mode,
        "metric": "throughput_per_s",
        "ratio": 4.56,
        "low": 4.12,
        "high": 4.98,
        "verdict": "better",
    }
    return Comparison(**(values | changes))


def a_report(modes: dict[str, ModeReport] | None = None, **changes: Any) -> Report:
    modes = {"naive": a_mode(), "optimized": a_mode(456)} if modes is None else modes
    scenario = {"name": "midnight", "messages": 10, "users": 2, "rooms": 1, "in_flight": None}
    values: dict[str, Any] = {
        "command": "chatlab compare naive optimized",
        "seed": 1,
        "environment": {"processor": "a <fast> one"},
        "scenario": scenario,
        "history": 0,
        "rounds": 1,
        "complete": True,
        "modes": modes,
        "comparisons": [compared(name) for name in list(modes)[1:]],
        "trust": [TrustCheck("sender late (ms)", True, 3.14159, 20.0)],
    }
    return Report(**(values | changes))


def closed_loop() -> Report:
    report = a_report()
    return msgspec.structs.replace(report, scenario={**report.scenario, "in_flight": 8})


def lines(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(report))))


class Page(HTMLParser):
    """A page as a browser takes it: its elements, and the words outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._hidden = False
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, _tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data

    def all(self, tag: str, **having: str) -> list[dict[str, str]]:
        return [
            found
            for name, found in self.elements
            if name == tag and having.items() <= found.items()
        ]


# What every export says.


@pytest.mark.parametrize("export", [to_csv, to_markdown, to_html])
@pytest.mark.parametrize(
    ("report", "words"),
    [
        (a_report(measurement=False), "not a measurement"),
        (a_report(complete=False), "PARTIAL"),
        (closed_loop(), "closed loop"),
        (a_report(simulated=["disk hdd", "eio@3"]), "simulated disk"),
        (a_report(simulated=["disk hdd", "eio@3"]), "disk hdd; eio@3"),
    ],
    ids=["not a measurement", "partial", "closed loop", "simulated", "what is simulated"],
)
def test_every_export_warns_of_what_is_not_a_fair_measurement(
    export: Any, report: Report, words: str
) -> None:
    assert words in export(report)
    assert words not in export(a_report())


@pytest.mark.parametrize("export", [to_markdown, lambda report: Page(to_html(report)).text])
def test_ratio_and_interval_are_said_together(export: Any) -> None:
    sentence = "optimized: 4.56 x the deliveries per second of naive (95% interval 4.12 to 4.98)"

    assert f"✓ {sentence}" in export(a_report())


@pytest.mark.parametrize("export", [to_markdown, lambda report: Page(to_html(report)).text])
def test_a_weaker_ack_is_said_beside_the_ratio(export: Any) -> None:
    weaker = {"naive": a_mode(), "optimized": a_mode(456, ack_means="queued")}

    assert "its ack promises LESS: optimized queued (in memory" in export(a_report(weaker))
    assert "its ack promises" not in export(a_report())


@pytest.mark.parametrize("export", [to_markdown, to_html])
@pytest.mark.parametrize("guilty", ["naive", "optimized"])
def test_a_mode_is_not_simply_better_if_it_or_its_baseline_is_unsafe(
    export: Any, guilty: str
) -> None:
    modes = {"naive": a_mode(), "optimized": a_mode(456)}
    modes[guilty] = a_mode(audit=NOT_CLEAN)
    text = export(a_report(modes))

    assert f"{guilty} is NOT SAFE" in text
    assert "3 acked and lost" in text
    assert "✓ optimized" not in text


def test_an_unsafe_mode_is_coloured_as_unsafe_whatever_its_speed() -> None:
    modes = {"naive": a_mode(), "optimized": a_mode(456, audit=NOT_CLEAN)}

    assert Page(to_html(a_report())).all("li", **{"class": "better"})
    assert not Page(to_html(a_report(modes))).all("li", **{"class": "better"})
    assert Page(to_html(a_report(modes))).all("li", **{"class": "unsafe"})


@pytest.mark.parametrize(
    ("changes", "mark"),
    [({"verdict": "same", "low": 0.9}, "~"), ({"verdict": "unknown", "low": None}, "?")],
)
def test_no_difference_and_no_knowledge_have_marks_of_their_own(
    changes: dict[str, Any], mark: str
) -> None:
    report = a_report(comparisons=[compared("optimized", **changes)])

    assert f"{mark} optimized: " in to_markdown(report)
    assert f"{mark} optimized: " in Page(to_html(report)).text


@pytest.mark.parametrize("export", [to_csv, to_markdown, to_html])
def test_nothing_measured_is_no_failure(export: Any) -> None:
    assert export(a_report({}, complete=False))


def test_the_exports_show_the_figures_of_the_terminal() -> None:
    report = a_report()
    file = io.StringIO()
    Console(file=file, width=200).print(render(report))
    terminal = " ".join(file.getvalue().split())
    page = Page(to_html(report)).text.replace(" ", "")

    for row in figures.rows(report):
        shown = " ".join([row.label, *(cell.text for cell in row.cells)])
        assert shown in terminal
        assert shown.replace(" ", "") in page


# The page.


def test_the_page_has_every_section() -> None:
    text = Page(to_html(a_report())).text
    headings = (
        *("Verdict", "Can the instrument be trusted?", "Speed, cost and truth", "Charts"),
        *("Audit: what became of every message", "Repeat it", "Environment"),
        *(one.title for one in CHARTS),
    )

    for heading in headings:
        assert heading in text
    assert text.count("... from the real send") == 2
    assert "chatlab compare naive optimized" in text


def test_the_page_asks_nobody_for_anything() -> None:
    page = Page(to_html(a_report()))
    links = [
        value
        for _, found in page.elements
        for name, value in found.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]

    assert links == ["data:,"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "connect-src" not in policy


def test_plotly_is_written_into_the_page_once() -> None:
    assert to_html(a_report()).count("plotly.js v") == 1


def test_a_name_with_markup_in_it_stays_a_name() -> None:
    modes = {"naive": a_mode(), HOSTILE: a_mode(456)}
    html = to_html(a_report(modes, command=f"chatlab compare {HOSTILE}"))
    page = Page(html)

    assert not page.all("b")
    assert HOSTILE in page.text
    assert f"chatlab compare {HOSTILE}" in page.text


def test_a_name_cannot_end_the_script_that_holds_a_chart() -> None:
    modes = {"naive": a_mode(), "</script><script>alert(1)</script>": a_mode()}
    page = Page(to_html(a_report(modes)))

    assert len(page.all("script")) == len(Page(to_html(a_report())).all("script"))


def test_no_chart_takes_a_name_for_markup() -> None:
    report = a_report({"naive": a_mode(), "<b>x": a_mode(456)})

    for one in CHARTS:
        drawn = str(json.loads(one.draw(report).to_json()))
        assert "<b>" not in drawn
        assert "&lt;b&gt;x" in drawn


def test_every_chart_has_its_reading_and_its_figures_in_words() -> None:
    page = Page(to_html(a_report()))
    plots = page.all("div", **{"class": "plot", "role": "img"})

    assert len(plots) == len(CHARTS) == page.text.count("How to read this")
    assert all("naive" in plot["aria-label"] for plot in plots)
    assert len({one.key for one in CHARTS}) == len(CHARTS)


def test_every_cell_of_a_heading_says_what_it_heads() -> None:
    assert all("scope" in head for head in Page(to_html(a_report())).all("th"))


def test_trust_shows_each_check_with_value_and_limit() -> None:
    trust = [TrustCheck("late", True, 3.14159, 20.0), TrustCheck("busy", False, 96.6, 25.0)]
    page = Page(to_html(a_report(trust=trust)))

    assert "held: late: 3.142, allowed 20" in page.text
    assert "FAILED: busy: 96.6, allowed 25" in page.text
    assert len(page.all("li", **{"class": "failed"})) == 1


# The charts_by_round.


def test_the_typical_round_is_the_valid_one_of_median_throughput() -> None:
    rounds = [
        *(a_round(1, 900, invalid=["late"]), a_round(2, 800, invalid=["late"])),
        *(a_round(3, 300), a_round(4, 200), a_round(5, 100)),
    ]

    assert charts_by_round.typical(a_mode(rounds=rounds)).number == 4


def test_throughput_is_what_was_delivered_in_each_slot_of_the_round() -> None:
    ends, rates = charts_by_round.delivered_per_s(a_round().series, slot_s=0.1)

    assert ends == pytest.approx([0.0, 0.1, *(n / 10 for n in range(1, 11)), 1.0])
    assert rates == pytest.approx([0.0, *[10.0] * 11, 0.0])


@pytest.mark.parametrize("slot_s", [0.01, 0.1, 0.3, 50.0])
def test_the_area_under_the_throughput_is_the_number_delivered(slot_s: float) -> None:
    ends, rates = charts_by_round.delivered_per_s(a_round().series, slot_s)
    widths = [b - a for a, b in pairwise(ends)]

    assert sum(w * r for w, r in zip(widths, rates[1:], strict=True)) == pytest.approx(10)
    assert len(ends) - 3 >= charts_by_round.SLOTS_MIN


def test_a_short_round_is_not_cut_finer_than_a_long_one() -> None:
    ends = [n / 10 for n in range(241)]
    zeros, tenths = [0] * 241, [0.0] * 241
    long = a_round(series=Series(ends, zeros, zeros, zeros, zeros, tenths))
    report = a_report({"short": a_mode(), "long": a_mode(rounds=[long])})

    assert charts_by_round.slot_of(report) == pytest.approx(1.0)


def test_one_line_of_each_mode_is_strong_and_the_others_are_faint() -> None:
    lines = charts_by_round.outstanding_over_time(a_report({"naive": a_mode(1, 2, 3)})).data

    assert [line.opacity for line in lines] == [0.4, 0.4, 1]
    assert [line.line.width for line in lines] == [1, 1, 3]


def test_a_spike_of_a_faint_line_does_not_flatten_the_strong_ones() -> None:
    spike = a_round(2, series=msgspec.structs.replace(a_round().series, outstanding=[5_000] * 11))
    figure = charts_by_round.outstanding_over_time(
        a_report({"naive": a_mode(rounds=[a_round(), spike])})
    )

    assert figure.layout.yaxis.range[1] < 50


def test_a_mode_has_one_colour_in_every_chart() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(3, 4)})
    colours = set(chart.colours(report).values())

    for one in CHARTS:
        found = re.findall(r'"#[0-9a-f]{6}"', one.draw(report).to_json())
        assert {colour.strip('"') for colour in found} == colours


def test_both_clocks_are_drawn_from_their_own_figures() -> None:
    planned, send = charts_by_mode.ack_curve(a_report({"naive": a_mode()})).data

    assert (list(planned.y), planned.line.dash) == ([1, 2, 3, 9], "solid")
    assert (list(send.y), send.line.dash) == ([1, 1, 2, 8], "dot")


def test_rounds_that_are_compared_are_joined() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(30, 40)})
    joined = [list(line.y) for line in charts_by_round.rounds(report).data if line.mode == "lines"]

    assert joined == [[1, 30], [2, 40]]


def test_an_invalid_round_is_hollow_and_a_noisy_one_a_diamond() -> None:
    rounds = [a_round(), a_round(invalid=["late"]), a_round(noisy=True)]
    dots = charts_by_round.rounds(a_report({"naive": a_mode(rounds=rounds)})).data[-1]

    assert list(dots.marker.symbol) == ["circle", "circle-open", "diamond"]
    assert "invalid: late" in dots.text[1]


def test_the_lag_shown_is_the_highest_percentile_that_all_rounds_can_name() -> None:
    better = a_round(loop_lag_ms=Percentiles(1.0, 2.0, None, 300))

    assert charts_by_mode.lag_percentile(a_report({"a": a_mode(rounds=[better])})) == "p95"
    assert (
        charts_by_mode.lag_percentile(a_report({"a": a_mode(rounds=[better, a_round()])})) == "p50"
    )


def test_charts_of_blank_figures_are_drawn_all_the_same() -> None:
    blank = a_round(
        operations_per_message=None,
        loop_lag_ms=Percentiles(),
        throughput_per_s=0.0,
        series=Series([0.0] * 3, [0] * 3, [0] * 3, [0] * 3, [0] * 3, [0.0] * 3),
    )
    mode = a_mode(rounds=[blank], ack_curve=Curve([], [], []), delivery_curve=Curve([], [], []))

    for one in CHARTS:
        assert json.loads(one.draw(a_report({"naive": mode})).to_json())


# CSV and Markdown.


def test_the_csv_has_a_line_for_each_mode_and_round() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(3, 4)})

    assert [(line["mode"], line["pair"], line["throughput_per_s"]) for line in lines(report)] == [
        ("naive", "1", "1"),
        ("naive", "2", "2"),
        ("optimized", "1", "3"),
        ("optimized", "2", "4"),
    ]


def test_the_csv_marks_rounds_and_leaves_the_unknown_empty() -> None:
    rounds = [a_round(invalid=["late", "unsent"]), a_round(noisy=True)]
    first, second = lines(a_report({"naive": a_mode(rounds=rounds)}))

    assert (first["invalid"], first["invalid_because"]) == ("true", "late; unsent")
    assert (second["invalid"], second["noisy"]) == ("false", "true")
    assert (first["ack_p50_ms"], first["ack_p99_ms"]) == ("1.5", "")


def test_the_csv_has_every_figure_of_the_audit_and_each_column_is_explained() -> None:
    readme = files("chatlab.view").joinpath("README.md").read_text(encoding="utf-8")
    _, _, table = readme.partition("The columns of the CSV")

    assert set(Audit.__struct_fields__) <= set(CSV_COLUMNS)
    assert {name for name in CSV_COLUMNS if f"`{name}`" not in table} == set()


def test_markdown_shows_a_name_as_it_is_and_keeps_its_columns() -> None:
    text = to_markdown(a_report({"naive": a_mode(), HOSTILE: a_mode(456)}))
    table = [line for line in text.splitlines() if line.startswith("|")]

    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert "<b>" not in text
    assert r"a\|b" in table[0]


def test_markdown_fences_the_command_whatever_is_in_it() -> None:
    assert to_markdown(a_report(command="x ``` y")).endswith("````sh\nx ``` y\n````\n")


def test_partial_says_how_many_rounds_were_done() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(3)}, rounds=6, complete=False)

    assert "naive 2, optimized 1" in claims.cautions(report)["PARTIAL"]


def test_a_logarithmic_axis_writes_its_figures_out_and_is_not_crowded() -> None:
    narrow = charts_by_round.rounds(a_report({"naive": a_mode(50, 900)})).layout.yaxis
    wide = charts_by_round.rounds(a_report({"naive": a_mode(1, 90_000)})).layout.yaxis

    assert {"50", "100", "200", "500"} <= set(narrow.ticktext)
    assert {"100", "1,000"} <= set(wide.ticktext)
    assert "200" not in wide.ticktext
