"""What every lab's screen is made of: bars, tables, headings, and a line about what runs now."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import Estimate
from chatlab.plain_text import printable
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.dashboard.live import drawn_at_once

EIGHTHS = " ▏▎▍▌▋▊▉█"
REFRESHES_PER_S = 2
"""A faster spinner would take processor time from the server."""


def bar(value: float | None, highest: float, width: int) -> str:
    """A bar of `width` columns for `highest`; anything above 0 shows at least a sliver."""
    if value is None or value <= 0 or highest <= 0:
        return ""
    eighths = max(1, round(8 * width * min(1.0, value / highest)))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def table(*columns: str, left: int = 1) -> Table:
    """An empty table: the first `left` columns to the left, figures to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(
            column, justify="left" if number < left else "right", no_wrap=number >= left
        )
    return made


def chart(rows: Sequence[tuple[str, float, str]], width: int, **labels: Any) -> Table:
    """A bar for each row, the longest of `width` columns.

    Args:
        rows: label, value, and the value as people read it.
        labels: how the column of labels looks, as `Table.add_column` takes it.
    """
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, **labels)
    grid.add_column(no_wrap=True, min_width=width, style=words.CHART)
    grid.add_column(no_wrap=True, justify="right")
    highest = max(value for _, value, _ in rows)
    for label, value, figure in rows:
        grid.add_row(label, bar(value, highest, width), figure)
    return grid


def interval(found: Estimate, spec: str) -> str:
    """`0.9 to 1.1`, each formatted as `spec` says; empty if the samples are too few."""
    if found.low is None or found.high is None:
        return ""
    return f"{found.low:{spec}} to {found.high:{spec}}"


def title(text: str, *, complete: bool) -> Text:
    """A heading that says so if the run was stopped early."""
    return Text(text if complete else f"PARTIAL (stopped early): {text}", style="bold")


def rounds(count: int) -> str:
    """`one round`, `6 rounds`."""
    return "one round" if count == 1 else f"{count} rounds"


def nothing() -> Text:
    """What a lab shows that was stopped before its first result."""
    return Text("Nothing was measured: stopped before the first round ended.")


class Narrator:
    """Says on standard error what a lab is doing: one line that changes, or lines if no terminal.

    A context manager; outside of it nothing is shown.

    Args:
        out: where the result is shown.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._console = TextConsole(stderr=True)
        self._status = self._console.status("", refresh_per_second=REFRESHES_PER_S)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def say(self, line: str) -> None:
        """What is being done now."""
        if self._console.is_terminal:
            self._status.update(Text(printable(line)))
        else:
            self._console.print(line, soft_wrap=True)

    def show(self, row: RenderableType) -> None:
        """A piece of the result, before the end."""
        self._status.stop()  # else both would write on the same line
        self._out.print(row)
        if self._console.is_terminal:
            self._status.start()

    @contextmanager
    def terminal(self) -> Iterator[Live | None]:
        """The whole terminal, for a lab that draws; None where standard error is none."""
        # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
        if not sys.stderr.isatty() or self._console.is_dumb_terminal:
            yield None
            return
        self._status.stop()
        with drawn_at_once(self._console, full_screen=True) as live:
            yield live
