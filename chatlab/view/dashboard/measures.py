"""What the server measures: rates, totals and latencies of messages, and what the files cost.

Snapshots come at any interval and never exactly on the second; a chart whose columns are whole
seconds stands still while it moves on. Every block here is a pure function that returns lines no
wider than it was told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import ceil, floor
from operator import attrgetter
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style

from chatlab.chat.metrics import STEPS
from chatlab.chat.snapshot import Percentiles, Snapshot
from chatlab.disk.counted import FileIO
from chatlab.view import words
from chatlab.view.words import (
    GOOD,
    LABEL_WIDTH,
    PLAIN,
    QUIET,
    STRONG,
    TEXT_WIDTH,
    Line,
    chart_width,
    charted,
    cut,
    heading,
    line,
)

_LATENCIES = {
    "ack": "ack_ms",
    "save": "save_ms",
    "delivery": "delivery_ms",
    "loop lag": "loop_lag_ms",
}
MESSAGES_WIDTH = LABEL_WIDTH + 9 + 11 + 2
NAME_WIDTH = 18
NAME_WIDTH_MAX = 40


class Column(NamedTuple):
    """One figure: its width, where it comes from, and how its total and its share are written."""

    title: str
    width: int
    of: Callable[[FileIO], int]
    total: Callable[[int], str] = words.count
    each: Callable[[int, int], str] = words.ratio


COLUMNS = (
    Column("reads", 10, lambda io: io.reads),
    Column("writes", 10, lambda io: io.writes),
    Column("operations", 12, lambda io: io.operations),
    Column("fsyncs", 9, lambda io: io.fsyncs),
    Column("read", 10, lambda io: io.bytes_read, words.size, words.size_ratio),
    Column("written", 10, lambda io: io.bytes_written, words.size, words.size_ratio),
)


def messages(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Rates and totals of each step; all charts have one scale, so that they can be compared."""
    seconds = chart_width(width, MESSAGES_WIDTH)
    values = {step: rates_per_s(history, attrgetter(f"counts.{step}"), seconds) for step in STEPS}
    highest = max((rate for rates in values.values() for rate in rates), default=0.0)
    titles = f"messages{'per s':>7}{'total':>11}"
    lines = [heading(titles + "  " + _scale(seconds, highest), width)]
    for step, text in message_rows(history[-1]).items():
        chart = words.bars(values[step], seconds, highest=highest, rows=rows)
        lines += charted(text, MESSAGES_WIDTH, chart)
    return [cut(each, width) for each in lines]


def message_rows(now: Snapshot) -> dict[str, Line]:
    """Rate and total of each step."""
    rows = {}
    for step in STEPS:
        rate = words.per_s(getattr(now.rates, f"{step}_per_s"))
        total = words.count(getattr(now.counts, step))
        style = GOOD if step == "delivered" else STRONG
        rows[step] = line(step.ljust(LABEL_WIDTH), (rate.rjust(9), style), total.rjust(11), "  ")
    return rows


