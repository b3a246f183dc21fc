"""A comparison as one page that needs no network: it can be mailed, archived, opened in ten years.

Owns the page's outline and its safety. Everything from the report is text and is escaped; besides,
the page's own policy allows no request at all, and no script but the two written into it.
Read `chart.py` for the charts. `page.html` is the page with its style and its script; a browser
shows it as it is. It is filled as a `string.Template`: so its script has no `$` of its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from string import Template

from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from chatlab.bench.report import Report
from chatlab.view import words
from chatlab.view.compare import charts_by_mode, charts_by_round, claims, table
from chatlab.view.compare.chart import Chart, colours, in_order

CHARTS = in_order([*charts_by_round.CHARTS, *charts_by_mode.CHARTS])
SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
CHART_ID = "chart-"
METRICS = {
    "throughput_per_s": "delivered per second",
    "ack_ms.p50": "ack p50",
    "delivery_ms.p50": "delivery p50",
    "cpu_s": "server CPU",
}


def to_html(report: Report) -> str:
    """The whole comparison as one HTML file of about 5 MB, nearly all of it plotly's script."""
    page = files("chatlab.view.compare").joinpath("page.html").read_text(encoding="utf-8")
    plotly, (_, script) = _normal(get_plotlyjs()), SCRIPT.findall(page)
    return Template(page).substitute(
        policy=_policy(plotly, script),
        title=_text(f"{claims.versus(report)} - chatlab compare"),
        heading=_text(claims.versus(report)),
        load=_text(claims.load(report)),
        cautions="\n".join(_cautions(report)),
        body="\n".join(_body(report)),
        plotly=plotly,
    )


def _body(report: Report) -> Iterator[str]:
    if not report.modes:
        yield "<p>Nothing was measured: stopped before the first round ended.</p>"
        yield from _repeat(report)
        return
    yield from _verdict(report)
    yield from _trust(report)
    yield "<h2>Speed, cost and truth</h2>"
    yield from _table(report, table.rows(report, both_clocks=True))
    yield from _comparisons(report)
    yield "<h2>Charts</h2>"
    yield from (_chart(chart, report) for chart in CHARTS if not chart.small)
    yield '<div class="row">'
    yield from (_chart(chart, report) for chart in CHARTS if chart.small)
    yield "</div>"
    yield "<h2>Audit: what became of every message</h2>"
    yield (
        "<p>After each round, what was sent is compared with what was acknowledged, what is in the "
        "data files, and what was received. Speed without this proves nothing.</p>"
    )
    yield from _table(report, table.audit_rows(report))
    yield from _repeat(report)


def _cautions(report: Report) -> Iterator[str]:
    for name, why in claims.cautions(report).items():
        yield f'<p class="caution" role="note"><strong>{_text(name)}</strong>: {_text(why)}.</p>'


def _verdict(report: Report) -> Iterator[str]:
    found = claims.claims(report)
    yield "<h2>Verdict</h2>"
    if not found:
        yield "<p>One mode alone: nothing to compare it with.</p>"
        return
    colour = colours(report)
    yield '<ul class="claims">'
    for claim in found:
        buts = "".join(f"<li>{_text(but)}</li>" for but in claim.buts)
        yield (
            f'<li class="{claim.tone}"><p class="sentence">{_swatch(colour[claim.mode])}'
            f"{claim.mark} {_text(claim.sentence)}</p>{f'<ul>{buts}</ul>' if buts else ''}</li>"
        )
    yield "</ul>"
    yield (
        '<p class="soft">✓ more, ✗ fewer deliveries per second; ~ no difference to claim; '
        "? cannot tell; ! not safe, whatever its speed. The interval is over rounds.</p>"
    )


def _trust(report: Report) -> Iterator[str]:
    failed = sum(not check.ok for check in report.trust)
    yield "<h2>Can the instrument be trusted?</h2>"
    yield (
        f"<p>{len(report.trust) - failed} of {len(report.trust)} checks held"
        f"{'; read the figures with those that failed in mind' if failed else ''}.</p>"
    )
    yield '<ul class="badges">'
    for check in report.trust:
        kind, mark = ("held", "✓ held") if check.ok else ("failed", "! FAILED")
        yield f'<li class="{kind}">{mark}: {_text(claims.trust_line(check))}</li>'
    yield "</ul>"


