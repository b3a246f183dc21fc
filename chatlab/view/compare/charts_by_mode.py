"""Each mode as a whole: its bars and its percentile curves, from a report to a plotly figure.

A curve shows latency against percentile, by both clocks. Each further nine takes as much room as
the one before, so that the slow few can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from chatlab.bench.report import Curve, ModeReport, Report, RoundReport
from chatlab.view import words
from chatlab.view.compare import table
from chatlab.view.compare.chart import Chart, colours, full, label, layout, log_axis

_TICKS = (0, 50, 90, 99, 99.9)


def ack_curve(report: Report) -> go.Figure:
    """Latency of acks against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.ack_curve)


def delivery_curve(report: Report) -> go.Figure:
    """Latency of deliveries against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.delivery_curve)


def operations_per_message(report: Report) -> go.Figure:
    """Reads and writes of files for each saved message."""
    return _bars(
        report,
        "reads + writes per message",
        lambda mode: mode.io.per_message,
        table.per_message,
        hover=lambda mode: "<br>".join(
            f"{full(file)}: {io.reads:,} reads, {io.writes:,} writes"
            for file, io in mode.io.files.items()
        ),
    )


def server_cpu(report: Report) -> go.Figure:
    """Processor time of the server in a round: the median, and each round."""
    return _bars(
        report,
        "seconds of processor time",
        lambda mode: mode.cpu_s,
        lambda value: f"{value:.2f} s",
        each=lambda one: one.cpu_s,
    )


def server_memory(report: Report) -> go.Figure:
    """The server's highest memory, in any round and in each."""
    return _bars(
        report,
        "megabytes",
        lambda mode: mode.rss_peak_bytes / 1e6,
        lambda value: f"{value:,.0f} MB",
        each=lambda one: one.rss_peak_bytes / 1e6,
    )


def loop_lag(report: Report) -> go.Figure:
    """How late the server's event loop was: the highest percentile that every round can name."""
    field = lag_percentile(report)
    lag: Callable[[RoundReport], float | None] = attrgetter(f"loop_lag_ms.{field}")
    return _bars(
        report,
        f"milliseconds late ({field})",
        lambda mode: max(_known(map(lag, mode.rounds)), default=None),
        words.milliseconds,
        each=lag,
    )


def lag_percentile(report: Report) -> str:
    """The highest percentile of the event loop's lag that every round has samples enough for."""
    every = [one.loop_lag_ms for mode in report.modes.values() for one in mode.rounds]
    for field in ("p99", "p95"):
        if every and all(getattr(lag, field) is not None for lag in every):
            return field
    return "p50"


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _bars(
    report: Report,
    x: str,
    of: Callable[[ModeReport], float | None],
    written: Callable[[float | None], str],
    *,
    each: Callable[[RoundReport], float | None] = lambda _: None,
    hover: Callable[[ModeReport], str] = lambda _: "",
) -> go.Figure:
    """A bar for each mode, its figure beside it; with `each`, a dot for each round on it."""
    figure = go.Figure()
    most = 1e-9
    for place, (name, mode) in enumerate(report.modes.items()):
        value, dots = of(mode), _known(map(each, mode.rounds))
        end = max([value or 0, *dots])
        most = max(most, end)
        said = f"{full(name)}<br>{hover(mode) or written(value)}"
        _add_bar(figure, place, value or 0, dots, colours(report)[name], said)
        figure.add_annotation(
            x=end, y=place, text=written(value), xanchor="left", xshift=8, showarrow=False
        )
    # The modes from top to bottom, in the order of the report.
    names_axis = {
        "tickmode": "array",
        "tickvals": list(range(len(report.modes))),
        "ticktext": [label(name, 16) for name in report.modes],
        "range": [len(report.modes) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
    }
    xaxis = {"range": [0, most * 1.5], "nticks": 5}
    height = 110 + 46 * len(report.modes)
    figure.update_layout(layout(x, "", height=height, xaxis=xaxis, yaxis=names_axis))
    return figure


def _add_bar(
    figure: go.Figure, place: int, value: float, dots: list[float], colour: str, said: str
) -> None:
    """A bar, and the dots of its rounds on it."""
    figure.add_bar(
        y=[place],
        x=[value],
        orientation="h",
        width=0.56,
        marker={"color": colour, "opacity": 0.8},
        hovertemplate="%{text}<extra></extra>",
        text=[said],
        textposition="none",
        showlegend=False,
    )
    figure.add_scatter(
        x=dots,
        y=[place] * len(dots),
        mode="markers",
        marker={"color": colour, "size": 7, "line": {"width": 1, "color": "white"}},
        hovertemplate="one round: %{x:.4~g}<extra></extra>",
        showlegend=False,
    )


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


def _said_ms(value: float | None) -> str:
    return "unknown" if value is None else words.milliseconds(value)


CHARTS = (
    Chart(
        "ack",
        ack_curve,
        lambda mode: f"ack p50 {_said_ms(mode.ack_ms.p50)}, p99 {_said_ms(mode.ack_ms.p99)}",
        log_axes="y",
        starts_log=True,
    ),
    Chart(
        "delivery",
        delivery_curve,
        lambda mode: (
            f"delivery p50 {_said_ms(mode.delivery_ms.p50)}, p99 {_said_ms(mode.delivery_ms.p99)}"
        ),
        log_axes="y",
        starts_log=True,
    ),
    Chart(
        "operations",
        operations_per_message,
        lambda mode: f"{table.per_message(mode.io.per_message)} per message",
    ),
    Chart("cpu", server_cpu, lambda mode: f"{mode.cpu_s:.2f} s", small=True),
    Chart("memory", server_memory, lambda mode: words.size(mode.rss_peak_bytes), small=True),
    Chart("lag", loop_lag, lambda mode: f"{len(mode.rounds)} rounds", small=True),
)
