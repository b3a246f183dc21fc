"""The rounds of a comparison, over time and side by side: from a report to a plotly figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import plotly.graph_objects as go  # type: ignore[import-untyped]

from chatlab.bench.report import ModeReport, Report, RoundReport
from chatlab.bench.timeline import Series
from chatlab.view import words
from chatlab.view.compare.chart import Chart, colours, full, label, layout, log_axis

FAINT_MAX = 20
"""Rounds of a mode drawn faintly behind its typical one; more would only make the file bigger."""
SLOTS = 24
"""Parts of the longest round over which a rate is taken: fewer points than the series', so less
jagged. Equal for all, so that a spike is no taller only because its round was short."""
SLOTS_MIN = 4
"""... of the shortest one, however short it is."""
LOG_FROM_RATIO = 8
NAMES_MAX = 34
"""Letters of all modes' names together that fit side by side on a phone."""


def typical(mode: ModeReport) -> RoundReport:
    """The round to show for the mode: of median throughput among the valid ones, or among all."""
    among = [one for one in mode.rounds if not one.invalid] or mode.rounds
    return sorted(among, key=lambda one: one.throughput_per_s)[(len(among) - 1) // 2]


def throughput_over_time(report: Report) -> go.Figure:
    """Messages delivered per second, in each slot of a round: the area is what was delivered."""
    slot_s = slot_of(report)
    return _over_time(
        report, "delivered per second", lambda series: delivered_per_s(series, slot_s), shape="vh"
    )


def outstanding_over_time(report: Report) -> go.Figure:
    """Messages sent that have not come back: the queue."""
    return _over_time(
        report, "messages outstanding", lambda series: (series.t_s, series.outstanding)
    )


def oldest_over_time(report: Report) -> go.Figure:
    """How long the oldest message has waited."""
    return _over_time(report, "waiting, in seconds", lambda series: (series.t_s, series.oldest_s))


def slot_of(report: Report) -> float:
    """The seconds over which a rate is taken, in every round of this report."""
    modes = report.modes.values()
    return max((typical(mode).series.t_s[-1] for mode in modes), default=0.0) / SLOTS


def delivered_per_s(series: Series, slot_s: float) -> tuple[list[float], list[float]]:
    """The end of each slot, in seconds, and the deliveries per second in it.

    Args:
        series: a round.
        slot_s: about how long a slot is; shorter in a round of fewer than `SLOTS_MIN` such slots.

    Returns:
        Both from the start, at rest, to the end, at rest again: drawn as steps, they enclose as
        much as was delivered. The first slot has a point early in it, where a logarithmic axis,
        which has no 0, can begin. Nothing for a round that took no time.
    """
    last = len(series.t_s) - 1
    if series.t_s[last] <= 0:
        return [], []
    slots = min(last, max(SLOTS_MIN, round(series.t_s[last] / slot_s)))
    edges = [round(last * n / slots) for n in range(slots + 1)]
    ends = [series.t_s[b] for b in edges[1:]]
    rates = [
        (series.delivered[b] - series.delivered[a]) / (series.t_s[b] - series.t_s[a])
        for a, b in pairwise(edges)
    ]
    return [0.0, series.t_s[1], *ends, ends[-1]], [0.0, rates[0], *rates, 0.0]


def rounds(report: Report) -> go.Figure:
    """Deliveries per second of each round; rounds that are compared with each other are joined."""
    figure = go.Figure()
    pairs = max((len(mode.rounds) for mode in report.modes.values()), default=0)
    for pair in range(pairs):
        _add_join(figure, report, pair, pairs)
    for place in range(len(report.modes)):
        _add_dots(figure, report, place, pairs)
    speeds = [one.throughput_per_s for mode in report.modes.values() for one in mode.rounds]
    names = [label(name, 16) for name in report.modes]
    xaxis = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "tickangle": -35 if sum(map(len, names)) > NAMES_MAX else 0,
        "range": [-0.5, len(names) - 0.5],
        "showgrid": False,
    }
    yaxis = log_axis(speeds) if _wide(speeds) else {}
    figure.update_layout(layout("", "delivered per second", xaxis=xaxis, yaxis=yaxis))
    return figure


