"""Large charts: bars over the last seconds, with a scale at the left and the time below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard.measures import gauge, rates_per_s
from chatlab.view.dashboard.waiting import all_waiting
from chatlab.view.words import CHART, QUIET, Line, cut, heading, line, rounded_up

SCALE_WIDTH = 10
MARK_EVERY_S = 30
_HALF_MIN = 4
"""Lines from which on the middle of the scale is written, too."""


def chart(
    title: str,
    values: Sequence[float | None],
    width: int,
    rows: int,
    written: Callable[[float], str],
) -> list[Line]:
    """A heading, and `rows` lines of bars, one column for each second.

    Args:
        title: what it shows.
        values: one a second, oldest first; None where there is none.
        width: columns.
        rows: lines below the heading, at least one; of many, an odd one is left free.
        written: how a value above 0 stands at the scale.
    """
    if rows >= _HALF_MIN:
        rows -= rows % 2  # so that half the scale stands at the top of a line
    highest = max((value for value in values if value is not None), default=0.0)
    labels = {rows - 1: "0"}
    if highest > 0:
        highest = rounded_up(highest)
        labels[0] = written(highest)
        if rows >= _HALF_MIN:
            labels[rows // 2] = written(highest / 2)
    bars = words.bars(values, plot_width(width), highest=highest, rows=rows)
    scaled = ((labels.get(row, ""), bar) for row, bar in enumerate(bars))
    lines = [
        line((label.rjust(SCALE_WIDTH - 2) + "  ", QUIET), (bar, CHART)) for label, bar in scaled
    ]
    return [heading(title, width), *(cut(each, width) for each in lines)]


def plot_width(width: int) -> int:
    """The seconds that a chart of `width` columns shows."""
    return max(1, width - SCALE_WIDTH)


def delivered_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    """Messages that reached their room."""
    values = rates_per_s(history, attrgetter("counts.delivered"), plot_width(width))
    return chart("delivered per second", values, width, rows, words.per_s)


def latency_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    """How long they took: what people notice."""
    values = gauge(history, attrgetter("delivery_ms.p95"), plot_width(width))
    return chart("latency of the delivery, p95", values, width, rows, words.milliseconds)


def waiting_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    """Messages that wait, wherever."""
    values = gauge(history, all_waiting, plot_width(width))
    title = "messages waiting, in the queue and outside"
    return chart(title, values, width, rows, lambda value: words.short_count(round(value)))


def time_axis(width: int) -> Line:
    """How long ago each column was."""
    seconds = plot_width(width)
    text = [" "] * seconds
    for ago in range(0, seconds, MARK_EVERY_S):
        mark = f"-{ago} s" if ago else "now"
        at = seconds - ago - len(mark)
        if at >= 0:
            text[at : at + len(mark)] = mark
    return cut(line((" " * SCALE_WIDTH + "".join(text), QUIET)), width)
