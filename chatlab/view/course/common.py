"""What all views of the course share: marks, points, places, tables, and text that is safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chatlab.course.verdicts import Verdict
from chatlab.view import words
from chatlab.view.words import BAD, GOOD, PLAIN, QUIET, WARNING

MARKS: dict[Verdict, tuple[str, Style]] = {
    "passed": ("✓", GOOD),
    "partial": ("~", WARNING),
    "failed": ("✗", BAD),
    "unsure": ("?", WARNING),
    "skipped": ("-", QUIET),
}
LABEL_WIDTH = 10

Rows = list[tuple[str, RenderableType]]
"""Labels, and what stands beside each."""

_COLUMNS: dict[str, dict[str, Any]] = {
    "mark": {"width": 1},
    "label": {"width": LABEL_WIDTH - 1, "no_wrap": True, "style": QUIET},
    "name": {"no_wrap": True},
    "number": {"justify": "right", "no_wrap": True},
    "quiet number": {"justify": "right", "no_wrap": True, "style": QUIET},
    "text": {"overflow": "fold"},
    "quiet text": {"overflow": "fold", "style": QUIET},
}


class Readable:
    """Content to print: without trailing blanks, which copy badly, and in ASCII where the console
    has nothing else."""

    def __init__(self, content: RenderableType) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self.content, options, pad=False):
            while line and not line[-1].text.rstrip(" "):
                line.pop()
            for number, (text, style, _) in enumerate(line, start=1):
                shown = words.to_ascii(text) if options.ascii_only else text
                yield Segment(shown.rstrip(" ") if number == len(line) else shown, style)
            yield Segment.line()


def safe(text: str) -> str:
    """Text of many lines, without control characters that a terminal would obey."""
    return "\n".join(words.printable(line.expandtabs(4)) for line in text.splitlines())


def plain(text: str, style: Style = PLAIN) -> Text:
    """Text as it is: no markup, no control characters."""
    return Text(safe(text), style=style)


def mark(verdict: Verdict) -> Text:
    """`✓`, `✗`, `~`, `?` or `-`."""
    return Text(*MARKS[verdict])


def points(earned: float, of: float) -> str:
    """`7.5 of 10`."""
    return f"{amount(earned)} of {amount(of)}"


def amount(value: float) -> str:
    """`7.5`, `7`: a number of points."""
    return f"{round(value, 1):g}"


def shown_path(path: Path) -> str:
    """A path, relative to the current folder if it lies below it."""
    try:
        return words.printable(str(path.absolute().relative_to(Path.cwd())))
    except ValueError:
        return words.printable(str(path))


def grid(*columns: str, gap: int = 2) -> Table:
    """A table without lines.

    Args:
        columns: for each the kind of its content: `mark`, `label`, `name` (stays on one line),
            `number`, `text` (wraps), `quiet number`, `quiet text`.
        gap: blanks between columns.
    """
    table = Table.grid(padding=(0, gap, 0, 0))
    for kind in columns:
        table.add_column(**_COLUMNS[kind])
    return table


def labelled(rows: Rows) -> Table:
    """Rows with a quiet label at the left, which stay readable when they wrap."""
    table = grid("label", "text", gap=1)
    for label, content in rows:
        table.add_row(label, content)
    return table


def indented(content: RenderableType, columns: int = 2) -> Padding:
    """A block, a little to the right."""
    return Padding(content, (0, 0, 0, columns))
