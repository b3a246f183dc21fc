"""The bars of a comparison: one for each mode, from a report to a plotly figure.

Siblings: `charts.py` for the rounds, `curves.py` for the percentiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from chatlab.bench.report import ModeReport, Report, RoundReport
from chatlab.view import words
from chatlab.view.compare import figures
from chatlab.view.compare.palette import colours, full, label, layout


def operations_per_message(report: Report) -> go.Figure:
    """Reads and writes of files for each saved message."""
    shown = {name: mode.io.per_message for name, mode in report.modes.items()}
    hover = {
        name: "<br>".join(
            f"{full(file)}: {io.reads:,} reads, {io.writes:,} writes"
            for file, io in mode.io.files.items()
        )
        for name, mode in report.modes.items()
    }
    return _bars(report, "reads + writes per message", shown, figures.per_message, hover=hover)


def server_cpu(report: Report) -> go.Figure:
    """Processor time of the server in a round: the median, and each round."""
    return _bars(
        report,
        "seconds of processor time",
        {name: mode.cpu_s for name, mode in report.modes.items()},
        lambda value: f"{value:.2f} s",
        each=lambda one: one.cpu_s,
    )


def server_memory(report: Report) -> go.Figure:
    """The server's highest memory, in any round and in each."""
    return _bars(
        report,
        "megabytes",
        {name: mode.rss_peak_bytes / 1e6 for name, mode in report.modes.items()},
        lambda value: f"{value:,.0f} MB",
        each=lambda one: one.rss_peak_bytes / 1e6,
    )


def loop_lag(report: Report) -> go.Figure:
    """How late the server's event loop was: the highest percentile that every round can name."""
    field = lag_percentile(report)
    worst = {
        name: max(
            (lag for one in mode.rounds if (lag := _lag(one, field)) is not None), default=None
        )
        for name, mode in report.modes.items()
    }
    return _bars(
        report,
        f"milliseconds late ({field})",
        worst,
        words.milliseconds,
        each=lambda one: _lag(one, field),
    )


def lag_percentile(report: Report) -> str:
    """The highest percentile of the event loop's lag that every round has samples enough for."""
    every = [one.loop_lag_ms for mode in report.modes.values() for one in mode.rounds]
    for field in ("p99", "p95"):
        if every and all(getattr(lag, field) is not None for lag in every):
            return field
    return "p50"


def _lag(one: RoundReport, field: str) -> float | None:
    lag: float | None = getattr(one.loop_lag_ms, field)
    return lag


def _bars(
    report: Report,
    x: str,
    values: dict[str, float | None],
    written: Callable[[float | None], str],
    *,
    each: Callable[[RoundReport], float | None] | None = None,
    hover: dict[str, str] | None = None,
) -> go.Figure:
    """A bar for each mode, its figure beside it; with `each`, a dot for each round on it."""
    figure = go.Figure()
    dots = {name: _dots(mode, each) for name, mode in report.modes.items()}
    for place, (name, value) in enumerate(values.items()):
        said = f"{full(name)}<br>{(hover or {}).get(name) or written(value)}"
        _add_bar(figure, place, value or 0, dots[name], colours(report)[name], said)
        figure.add_annotation(
            x=max([value or 0, *dots[name]]),
            y=place,
            text=written(value),
            xanchor="left",
            xshift=8,
            showarrow=False,
        )
    most = max(
        [1e-9, *(v for v in values.values() if v), *(v for row in dots.values() for v in row)]
    )
    figure.update_layout(
        layout(
            x,
            "",
            height=110 + 46 * len(values),
            xaxis={"range": [0, most * 1.5], "nticks": 5},
            yaxis=_names_axis(list(values)),
        )
    )
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


def _names_axis(names: list[str]) -> dict[str, Any]:
    """The modes from top to bottom, in the order of the report."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [label(name, 16) for name in names],
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
    }


def _dots(mode: ModeReport, each: Callable[[RoundReport], float | None] | None) -> list[float]:
    found = [each(one) for one in mode.rounds] if each else []
    return [value for value in found if value is not None]
