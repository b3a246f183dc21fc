"""A comparison on a terminal: verdict, promise and trust first, then the figures.

The usual screen is short: with two modes it fits 80 columns and 24 lines, the prompt included. What
is not as it should be is always shown; `--full` shows the rest. Where that is too much for the
terminal, the first lines are also the last: the screen that one is left with carries the verdict.

Pure: a report goes in, something to print comes out. The rows are those of `table.py`, the
sentences those of `claims.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from chatlab.bench.report import Report
from chatlab.data.records import CHATROOMS, USERS
from chatlab.disk.counted import FOLDER
from chatlab.view import words
from chatlab.view.compare import claims
from chatlab.view.compare.headlines import headlines
from chatlab.view.compare.table import TableRow, rows

BAR_WIDTH = 40
BELOW = 3
"""Lines left to what is said after a result, such as which file was written, and to the prompt."""
GAP = 2
NAME_MAX = 19
NOT_MESSAGES = {USERS.name, CHATROOMS.name, FOLDER}
MORE = "--full opens the audit, each file and a chart; --explain says what each row is."
_STYLES = {"plain": words.PLAIN, "good": words.GOOD, "bad": words.BAD}
_TONES = {"better": words.GOOD, "worse": words.WARNING, "unsafe": words.BAD}


def render(report: Report, *, both_clocks: bool = False, full: bool = False) -> RenderableType:
    """The whole result.

    Args:
        report: what was measured.
        both_clocks: whether to show latency from the real send too.
        full: whether to show each file, each count of the audit, and the chart of operations.
    """
    if not report.modes:
        return Text("Nothing was measured: stopped before the first round ended.")
    more = (Text(), _operations_chart(report)) if full else (Text(MORE, style=words.QUIET),)
    return _Screens(
        Group(*_cautions(report), _headlines(report)),
        Group(
            Text(),
            Text(claims.load(report), style="bold"),
            _Tables(
                list(report.modes), rows(report, both_clocks=both_clocks, full=full), spaced=full
            ),
            *more,
        ),
    )


def _cautions(report: Report) -> Iterator[Text]:
    for name, sentence in claims.cautions(report).items():
        yield Text(f"! {name}: {sentence}", style=words.WARNING)


def _headlines(report: Report) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style=words.STRONG, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in headlines(report):
        style = _TONES.get(one.tone, words.PLAIN)
        table.add_row(one.label, Text(one.text[0], style=style), Text(one.text[2:], style=style))
    return table


@dataclass(frozen=True, slots=True)
class _Screens:
    """What matters, and what follows. A terminal too low for both shows what matters again below.
    A file is read from its beginning: there nothing is repeated.
    """

    first: RenderableType
    rest: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from (self.first, self.rest)
        height = len(console.render_lines(Group(self.first, self.rest), options, pad=False))
        if console.file.isatty() and height + BELOW > console.height:
            yield from (Text(), self.first)


class _Tables:
    """The figures, in as many tables as the terminal's width demands.

    Args:
        names: of the modes.
        figures: the rows.
        spaced: whether an empty line stands before each heading.
    """

    def __init__(self, names: list[str], figures: list[TableRow], *, spaced: bool) -> None:
        self._names = [_in_lines(words.printable(name)) for name in names]
        self._rows = figures
        self._spaced = spaced

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - max(cell_len(row.label) for row in self._rows)
        first, used = 0, 0
        for place, name in enumerate(self._names):
            cells = [row.cells[place].text for row in self._rows if not row.heading]
            needed = GAP + max(map(cell_len, [*cells, *name.split("\n")]))
            if used + needed > room and place > first:
                yield from (self._table(slice(first, place)), Text())
                first, used = place, 0
            used += needed
        yield self._table(slice(first, None))

    def _table(self, shown: slice) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        heading, *figures = self._rows
        table.add_column(heading.label, no_wrap=True, style=words.QUIET)
        for name in self._names[shown]:
            table.add_column(name, justify="right", overflow="fold")
        for row in figures:
            if row.heading:
                if self._spaced:
                    table.add_row()
                table.add_row(Text(row.label, style="bold default"))
            else:
                cells = (Text(cell.text, _STYLES[cell.tone]) for cell in row.cells[shown])
                table.add_row(row.label, *cells)
        return table


def _in_lines(name: str) -> str:
    """A long name, broken where its next part begins; of a long part, between folders."""
    if cell_len(name) <= NAME_MAX:
        return name
    parts = name.replace("+", "\n+").split("\n")
    return "\n".join(
        re.sub("(?<=/)|(?=:)", "\n" * (cell_len(one) > NAME_MAX), one) for one in parts
    )


def _operations_chart(report: Report) -> RenderableType:
    """Reads and writes in one round, wherever a mode keeps its messages."""
    counts = {
        name: sum(io.operations for file, io in mode.io.files.items() if file not in NOT_MESSAGES)
        for name, mode in report.modes.items()
    }
    most = max(*counts.values(), 1)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, max_width=26, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, count in counts.items():
        bar = "█" * max(count > 0, round(BAR_WIDTH * count / most))
        table.add_row(words.printable(name), f"{count:,}", bar)
    messages = report.scenario["messages"]
    title = f"Reads and writes of the messages' files, for {messages:,} messages"
    return Group(Text(title, style="bold"), table)
