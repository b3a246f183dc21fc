"""One side of the live view: one mode's figures at one moment, at a scale that both sides share.

Without one scale, the slower side would look as fast. Every function here is pure and returns
lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from chatlab.bench.live import LiveMode
from chatlab.bench.scenario import Scenario
from chatlab.bench.timeline import Timeline
from chatlab.view import words
from chatlab.view.words import (
    CHART,
    DIFFERENT,
    HEADING,
    PLAIN,
    QUIET,
    STRONG,
    Line,
    chart_width,
    charted,
    cut,
    fit,
    line,
    rounded_up,
)

PANEL_ROWS = 9
"""With charts of one line."""
NAME_MIN = 12
"""Columns that a name has before its status must be worded shorter."""
TEXT_WIDTH = 30
"""Columns of a side's words; what it has beyond that becomes charts."""
OVER_MAX = 0.01
"""By how much a round may go on beyond the right end of its charts."""
FRAME = len("──    ──")
GHOST = Style(dim=True)
"""Not a colour: it is left where colours are not wanted."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the full width and height of each chart stand for, on both sides.

    Attributes:
        columns: of a chart; 0 if there is no room for one.
        span_s: scenario time from its left to its right.
        per_s: deliveries per second.
        outstanding: messages.
    """

    columns: int
    span_s: float
    per_s: float
    outstanding: int

    @classmethod
    def of(cls, scenario: Scenario, modes: Sequence[LiveMode], width: int) -> Scale:
        """The scale that fits all that is known of the modes shown.

        Args:
            scenario: what load.
            modes: those shown.
            width: columns of a panel.
        """
        columns = chart_width(width, TEXT_WIDTH)
        runs = [run for mode in modes for run in mode.known]
        longest_s = max([scenario.planned_s, *(run.end_s for run in runs)])
        # The last answer comes a little after the last send; that is no reason for a wider scale.
        span_s = rounded_up(longest_s / (1 + OVER_MAX))
        step_s = span_s / max(1, columns)
        rates = [rate for run in runs for rate in run.rates_per_s(span_s, step_s)]
        waiting = [n for run in runs for n in run.outstanding(span_s, step_s) if n is not None]
        return cls(columns, span_s, rounded_up(max(rates, default=0)), max(waiting, default=0))

    @property
    def step_s(self) -> float:
        """Scenario time of one column."""
        return self.span_s / max(1, self.columns)

    def describe(self, width: int) -> str:
        """The scale, in words that need at most `width` columns."""
        text = (
            f"charts: 0 to {self.span_s:.3g} s, full height {words.per_s(self.per_s)} "
            f"and {words.count(self.outstanding)} waiting"
        )
        return words.first_that_fits(width, f"{text}; the same on both sides", text)


def panel(one: LiveMode, scale: Scale, width: int, rows: int = 1) -> list[Line]:
    """One mode: always the same number of lines, so that nothing jumps.

    Args:
        one: the mode, and at which moment.
        scale: of both sides.
        width: columns of each line, exactly.
        rows: lines of each chart.
    """
    height = PANEL_ROWS + 2 * (rows - 1)
    lines = [_title(one, width)]
    if one.timeline is not None:
        lines += _figures(one, one.timeline, scale, rows)
    lines += [[]] * (height - len(lines))
    quiet = one.role in ("ghost", "waiting")
    return [fit([Segment(s.text, GHOST) for s in each] if quiet else each, width) for each in lines]


def _title(one: LiveMode, width: int) -> Line:
    name = words.printable(one.name)
    room = width - FRAME - min(NAME_MIN, cell_len(name))
    status = words.first_that_fits(max(0, room), *_status(one))
    name = words.shorten_middle(name, max(0, width - FRAME - len(status)))
    filler = "─" * (width - FRAME - cell_len(name) - len(status))
    name_style, status_style = (DIFFERENT, STRONG) if one.role == "live" else (HEADING, PLAIN)
    return cut(
        line(
            ("── ", HEADING),
            (name, name_style),
            (f" {filler} ", HEADING),
            (status, status_style),
            (" ──", HEADING),
        ),
        width,
    )


