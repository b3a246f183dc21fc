"""What the files have cost: one line for each, all together, and for each message.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style

from chatlab.chat.snapshot import Snapshot
from chatlab.disk.counted import FileIO
from chatlab.view import words
from chatlab.view.lines import PLAIN, STRONG, Line, cut, heading, line

NAME_WIDTH = 18
NAME_WIDTH_MAX = 40


class Column(NamedTuple):
    """One figure: how wide it is, where it comes from, and how it is said, in all and for each."""

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


def files(now: Snapshot, width: int, rows_max: int = 100) -> list[Line]:
    """What each file has cost, all together, and for each message.

    Args:
        now: the snapshot.
        width: columns.
        rows_max: at most so many lines for single files; the least busy then share the last one.
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