def _add_join(figure: go.Figure, report: Report, pair: int, pairs: int) -> None:
    """A faint line through the rounds of all modes that are compared with each other."""
    here = [
        (place, mode.rounds[pair].throughput_per_s)
        for place, mode in enumerate(report.modes.values())
        if pair < len(mode.rounds)
    ]
    figure.add_scatter(
        x=[place + _aside(pair, pairs) for place, _ in here],
        y=[per_s for _, per_s in here],
        mode="lines",
        line={"color": "rgba(128,128,128,0.45)", "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_dots(figure: go.Figure, report: Report, place: int, pairs: int) -> None:
    """The rounds of the mode at this place, one dot each."""
    name, mode = list(report.modes.items())[place]
    colour = colours(report)[name]
    figure.add_scatter(
        x=[place + _aside(pair, pairs) for pair in range(len(mode.rounds))],
        y=[one.throughput_per_s for one in mode.rounds],
        mode="markers",
        marker={
            "color": colour,
            "size": [13 if one.noisy else 10 for one in mode.rounds],
            "symbol": [_symbol(one) for one in mode.rounds],
            "line": {"width": 2, "color": colour},
        },
        name=label(name),
        text=[_round_words(name, one) for one in mode.rounds],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _over_time(
    report: Report,
    y: str,
    of: Callable[[Series], tuple[Sequence[float], Sequence[float]]],
    *,
    shape: str = "linear",
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
    figure.update_traces(line_shape=shape)
    more = {"yaxis": {"range": [0, top * 1.08]}} if (top := _top(figure)) else {}
    figure.update_layout(layout("seconds after the start", y, **more))
    return figure


def _top(figure: go.Figure) -> float:
    """Where the axis ends: one spike of a faint line must not flatten all the others."""
    strong = max((max(one.y, default=0.0) for one in figure.data if one.showlegend), default=0.0)
    return float(
        min(max((max(one.y, default=0.0) for one in figure.data), default=0.0), 2 * strong)
    )


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


def _symbol(one: RoundReport) -> str:
    """Hollow if invalid, a diamond if noisy."""
    return ("diamond" if one.noisy else "circle") + ("-open" if one.invalid else "")


def _round_words(name: str, one: RoundReport) -> str:
    invalid = f"<br>invalid: {full('; '.join(one.invalid))}" if one.invalid else ""
    noisy = "<br>noisy: far from the other rounds" if one.noisy else ""
    return f"{full(name)}, round {one.number}: {words.per_s(one.throughput_per_s)}{invalid}{noisy}"


def _aside(pair: int, pairs: int) -> float:
    """How far beside its mode a round stands, so that equal rounds stay visible."""
    return 0.3 * (pair / (pairs - 1) - 0.5) if pairs > 1 else 0.0


def _wide(values: Sequence[float]) -> bool:
    """Whether the values differ so much that small ones would lie on the axis."""
    above = [value for value in values if value > 0]
    return bool(above) and max(above) > LOG_FROM_RATIO * min(above)


CHARTS = (
    Chart(
        "throughput",
        throughput_over_time,
        lambda mode: f"{mode.throughput_per_s.median:,.0f} delivered per second (median of rounds)",
        log_axes="xy",
    ),
    Chart(
        "outstanding",
        outstanding_over_time,
        lambda mode: f"at most {max(typical(mode).series.outstanding, default=0):,} waiting",
        log_axes="xy",
    ),
    Chart(
        "oldest",
        oldest_over_time,
        lambda mode: f"at most {max(typical(mode).series.oldest_s, default=0):.3g} s",
        log_axes="xy",
    ),
    Chart(
        "rounds",
        rounds,
        lambda mode: (
            f"{', '.join(f'{one.throughput_per_s:,.0f}' for one in mode.rounds)} per second"
        ),
    ),
)
