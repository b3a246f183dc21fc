"""The lines and dots of a comparison: each chart a pure function from a report to a plotly figure.

`bars.py` has the bars. Read `gallery.py` next: what stands beside each chart, in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from chatlab.bench.report import Curve, ModeReport, Report, RoundReport
from chatlab.bench.result import Series
from chatlab.view import words
from chatlab.view.palette import colours, full, label, layout

FAINT_MAX = 20
"""Rounds of a mode drawn faintly behind its typical one: more would only make the file bigger."""
BINS = 24
"""Parts of a run over which a rate is taken: fewer points than the series', so less jagged."""
LOG_FROM_RATIO = 8
LOG_DECADES_MAX = 2.5
"""From here on a logarithmic axis shows only powers of ten."""
NAMES_MAX = 34
"""Letters of all modes' names together that fit side by side on a phone."""
_TICKS = (0, 50, 90, 99, 99.9)


def typical(mode: ModeReport) -> RoundReport:
    """The round to show for all: of median throughput among the valid ones, else among all."""
    among = [one for one in mode.rounds if not one.invalid] or mode.rounds
    return sorted(among, key=lambda one: one.throughput_per_s)[(len(among) - 1) // 2]


def throughput_over_time(report: Report) -> go.Figure:
    """Messages delivered per second, in each part of a round."""
    return _over_time(report, "delivered per second", delivered_per_s)


def outstanding_over_time(report: Report) -> go.Figure:
    """Messages sent that have not come back: the queue."""
    return _over_time(
        report, "messages outstanding", lambda series: (series.t_s, series.outstanding)
    )


def oldest_over_time(report: Report) -> go.Figure:
    """How long the oldest message has waited."""
    return _over_time(report, "waiting, in seconds", lambda series: (series.t_s, series.oldest_s))


def delivered_per_s(series: Series) -> tuple[list[float], list[float]]:
    """The middle of each part of a run, in seconds, and the deliveries per second in it."""
    step = max(1, len(series.t_s) // BINS)
    edges = range(0, len(series.t_s), step)
    middles, rates = [], []
    for a, b in pairwise(edges):
        duration_s = series.t_s[b] - series.t_s[a]
        if duration_s > 0:
            middles.append((series.t_s[a] + series.t_s[b]) / 2)
            rates.append((series.delivered[b] - series.delivered[a]) / duration_s)
    return middles, rates


def ack_curve(report: Report) -> go.Figure:
    """Latency of acks against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.ack_curve)


def delivery_curve(report: Report) -> go.Figure:
    """Latency of deliveries against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.delivery_curve)


def rounds(report: Report) -> go.Figure:
    """Deliveries per second of each round; rounds that are compared with each other are joined."""
    figure = go.Figure()
    modes, colour = list(report.modes.items()), colours(report)
    most = max((len(mode.rounds) for _, mode in modes), default=0)
    for pair in range(most):
        here = [
            (n, mode.rounds[pair]) for n, (_, mode) in enumerate(modes) if pair < len(mode.rounds)
        ]
        figure.add_scatter(
            x=[n + _aside(pair, most) for n, _ in here],
            y=[one.throughput_per_s for _, one in here],
            mode="lines",
            line={"color": "rgba(128,128,128,0.45)", "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    for n, (name, mode) in enumerate(modes):
        figure.add_scatter(
            x=[n + _aside(pair, most) for pair in range(len(mode.rounds))],
            y=[one.throughput_per_s for one in mode.rounds],
            mode="markers",
            marker={
                "color": colour[name],
                "size": [13 if one.noisy else 10 for one in mode.rounds],
                "symbol": [_symbol(one) for one in mode.rounds],
                "line": {"width": 2, "color": colour[name]},
            },
            name=label(name),
            text=[_round_words(name, one) for one in mode.rounds],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    speeds = [one.throughput_per_s for _, mode in modes for one in mode.rounds]
    axis = {"tickmode": "array", "tickvals": list(range(len(modes))), "showgrid": False}
    names = [label(name, 16) for name, _ in modes]
    figure.update_layout(
        layout(
            "",
            "delivered per second",
            xaxis={
                **axis,
                "tickangle": -35 if sum(map(len, names)) > NAMES_MAX else 0,
                "ticktext": names,
                "range": [-0.5, len(modes) - 0.5],
            },
            yaxis=_log_axis(speeds) if _wide(speeds) else {},
        )
    )
    return figure


def _over_time(
    report: Report, y: str, of: Callable[[Series], tuple[Sequence[float], Sequence[float]]]
) -> go.Figure:
    """One typical round of each mode, strongly; the others faintly, drawn first to lie behind."""
    figure = go.Figure()
    colour = colours(report)
    for name, mode in report.modes.items():
        for one in [one for one in mode.rounds if one is not typical(mode)][:FAINT_MAX]:
            _add_line(figure, name, one, of(one.series), colour[name], faint=True)
    for name, mode in report.modes.items():
        one = typical(mode)
        _add_line(figure, name, one, of(one.series), colour[name], faint=False)
    # The axis follows the strong lines: one spike of a faint one would flatten all the others.
    highest = max(
        (max(of(typical(mode).series)[1], default=0) for mode in report.modes.values()), default=0
    )
    more = {"yaxis": {"range": [0, highest * 1.15]}} if highest else {}
    figure.update_layout(layout("seconds after the start", y, **more))
    return figure


def _add_line(
    figure: go.Figure,
    name: str,
    one: RoundReport,
    points: tuple[Sequence[float], Sequence[float]],
    colour: str,
    *,
    faint: bool,
) -> None:
    figure.add_scatter(
        x=[round(x, 5) for x in points[0]],
        y=[round(y, 4) for y in points[1]],
        mode="lines",
        name=label(name),
        legendgroup=full(name),
        showlegend=not faint,
        opacity=0.4 if faint else 1,
        line={"color": colour, "width": 1 if faint else 3},
        text=[_round_words(name, one)] * len(points[0]),
        hovertemplate="%{text}<br>at %{x:.3f} s: %{y:,.4~g}<extra></extra>",
    )


def _curves(report: Report, of: Callable[[ModeReport], Curve]) -> go.Figure:
    figure = go.Figure()
    colour = colours(report)
    curves = {name: of(mode) for name, mode in report.modes.items()}
    end = max(
        [2.0, *(_far(p) + 0.4 for curve in curves.values() for p in curve.percent if p < 100)]
    )
    for name, curve in curves.items():
        for clock, dash, ms in (
            ("planned", "solid", curve.planned_ms),
            ("send", "dot", curve.send_ms),
        ):
            figure.add_scatter(
                x=[end if percent == 100 else _far(percent) for percent in curve.percent],
                y=ms,
                mode="lines+markers" if clock == "planned" else "lines",
                marker={"size": 5},
                name=label(name),
                legendgroup=full(name),
                showlegend=clock == "planned",
                line={
                    "color": colour[name],
                    "width": 2.5 if clock == "planned" else 2,
                    "dash": dash,
                },
                text=[
                    f"{full(name)}, {clock} clock<br>"
                    + ("slowest" if percent == 100 else f"p{percent:g}")
                    + f": {words.milliseconds(value)}"
                    for percent, value in zip(curve.percent, ms, strict=True)
                ],
                hovertemplate="%{text}<extra></extra>",
            )
    ticks = [percent for percent in _TICKS if _far(percent) < end - 0.2]
    axis = {
        "tickmode": "array",
        "tickvals": [*map(_far, ticks), end],
        "ticktext": [*(f"{percent:g}%" for percent in ticks), "slowest"],
        "range": [-0.05, end * 1.04],
    }
    figure.update_layout(
        layout(
            "share of messages at least as fast",
            "milliseconds",
            xaxis=axis,
            yaxis=_log_axis(
                [ms for curve in curves.values() for ms in curve.planned_ms + curve.send_ms]
            ),
        )
    )
    return figure


def _far(percent: float) -> float:
    """Where a percentile stands: each further nine takes the same room."""
    return -math.log10(1 - percent / 100)


def _symbol(one: RoundReport) -> str:
    """Hollow if invalid, a diamond if noisy."""
    return ("diamond" if one.noisy else "circle") + ("-open" if one.invalid else "")


def _round_words(name: str, one: RoundReport) -> str:
    invalid = f"<br>invalid: {full('; '.join(one.invalid))}" if one.invalid else ""
    noisy = "<br>noisy: far from the other rounds" if one.noisy else ""
    return f"{full(name)}, round {one.number}: {words.per_s(one.throughput_per_s)}{invalid}{noisy}"


def _aside(pair: int, pairs: int) -> float:
    """How far beside its mode a round stands, so that equal ones can be told apart."""
    return 0.3 * (pair / (pairs - 1) - 0.5) if pairs > 1 else 0.0


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    """1, 2, 5, 10, ... written out: plotly's own short forms ("5" for 500) puzzle newcomers."""
    above = [value for value in values if value > 0] or [1]
    ticks = [digit * 10**power for power in range(-2, 8) for digit in (1, 2, 5)]
    ends = [math.log10(min(above) / 1.25), math.log10(max(above) * 1.25)]
    if ends[1] - ends[0] > LOG_DECADES_MAX:
        ticks = ticks[::3]
    texts = [f"{tick:,g}" for tick in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts, "range": ends}


def _wide(values: Sequence[float]) -> bool:
    """Whether values differ so much that the small ones would lie on the axis."""
    above = [value for value in values if value > 0]
    return bool(above) and max(above) > LOG_FROM_RATIO * min(above)
