"""One side of a race: one mode's figures at one moment, at a scale that both sides share.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from chatlab.view import words
from chatlab.view.compare.race_run import Run
from chatlab.view.compare.race_scale import TEXT_WIDTH, Scale
from chatlab.view.compare.race_state import Contestant
from chatlab.view.lines import (
    CHART,
    DIFFERENT,
    HEADING,
    PLAIN,
    QUIET,
    STRONG,
    Line,
    cut,
    fit,
    line,
)

PANEL_ROWS = 9
"""With charts of one line."""
NAME_MIN = 12
"""Columns that a name has before its status must be worded shorter."""
FRAME = len("──    ──")
GHOST = Style.parse("dim")
"""Not a colour: it is left where colours are not wanted."""


def panel(one: Contestant, scale: Scale, width: int, rows: int = 1) -> list[Line]:
    """One mode: always the same number of lines, so that nothing jumps.

    Args:
        one: the mode, and at which moment.
        scale: of both sides.
        width: columns; each line has exactly so many.
        rows: lines of each chart.
    """
    height = PANEL_ROWS + 2 * (rows - 1)
    lines = [_title(one, width)]
    if one.run is not None:
        lines += _figures(one, one.run, scale, rows)
    lines += [[]] * (height - len(lines))
    quiet = one.role in ("ghost", "waiting")
    return [fit([Segment(s.text, GHOST) for s in each] if quiet else each, width) for each in lines]


def _title(one: Contestant, width: int) -> Line:
    name = words.printable(one.name)
    room = width - FRAME - min(NAME_MIN, cell_len(name))
    status = words.first_that_fits(max(0, room), *_status(one))
    name = words.shorten_middle(name, max(0, width - FRAME - len(status)))
    filler = "─" * (width - FRAME - cell_len(name) - len(status))
    name_style, status_style = (DIFFERENT, STRONG) if one.role == "live" else (HEADING, PLAIN)
    return cut(
        line(("── ", HEADING), (name, name_style), (f" {filler} ", HEADING), (status, status_style))
        + line((" ──", HEADING)),
        width,
    )


def _status(one: Contestant) -> list[str]:
    """What this side shows, from the fullest wording to the shortest."""
    run = one.run
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


def _figures(one: Contestant, run: Run, scale: Scale, rows: int) -> list[Line]:
    now, until_s = run.at(one.t_s), min(one.t_s, run.end_s)
    # The label says "per second": with the unit as well, 10,000 would leave no space between.
    mean = words.per_s(now.delivered / until_s).removesuffix("/s") if until_s > 0 else words.DASH
    of_all = f"{words.short_count(now.delivered)} of {words.short_count(run.messages)}"
    refused = f"refused {words.count(now.refused)}" if now.refused else ""
    return [
        _row(
            "delivered",
            of_all,
            _bar(one.role == "ghost", now.delivered, run.messages, scale),
            CHART,
        ),
        *_charted(
            _row("delivered per second", mean),
            run.rates_per_s(until_s, scale.step_s),
            (scale.columns, rows, scale.per_s),
        ),
        *_charted(
            _row("queue", words.count(now.outstanding)),
            run.outstanding(until_s, scale.step_s),
            (scale.columns, rows, scale.outstanding),
        ),
        _row("oldest unanswered", _seconds(now.oldest_s), "still waiting" * (now.oldest_s > 0)),
        _row("acked", words.count(now.acked), refused),
        _operations(one, run),
        _latency("ack p95, planned", now.ack_p95_ms, "since it was due"),
        _latency("ack p95, send", now.ack_p95_send_ms, "since it was sent"),
    ]


def _operations(one: Contestant, run: Run) -> Line:
    """A ghost of which nobody counted this early shows its whole round, and says so."""
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
    missing = [None] * (columns - len(values))
    chart = words.bars([*values[:columns], *missing], columns, highest=highest, rows=rows)
    texts: list[Line] = [[]] * (rows - 1) + [text]
    return [
        [*fit(part, TEXT_WIDTH), Segment(bars, CHART)]
        for part, bars in zip(texts, chart, strict=True)
    ]


def _bar(ghost: bool, value: int, of: int, scale: Scale) -> str:
    """How much of all; a ghost's is lighter, also where there are no colours."""
    full = min(scale.columns, scale.columns * value // max(1, of))
    return ("░" if ghost else "█") * full + "▁" * (scale.columns - full)


def _seconds(value: float) -> str:
    """`0.42 s`: always in seconds, so that two moments can be compared at a glance."""
    return f"{value:.2f} s" if value < 99.995 else f"{value:,.0f} s"
