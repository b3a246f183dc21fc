"""The rounds of a comparison, over time and side by side: from a report to a chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from chatlab.bench.report import ModeReport, Report, RoundReport
from chatlab.bench.timeline import Series
from chatlab.view import words
from chatlab.view.compare.chart import Chart, colours, full, label, legend, warning
from chatlab.view.page.plot import Axis, Dot, Plot, PlotLine, axis

FAINT_MAX = 20
"""Rounds of a mode drawn faintly behind its typical one; more would only make the file bigger."""
SLOTS = 24
"""Parts of the longest round over which a rate is taken: fewer points than the series', so less
jagged. Equal for all, so that a spike is no taller only because its round was short."""
SLOTS_MIN = 4
"""... of the shortest one, however short it is."""
BELOW_RATIO = 10
"""How far below the smallest mode's figure a logarithmic axis begins, at the furthest."""
JOIN_COLOUR = "#808080"

Point = tuple[float, float]


def typical(mode: ModeReport) -> RoundReport:
    """The round to show for the mode: of median throughput among the valid ones, or among all."""
    among = [one for one in mode.rounds if not one.invalid] or mode.rounds
    return sorted(among, key=lambda one: one.throughput_per_s)[(len(among) - 1) // 2]


def throughput_over_time(report: Report) -> Plot:
    """Messages delivered per second, in each slot of a round: the area is what was delivered."""
    slot_s = slot_of(report)
    return _over_time(
        report, "delivered per second", lambda series: _steps(*delivered_per_s(series, slot_s))
    )


def outstanding_over_time(report: Report) -> Plot:
    """Messages sent that have not come back: the queue."""
    return _over_time(
        report, "messages outstanding", lambda series: _pairs(series.t_s, series.outstanding)
    )


def oldest_over_time(report: Report) -> Plot:
    """How long the oldest message has waited."""
    return _over_time(
        report, "waiting, in seconds", lambda series: _pairs(series.t_s, series.oldest_s)
    )


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


def rounds(report: Report) -> Plot:
    """Deliveries per second of each round; rounds that are compared with each other are joined."""
    pairs = max((len(mode.rounds) for mode in report.modes.values()), default=0)
    speeds = [one.throughput_per_s for mode in report.modes.values() for one in mode.rounds]
    medians = [mode.throughput_per_s.median for mode in report.modes.values()]
    names = Axis(
        title="",
        low=-0.5,
        high=len(report.modes) - 0.5,
        fixed=[
            (place, label(name, 16) + warning(mode))
            for place, (name, mode) in enumerate(report.modes.items())
        ],
    )
    return Plot(
        x=names,
        y=axis("delivered per second", speeds, medians),
        lines=[_join(report, pair, pairs) for pair in range(pairs)],
        dots=[
            _round_dot(report, place, pair, pairs)
            for place, mode in enumerate(report.modes.values())
            for pair in range(len(mode.rounds))
        ],
    )


def _join(report: Report, pair: int, pairs: int) -> PlotLine:
    """A faint line through the rounds of all modes that are compared with each other."""
    points = [
        (place + _aside(pair, pairs), mode.rounds[pair].throughput_per_s)
        for place, mode in enumerate(report.modes.values())
        if pair < len(mode.rounds)
    ]
    return PlotLine(points=points, colour=JOIN_COLOUR, said="", faint=True)


def _round_dot(report: Report, place: int, pair: int, pairs: int) -> Dot:
    """A round: hollow if invalid, a diamond if noisy."""
    name, mode = list(report.modes.items())[place]
    one = mode.rounds[pair]
    return Dot(
        at=(place + _aside(pair, pairs), one.throughput_per_s),
        colour=colours(report)[name],
        said=_round_words(name, one),
        hollow=bool(one.invalid),
        diamond=one.noisy,
    )


def _over_time(report: Report, y: str, of: Callable[[Series], list[Point]]) -> Plot:
    """One typical round of each mode, strongly; the others faintly, drawn first to lie behind."""
    strong = {name: typical(mode) for name, mode in report.modes.items()}
    lines = [
        _line(report, name, one, of, faint=True)
        for name, mode in report.modes.items()
        for one in [one for one in mode.rounds if one is not strong[name]][:FAINT_MAX]
    ]
    lines += [_line(report, name, one, of, faint=False) for name, one in strong.items()]
    tops = [max((y for _, y in of(one.series)), default=0.0) for one in strong.values()]
    ends = [max((x for x, _ in of(one.series)), default=0.0) for one in strong.values()]
    # One spike of a faint line must not flatten all the others.
    most = 2 * max(tops, default=0.0)
    times = _visible([x for line in lines for x, _ in line.points], ends)
    heights = _visible([min(y, most) for line in lines for _, y in line.points], tops)
    return Plot(
        x=axis("seconds after the start", times, ends),
        y=axis(y, heights, tops),
        lines=lines,
        legend=legend(report),
    )


def _visible(values: Iterable[float], mains: Sequence[float]) -> list[float]:
    """What a logarithmic axis makes room for: not for all that a line was at its start."""
    least = min((main for main in mains if main > 0), default=0.0) / BELOW_RATIO
    return [value for value in values if value >= least]


def _line(
    report: Report,
    name: str,
    one: RoundReport,
    of: Callable[[Series], list[Point]],
    *,
    faint: bool,
) -> PlotLine:
    said = _round_words(name, one)
    return PlotLine(points=of(one.series), colour=colours(report)[name], said=said, faint=faint)


def _pairs(xs: Sequence[float], ys: Sequence[float]) -> list[Point]:
    return list(zip(xs, ys, strict=True))


def _steps(xs: Sequence[float], ys: Sequence[float]) -> list[Point]:
    """First up or down, then on to the right: a rate holds from the end of the slot before."""
    found = _pairs(xs[:1], ys[:1])
    for (x, _), (x_next, y_next) in pairwise(_pairs(xs, ys)):
        found += [(x, y_next), (x_next, y_next)]
    return found


def _round_words(name: str, one: RoundReport) -> str:
    invalid = f"; invalid: {full('; '.join(one.invalid))}" if one.invalid else ""
    noisy = "; noisy: far from the other rounds" if one.noisy else ""
    return f"{full(name)}, round {one.number}: {words.per_s(one.throughput_per_s)}{invalid}{noisy}"


def _aside(pair: int, pairs: int) -> float:
    """How far beside its mode a round stands, so that equal rounds stay visible."""
    return 0.3 * (pair / (pairs - 1) - 0.5) if pairs > 1 else 0.0


CHARTS = (
    Chart(
        "throughput",
        throughput_over_time,
        lambda mode: f"{mode.throughput_per_s.median:,.0f} delivered per second (median of rounds)",
    ),
    Chart(
        "outstanding",
        outstanding_over_time,
        lambda mode: f"at most {max(typical(mode).series.outstanding, default=0):,} waiting",
    ),
    Chart(
        "oldest",
        oldest_over_time,
        lambda mode: f"at most {max(typical(mode).series.oldest_s, default=0):.3g} s",
    ),
    Chart(
        "rounds",
        rounds,
        lambda mode: (
            f"{', '.join(f'{one.throughput_per_s:,.0f}' for one in mode.rounds)} per second"
        ),
    ),
)