def _table(report: Report, rows: list[table.TableRow]) -> Iterator[str]:
    colour = colours(report)

    def lines() -> Iterator[str]:
        for row in rows:
            if row.heading:
                span = len(report.modes) + 1
                head = f'<th scope="rowgroup" colspan="{span}">{_text(row.label)}</th>'
                yield f'<tr class="group">{head}</tr>'
            else:
                cells = (f'<td class="{one.tone}">{_text(one.text)}</td>' for one in row.cells)
                yield f'<tr><th scope="row">{_text(row.label)}</th>{"".join(cells)}</tr>'

    heads = [f"{_swatch(colour[name])}{_text(name)}" for name in report.modes]
    yield from _grid("Table of figures", heads, lines())


def _grid(label: str, heads: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    """A table that can be scrolled sideways; its first column has no heading."""
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>'
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr><td></td>{columns}</tr></thead><tbody>"
    yield from lines
    yield "</tbody></table></div>"


def _comparisons(report: Report) -> Iterator[str]:
    """Every ratio, so that speed is not read without its cost."""
    metrics = list(dict.fromkeys(one.metric for one in report.comparisons))
    if not metrics:
        return
    baseline = report.comparisons[0].baseline
    found = {(one.mode, one.metric): claims.ratio(one) for one in report.comparisons}
    yield f"<h3>Each figure, divided by that of {_text(baseline)}</h3>"
    lines = []
    for mode in dict.fromkeys(one.mode for one in report.comparisons):
        cells = "".join(
            "<td>{}<small>{}</small></td>".format(*map(_text, found[mode, metric]))
            for metric in metrics
        )
        unsafe = "" if report.modes[mode].audit.clean else ' <span class="bad">NOT SAFE</span>'
        lines.append(f'<tr><th scope="row">{_text(mode)}{unsafe}</th>{cells}</tr>')
    heads = (_text(METRICS.get(metric, metric)) for metric in metrics)
    yield from _grid("Table of ratios", heads, lines)


def _chart(chart: Chart, report: Report) -> str:
    ident = CHART_ID + chart.key
    pressed = str(chart.starts_log).lower()
    switches = "".join(
        f'<button type="button" aria-pressed="{pressed}" data-plot="{ident}" data-axis="{axis}">'
        f"logarithmic {axis_name} axis</button>"
        for axis, axis_name in (("x", "time"), ("y", "value"))
        if axis in chart.log_axes
    )
    words_for_it = _text(chart.alternative(report))
    reading = "".join(f"<p>{_text(sentence)}</p>" for sentence in chart.reading)
    return (
        f'<section class="chart" aria-labelledby="{ident}-title">'
        f'<h3 id="{ident}-title">{_text(chart.title)}</h3><div class="drawn">'
        f'<div class="plot" id="{ident}" role="img" aria-label="{words_for_it}">'
        f"</div>{f'<div class=switches>{switches}</div>' if switches else ''}</div>"
        f'<div class="reading"><strong>How to read this</strong>{reading}</div>'
        f'<script type="application/json" id="{ident}-data">'
        f"{_json(chart, report)}</script></section>"
    )


def _repeat(report: Report) -> Iterator[str]:
    yield "<h2>Repeat it</h2>"
    yield f'<pre><code id="command">{_text(report.command)}</code></pre>'
    yield '<button type="button" class="copy" data-copies="command">Copy the command</button>'
    yield "<h2>Environment</h2>"
    yield '<div class="wide"><table class="texts"><tbody>'
    scenario = {f"scenario: {key}": value for key, value in report.scenario.items()}
    for key, value in {**report.environment, "seed": report.seed, **scenario}.items():
        written = words.DASH if value is None else f"{value:,}" if type(value) is int else value
        yield f'<tr><th scope="row">{_text(key)}</th><td>{_text(str(written))}</td></tr>'
    for name, mode in report.modes.items():
        parts = ", ".join(f"{role} {part}" for role, part in mode.parts.items())
        yield f'<tr><th scope="row">parts of {_text(name)}</th><td>{_text(parts)}</td></tr>'
    yield "</tbody></table></div>"


def _swatch(colour: str) -> str:
    return f'<span class="swatch" style="background:{colour}" aria-hidden="true"></span>'


def _text(text: str) -> str:
    return escape(words.printable(text))


def _json(chart: Chart, report: Report) -> str:
    """The figure; plotly writes "<" as an escape, so that no name in it can end the script."""
    json: str = chart.draw(report).to_json()
    return json


def _policy(*scripts: str) -> str:
    """No request to anywhere, and no script but these, even where escaping is forgotten."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _normal(script: str) -> str:
    """Line ends as the browser reads them, since it hashes the script."""
    return script.replace("\r\n", "\n").replace("\r", "\n")
