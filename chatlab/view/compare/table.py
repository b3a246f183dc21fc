"""The result of a comparison on a terminal: speed and truth in one table.

Pure: a report goes in, something to print comes out. Its rows are from `figures.py`, its sentences
from `claims.py`, which all exports share.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from chatlab.bench.report import Report
from chatlab.data.records import CHATROOMS, USERS
from chatlab.disk.counted import FOLDER
from chatlab.view import words
from chatlab.view.compare import claims, figures

BAR_WIDTH = 40
LABEL_WIDTH = 28
MODE_WIDTH = 21
NOT_MESSAGES = {USERS.name, CHATROOMS.name, FOLDER}
_STYLES: dict[str, str] = {"plain": "", "good": "green", "bad": "bold red"}
_TONES: dict[str, str] = {"better": "green", "worse": "yellow", "unsafe": "bold red"}


def render(report: Report, *, both_clocks: bool = False) -> RenderableType:
    """The whole result: the table, the chart of file operations, the claims, the trust.

    Args:
        report: what was measured.
        both_clocks: whether to show latency from the real send too.
    """
    if not report.modes:
        return Text("Nothing was measured: stopped before the first round ended.")
    return Group(
        *_cautions(report),
        Text(claims.load(report), style="bold"),
        _Tables(report, both_clocks),
        Text(),
        _operations_chart(report),
        Text(),
        *_claims(report),
        *_trust(report),
    )


class _Tables:
    """The figures, in as many tables as the terminal's width demands."""

    def __init__(self, report: Report, both_clocks: bool) -> None:
        self._names = list(report.modes)
        self._rows = figures.rows(report, both_clocks=both_clocks)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        at_once = max(1, (options.max_width - LABEL_WIDTH) // MODE_WIDTH)
        for first in range(0, len(self._names), at_once):
            if first:
                yield Text()
            yield self._table(slice(first, first + at_once))

    def _table(self, shown: slice) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("", no_wrap=True, style="dim")
        for name in self._names[shown]:
            table.add_column(words.printable(name), justify="right", overflow="fold")
        for row in self._rows:
            if row.heading:
                table.add_row()
                table.add_row(Text(row.label, style="bold not dim"))
            else:
                cells = (Text(cell.text, _STYLES[cell.tone]) for cell in row.cells[shown])
                table.add_row(row.label, *cells)
        return table


def _cautions(report: Report) -> Iterator[Text]:
    for name, sentence in claims.cautions(report).items():
        yield Text(f"! {name}: {sentence}", style="bold yellow")


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


def _claims(report: Report) -> Iterator[Text]:
    for claim in claims.claims(report):
        yield Text(f"{claim.mark} {claim.sentence}", style=_TONES.get(claim.tone, ""))
        for but in claim.buts:
            yield Text(f"  {but}")
    noisy = [
        f"{words.printable(name)} {number}"
        for name, mode in report.modes.items()
        for number, one in enumerate(mode.rounds, start=1)
        if one.noisy
    ]
    if noisy:
        yield Text(f"Far from the other rounds, but counted: round {', '.join(noisy)}.", "dim")


def _trust(report: Report) -> Iterator[Text]:
    failed = [check for check in report.trust if not check.ok]
    if not failed:
        yield Text(f"Trust: all {len(report.trust)} checks of the instrument held.", style="dim")
    for check in failed:
        yield Text(f"! Trust: {claims.trust_line(check)}", style="yellow")
