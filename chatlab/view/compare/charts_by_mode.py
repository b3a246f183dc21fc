"""Each mode as a whole: its bars and its percentile curves, from a report to a chart.

A curve shows latency against percentile, by both clocks. Each further nine takes as much room as
the one before, so that the slow few can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from operator import attrgetter

from chatlab.bench.report import Curve, ModeReport, Report, RoundReport
from chatlab.view import words
from chatlab.view.compare import table
from chatlab.view.compare.chart import Chart, colours, full, label, legend
from chatlab.view.page.plot import Axis, Bar, Bars, Plot, PlotLine, axis

_TICKS = (0, 50, 90, 99, 99.9)


def ack_curve(report: Report) -> Plot:
    """Latency of acks against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.ack_curve)


def delivery_curve(report: Report) -> Plot:
    """Latency of deliveries against percentile, by both clocks."""
    return _curves(report, lambda mode: mode.delivery_curve)


def operations_per_message(report: Report) -> Bars:
    """Reads and writes of files for each saved message."""
    return _bars(
        report,
        "reads + writes per message",
        lambda mode: mode.io.per_message,
        table.per_message,
        hover=lambda mode: "; ".join(
            f"{full(file)}: {io.reads:,} reads, {io.writes:,} writes"
            for file, io in mode.io.files.items()
        ),
    )


def server_cpu(report: Report) -> Bars:
    """Processor time of the server in a round: the median, and each round."""
    return _bars(
        report,
        "seconds of processor time",
        lambda mode: mode.cpu_s,
        lambda value: f"{value:.2f} s",
        each=lambda one: one.cpu_s,
    )


def server_memory(report: Report) -> Bars:
    """The server's highest memory, in any round and in each."""
    return _bars(
        report,
        "megabytes",
        lambda mode: mode.rss_peak_bytes / 1e6,
        lambda value: f"{value:,.0f} MB",
        each=lambda one: one.rss_peak_bytes / 1e6,
    )


def loop_lag(report: Report) -> Bars:
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
    title: str,
    of: Callable[[ModeReport], float | None],
    written: Callable[[float | None], str],
    *,
    each: Callable[[RoundReport], float | None] = lambda _: None,
    hover: Callable[[ModeReport], str] = lambda _: "",
) -> Bars:
    """A bar for each mode, its figure beside it; with `each`, a dot for each round on it."""
    bars = [
        Bar(
            name=label(name, 16),
            colour=colours(report)[name],
            value=of(mode) or 0.0,
            written=written(of(mode)),
            said=f"{full(name)}: {hover(mode) or written(of(mode))}",
            dots=_known(map(each, mode.rounds)),
        )
        for name, mode in report.modes.items()
    ]
    values = [value for bar in bars for value in (bar.value, *bar.dots)]
    return Bars(axis(title, values, [bar.value for bar in bars]), bars)


def _curves(report: Report, of: Callable[[ModeReport], Curve]) -> Plot:
    curves = {name: of(mode) for name, mode in report.modes.items()}
    every_ms = [ms for curve in curves.values() for ms in (*curve.planned_ms, *curve.send_ms)]
    end = _end(list(curves.values()))
    return Plot(
        x=_percent_axis(end),
        # The unlucky few wait so much longer than most that these always begin logarithmic.
        y=replace(axis("milliseconds", every_ms, []), starts_log=any(ms > 0 for ms in every_ms)),
        lines=[
            line
            for name, curve in curves.items()
            for line in _lines(name, curve, colours(report)[name], end)
        ],
        legend=legend(report),
    )


def _lines(name: str, curve: Curve, colour: str, end: float) -> Iterator[PlotLine]:
    """The curve by the planned clock, solid, and by the send clock, dotted."""
    across = [end if percent == 100 else _far(percent) for percent in curve.percent]
    for clock, ms in (("planned", curve.planned_ms), ("send", curve.send_ms)):
        figures = ", ".join(
            f"{_percent(percent)} {words.milliseconds(value)}"
            for percent, value in zip(curve.percent, ms, strict=True)
            if percent in _TICKS or percent == 100
        )
        yield PlotLine(
            points=list(zip(across, ms, strict=True)),
            colour=colour,
            said=f"{full(name)}, {clock} clock: {figures}",
            dotted=clock == "send",
        )


def _percent(percent: float) -> str:
    return "slowest" if percent == 100 else f"p{percent:g}"


def _percent_axis(end: float) -> Axis:
    ticks = [(_far(one), f"{one:g}%") for one in _TICKS if _far(one) < end - 0.2]
    return Axis(
        title="share of messages at least as fast",
        low=-0.05,
        high=end * 1.04,
        fixed=[*ticks, (end, "slowest")],
    )


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
    ),
    Chart(
        "delivery",
        delivery_curve,
        lambda mode: (
            f"delivery p50 {_said_ms(mode.delivery_ms.p50)}, p99 {_said_ms(mode.delivery_ms.p99)}"
        ),
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
