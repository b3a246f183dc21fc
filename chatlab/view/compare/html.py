"""A comparison as one page: verdicts, figures, charts, and what became of every message.

Read `view/page/shell.py` for the page itself, and `chart.py` for the charts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chatlab.bench.report import Report
from chatlab.view.compare import charts_by_mode, charts_by_round, claims, table
from chatlab.view.compare.chart import Chart, colours, in_order
from chatlab.view.compare.headlines import headlines
from chatlab.view.page.drawing import drawn, swatch
from chatlab.view.page.shell import Section, environment, page, repeat, section, text, wide

CHARTS = in_order([*charts_by_round.CHARTS, *charts_by_mode.CHARTS])
TONES = {"better": "good", "worse": "warn", "unsafe": "bad"}
CHART_ID = "chart-"
METRICS = {
    "throughput_per_s": "delivered per second",
    "ack_ms.p50": "ack p50",
    "delivery_ms.p50": "delivery p50",
    "cpu_s": "server CPU",
}


def to_html(report: Report) -> str:
    """The whole comparison as one HTML file."""
    return page("chatlab compare", claims.versus(report), _lead(report), _sections(report))


def _lead(report: Report) -> Iterator[str]:
    yield f'<p class="lead">{text(claims.load(report))}</p>'
    for name, why in claims.cautions(report).items():
        yield f'<p class="caution" role="note"><strong>{text(name)}</strong>: {text(why)}.</p>'
    if not report.modes:
        yield "<p>Nothing was measured: stopped before the first round ended.</p>"
        return
    yield '<dl class="first">'
    group = ""
    for line in headlines(report):
        if line.label:
            group = line.label
            yield f"<dt>{group}</dt>"
        # What a verdict or a check has to say besides stands in its section; a promise has none.
        if line.label or group == "Promise" or not line.text.startswith(" "):
            yield f'<dd class="{TONES.get(line.tone, "")}">{text(line.text.strip())}</dd>'
    yield "</dl>"


def _sections(report: Report) -> Iterator[Section]:
    if report.modes:
        yield section("The verdict in full", _verdict(report))
        yield section("Can the instrument be trusted?", _trust(report))
        yield section("Speed, cost and truth", _figures(report))
        titles = {CHART_ID + chart.key: chart.title for chart in CHARTS}
        yield section("Charts", _charts(report), **titles)
        yield section("Audit: what became of every message", _audit(report))
    yield repeat(report.command)
    yield environment(_environment(report))


def _figures(report: Report) -> Iterator[str]:
    yield _table(report, table.rows(report, both_clocks=True))
    yield from _comparisons(report)


def _charts(report: Report) -> Iterator[str]:
    yield from (_chart(chart, report) for chart in CHARTS if not chart.small)
    yield '<div class="row">'
    yield from (_chart(chart, report) for chart in CHARTS if chart.small)
    yield "</div>"


def _audit(report: Report) -> Iterator[str]:
    yield (
        "<p>After each round, what was sent is compared with what was acknowledged, what is in the "
        "data files, and what was received. Speed without this proves nothing.</p>"
    )
    yield _table(report, table.audit_rows(report))


def _verdict(report: Report) -> Iterator[str]:
    found = claims.claims(report)
    if not found:
        yield "<p>One mode alone: nothing to compare it with.</p>"
        return
    colour = colours(report)
    yield '<ul class="claims">'
    for claim in found:
        buts = "".join(f"<li>{text(but)}</li>" for but in claim.buts)
        yield (
            f'<li class="{claim.tone}"><p class="sentence">{swatch(colour[claim.mode])}'
            f"{claim.mark} {text(claim.sentence)}</p>{f'<ul>{buts}</ul>' if buts else ''}</li>"
        )
    yield "</ul>"
    yield (
        '<p class="soft">✓ more, ✗ fewer deliveries per second; ~ no difference to claim; '
        "? cannot tell; ! not safe, whatever its speed. The interval is over rounds.</p>"
    )


def _trust(report: Report) -> Iterator[str]:
    failed = sum(not check.ok for check in report.trust)
    yield (
        f"<p>{len(report.trust) - failed} of {len(report.trust)} checks held"
        f"{'; read the figures with those that failed in mind' if failed else ''}.</p>"
    )
    yield '<ul class="badges">'
    for check in report.trust:
        kind, mark = ("held", "✓ held") if check.ok else ("failed", "! FAILED")
        yield f'<li class="{kind}">{mark}: {text(claims.trust_line(check))}</li>'
    yield "</ul>"


def _table(report: Report, rows: list[table.TableRow]) -> str:
    colour = colours(report)

    def lines() -> Iterator[str]:
        for row in rows:
            if row.heading:
                span = len(report.modes) + 1
                head = f'<th scope="rowgroup" colspan="{span}">{text(row.label)}</th>'
                yield f'<tr class="group">{head}</tr>'
            else:
                cells = (f'<td class="{one.tone}">{text(one.text)}</td>' for one in row.cells)
                yield f'<tr><th scope="row">{text(row.label)}</th>{"".join(cells)}</tr>'

    heads = [f"{swatch(colour[name])}{text(name)}" for name in report.modes]
    return _grid("Table of figures", heads, lines())


def _grid(label: str, heads: Iterable[str], lines: Iterable[str]) -> str:
    """A table whose first column has no heading."""
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    head = f"<thead><tr><td></td>{columns}</tr></thead>"
    return wide(label, f"<table>{head}<tbody>{''.join(lines)}</tbody></table>")


def _comparisons(report: Report) -> Iterator[str]:
    """Every ratio, so that speed is not read without its cost."""
    metrics = list(dict.fromkeys(one.metric for one in report.comparisons))
    if not metrics:
        return
    baseline = report.comparisons[0].baseline
    found = {(one.mode, one.metric): claims.ratio(one) for one in report.comparisons}
    yield f"<h3>Each figure, divided by that of {text(baseline)}</h3>"
    lines = []
    for mode in dict.fromkeys(one.mode for one in report.comparisons):
        cells = "".join(
            "<td>{}<small>{}</small></td>".format(*map(text, found[mode, metric]))
            for metric in metrics
        )
        unsafe = "" if report.modes[mode].audit.clean else ' <span class="bad">NOT SAFE</span>'
        lines.append(f'<tr><th scope="row">{text(mode)}{unsafe}</th>{cells}</tr>')
    heads = (text(METRICS.get(metric, metric)) for metric in metrics)
    yield _grid("Table of ratios", heads, lines)


def _chart(chart: Chart, report: Report) -> str:
    ident = CHART_ID + chart.key
    reading = "".join(f"<p>{text(sentence)}</p>" for sentence in chart.reading)
    return (
        f'<section class="chart" aria-labelledby="{ident}">'
        f'<h3 id="{ident}">{text(chart.title)}</h3>'
        f"{drawn(chart.draw(report), text(chart.alternative(report)))}"
        f'<div class="reading"><strong>How to read this</strong>{reading}</div></section>'
    )


def _environment(report: Report) -> dict[str, object]:
    scenario = {f"scenario: {key}": value for key, value in report.scenario.items()}
    parts = {
        f"parts of {name}": ", ".join(f"{role} {part}" for role, part in mode.parts.items())
        for name, mode in report.modes.items()
    }
    return {**report.environment, "seed": report.seed, **scenario, **parts}