def latencies(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Percentiles of the latest samples; charts show p95."""
    seconds = chart_width(width)
    caption = f"  p95, last {seconds} s" if seconds else ""
    lines = [heading("latency   p50     p95     p99     n" + caption, width)]
    for name, text in latency_rows(history[-1]).items():
        p95 = attrgetter(f"{_LATENCIES[name]}.p95")
        lines += charted(
            text, TEXT_WIDTH, words.bars(gauge(history, p95, seconds), seconds, rows=rows)
        )
    return [cut(each, width) for each in lines]


def latency_rows(now: Snapshot) -> dict[str, Line]:
    """The percentiles of each latency, by its name."""
    return {name: _latency_line(name, getattr(now, field)) for name, field in _LATENCIES.items()}


def block(
    title: str,
    texts: Mapping[str, Line],
    charts: Mapping[str, Callable[[Snapshot], float]],
    history: Sequence[Snapshot],
    width: int,
    rows: int,
) -> list[Line]:
    """A heading and rows, some with a chart beside them.

    Args:
        title: for the heading.
        texts: the rows, by label.
        charts: what to chart beside some of them.
        history: snapshots, oldest first.
        width: columns.
        rows: lines of each chart.
    """
    seconds = chart_width(width)
    lines = [heading(title, width)]
    for label, text in texts.items():
        if label in charts:
            bars = words.bars(gauge(history, charts[label], seconds), seconds, rows=rows)
            lines += charted(text, TEXT_WIDTH, bars)
        else:
            lines.append(text)
    return [cut(each, width) for each in lines]


def files(now: Snapshot, width: int, rows_max: int = 100) -> list[Line]:
    """What each file has cost, all files together, and each message.

    Args:
        now: the snapshot.
        width: columns.
        rows_max: most lines for single files; the least busy files then share the last one.
    """
    columns, name_width = _columns(width)

    def row(name: str, cells: list[str], style: Style) -> Line:
        text = words.shorten_middle(words.printable(name), name_width - 1)
        padding = " " * (name_width - cell_len(text))
        figures = "".join(cell.rjust(c.width) for c, cell in zip(columns, cells, strict=True))
        return cut(line((text + padding + figures, style)), width)

    def each(name: str, messages: int) -> Line:
        return row(name, [c.each(c.of(now.io), messages) for c in columns], STRONG)

    titles = "files".ljust(name_width - 3) + "".join(c.title.rjust(c.width) for c in columns)
    singles = [
        row(name, [c.total(c.of(io)) for c in columns], PLAIN)
        for name, io in _busiest(now, rows_max)
    ]
    return [
        heading(titles, width),
        *singles,
        row("all files", [c.total(c.of(now.io)) for c in columns], STRONG),
        each("per saved msg", now.counts.saved),
        each("per delivered msg", now.counts.delivered),
    ]


def file_rows(now: Snapshot) -> dict[str, Line]:
    """All files together, a row for each kind of figure; and each message's share of it."""
    io, counts = now.io, now.counts
    rows = {
        c.title: line(c.title.ljust(NAME_WIDTH), (c.total(c.of(io)), STRONG), " in all files")
        for c in COLUMNS
    }
    for label, messages in ("per saved msg", counts.saved), ("per delivered msg", counts.delivered):
        each = words.ratio(io.operations, messages)
        rows[label] = line(label.ljust(NAME_WIDTH), (each, STRONG), " operations")
    return rows


def rates_per_s(
    history: Sequence[Snapshot], total: Callable[[Snapshot], float], seconds_max: int
) -> list[float]:
    """How much a total grew in each of the last whole seconds, oldest first.

    Args:
        history: snapshots of one server, oldest first.
        total: what to look at: something that only grows.
        seconds_max: most values to return.
    """
    times = [snapshot.uptime_s for snapshot in history]
    totals = [total(snapshot) for snapshot in history]
    seconds = _seconds(times, seconds_max)
    return [b - a for a, b in pairwise(_between(times, totals, at) for at in seconds)]


def gauge(
    history: Sequence[Snapshot], value: Callable[[Snapshot], float | None], seconds_max: int
) -> list[float | None]:
    """What a value was at the end of each of the last whole seconds, oldest first."""
    times = [snapshot.uptime_s for snapshot in history]
    return [value(history[bisect_right(times, at) - 1]) for at in _seconds(times, seconds_max - 1)]


def _latency_line(name: str, now: Percentiles) -> Line:
    p50, p95, p99 = (words.milliseconds(value).rjust(8) for value in (now.p50, now.p95, now.p99))
    return line(name.ljust(8), p50, (p95, STRONG), p99, (words.count(now.n).rjust(6), QUIET))


def _scale(seconds: int, highest: float) -> str:
    if not seconds:
        return ""
    return words.first_that_fits(
        seconds - 1, f"last {seconds} s, full height {words.per_s(highest)}", f"last {seconds} s"
    )


def _columns(width: int) -> tuple[list[Column], int]:
    """The columns that fit, as wide as there is room for, and the width of the names."""
    ends = accumulate(column.width for column in COLUMNS)
    fitting = [c for c, end in zip(COLUMNS, ends, strict=True) if NAME_WIDTH + end <= width]
    room = width - NAME_WIDTH - sum(column.width for column in fitting)
    wider = min(4, max(0, room) // (len(fitting) + 3))
    name_width = min(NAME_WIDTH_MAX, NAME_WIDTH + room - wider * len(fitting))
    return [column._replace(width=column.width + wider) for column in fitting], name_width


def _busiest(now: Snapshot, rows_max: int) -> list[tuple[str, FileIO]]:
    ordered = sorted(now.files.items(), key=lambda item: -item[1].operations)
    if len(ordered) <= rows_max:
        return ordered
    shown = ordered[: max(0, rows_max - 1)]
    rest = ordered[len(shown) :]
    return [*shown, (f"{len(rest)} other files", sum((io for _, io in rest), FileIO()))]


def _seconds(times: Sequence[float], back: int) -> range:
    last = floor(times[-1])
    return range(max(ceil(times[0]), last - max(0, back)), last + 1)


def _between(times: Sequence[float], totals: Sequence[float], at: float) -> float:
    """The total at a moment between two snapshots, on a straight line between them."""
    after = min(len(times) - 1, bisect_right(times, at))
    before = max(0, after - 1)
    span = times[after] - times[before]
    share = (at - times[before]) / span if span > 0 else 0.0
    return totals[before] + (totals[after] - totals[before]) * min(1.0, share)
