"""The latency of a comparison against percentile, by both clocks: from a report to a plotly figure.

Each further nine takes as much room as the one before, so that the slow few can be seen. Siblings:
`charts.py` and `bars.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from chatlab.bench.report import Curve, ModeReport, Report
from chatlab.view import words
from chatlab.view.compare.palette import colours, full, label, layout, log_axis

_TICKS = (0, 50, 90, 99, 99.9)


def ack_curve(report: Report) -> go.Figure:
    """Latency of acks against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.ack_curve)


def delivery_curve(report: Report) -> go.Figure:
    """Latency of deliveries against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.delivery_curve)


def _curves(report: Report, of: Callable[[ModeReport], Curve]) -> go.Figure:
    figure = go.Figure()
    colour = colours(report)
    curves = {name: of(mode) for name, mode in report.modes.items()}
    end = _end(list(curves.values()))
    for name, curve in curves.items():
        for line in _lines(name, curve, colour[name], end):
            figure.add_scatter(**line)
    every_ms = [ms for curve in curves.values() for ms in curve.planned_ms + curve.send_ms]
    figure.update_layout(
        layout(
            "share of messages at least as fast",
            "milliseconds",
            xaxis=_percent_axis(end),
            yaxis=log_axis(every_ms),
        )
    )
    return figure


def _lines(name: str, curve: Curve, colour: str, end: float) -> Iterator[dict[str, Any]]:
    """The curve by the planned clock, solid, and by the send clock, dotted."""
    for clock, dash, ms in (("planned", "solid", curve.planned_ms), ("send", "dot", curve.send_ms)):
        planned = clock == "planned"
        yield {
            "x": [end if percent == 100 else _far(percent) for percent in curve.percent],
            "y": ms,
            "mode": "lines+markers" if planned else "lines",
            "marker": {"size": 5},
            "name": label(name),
            "legendgroup": full(name),
            "showlegend": planned,
            "line": {"color": colour, "width": 2.5 if planned else 2, "dash": dash},
            "text": [
                f"{full(name)}, {clock} clock<br>{_percent(percent)}: {words.milliseconds(value)}"
                for percent, value in zip(curve.percent, ms, strict=True)
            ],
            "hovertemplate": "%{text}<extra></extra>",
        }


def _percent(percent: float) -> str:
    return "slowest" if percent == 100 else f"p{percent:g}"


def _percent_axis(end: float) -> dict[str, Any]:
    ticks = [percent for percent in _TICKS if _far(percent) < end - 0.2]
    return {
        "tickmode": "array",
        "tickvals": [*map(_far, ticks), end],
        "ticktext": [*(f"{percent:g}%" for percent in ticks), "slowest"],
        "range": [-0.05, end * 1.04],
    }


def _end(curves: list[Curve]) -> float:
    """Where the slowest message stands: beyond the last percentile that a curve can name."""
    named = [_far(percent) for curve in curves for percent in curve.percent if percent < 100]
    return max([2.0, *(at + 0.4 for at in named)])


def _far(percent: float) -> float:
    """Where a percentile stands: each further nine takes the same room."""
    return -math.log10(1 - percent / 100)