def _status(one: LiveMode) -> list[str]:
    """What this side shows, from the fullest wording to the shortest."""
    run = one.timeline
    if run is None:
        return ["not run yet"]
    t, end = _seconds(one.t_s), _seconds(run.end_s)
    number = f" round {run.number}" if one.numbered else ""
    finish = "done in" if run.settled else "gave up after"
    if one.role == "live":
        return [f"RUNNING{number}, t = {t}", f"RUNNING, t = {t}"]
    if one.role == "done":
        return [f"{number} {finish} {end}".strip(), f"{finish} {end}"]
    if one.t_s >= run.end_s:
        return [f"ghost of{number}, {finish} {end}", f"ghost, {finish} {end}"]
    return [f"ghost of{number} at t = {t}", f"ghost, t = {t}"]


def _figures(one: LiveMode, run: Timeline, scale: Scale, rows: int) -> list[Line]:
    now, until_s = run.at(one.t_s), min(one.t_s, run.end_s)
    # The label says "per second": with the unit as well, 10,000 would leave no space between.
    mean = words.per_s(now.delivered / until_s).removesuffix("/s") if until_s > 0 else words.DASH
    of_all = f"{words.short_count(now.delivered)} of {words.short_count(run.messages)}"
    # A ghost's bar is lighter, also where there are no colours.
    full = min(scale.columns, scale.columns * now.delivered // max(1, run.messages))
    bar = ("░" if one.role == "ghost" else "█") * full + "▁" * (scale.columns - full)
    return [
        _row("delivered", of_all, bar, CHART),
        *_charted(
            _row("delivered per second", mean),
            run.rates_per_s(until_s, scale.step_s),
            (scale.columns, rows, scale.per_s),
        ),
        *_charted(
            _row("waiting", words.count(now.outstanding)),
            run.outstanding(until_s, scale.step_s),
            (scale.columns, rows, scale.outstanding),
        ),
        _row("oldest unanswered", _seconds(now.oldest_s), "still waiting" * (now.oldest_s > 0)),
        _row(
            "acked",
            words.count(now.acked),
            f"refused {words.count(now.refused)}" if now.refused else "",
        ),
        _operations(one, run),
        _latency("ack p95, planned", now.ack_p95_ms, "since it was due"),
        _latency("ack p95, send", now.ack_p95_send_ms, "since it was sent"),
    ]


def _operations(one: LiveMode, run: Timeline) -> Line:
    """A ghost that was not counted this early shows its whole round, and says so."""
    label, now = "operations per message", run.operations_at(one.t_s)
    if now is not None:
        return _row(label, words.ratio(now, 1), "file reads, writes")
    whole = run.operations_at(run.end_s)
    if whole is not None:
        return _row(label, words.ratio(whole, 1), "of the whole round")
    return _row(label, words.DASH, "not counted yet")


def _latency(label: str, value_ms: float | None, aside: str) -> Line:
    aside = "too few acks yet" if value_ms is None else aside
    return _row(label, words.milliseconds(value_ms), aside)


def _row(label: str, value: str, aside: str = "", style: Style = QUIET) -> Line:
    room = TEXT_WIDTH - 2 - len(label)
    return line(label, (value.rjust(room), STRONG), "  ", (aside, style))


def _charted(
    text: Line, values: Sequence[float | None], size: tuple[int, int, float]
) -> list[Line]:
    """Words on the left; beside them a chart that begins at the start of the round."""
    columns, rows, highest = size
    values = [*values[:columns], *[None] * (columns - len(values))]
    return charted(text, TEXT_WIDTH, words.bars(values, columns, highest=highest, rows=rows))


def _seconds(value: float) -> str:
    """`0.42 s`: always in seconds, so that two moments can be compared at a glance."""
    return f"{value:.2f} s" if value < 99.995 else f"{value:,.0f} s"
