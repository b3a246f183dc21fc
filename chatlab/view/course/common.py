"""What all views of the course share: marks, points, places, and text that cannot harm."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chatlab.course.verdicts import Verdict
from chatlab.view import words
from chatlab.view.lines import BAD, GOOD, PLAIN, QUIET, WARNING

MARKS: dict[Verdict, tuple[str, Style]] = {
    "passed": ("✓", GOOD),
    "partial": ("~", WARNING),
    "failed": ("✗", BAD),
    "unsure": ("?", WARNING),
    "skipped": ("-", QUIET),
}
LABEL_WIDTH = 10


class Readable:
    """Something to print: without blanks at the ends of lines, which copy badly, and in ASCII where
    the console knows nothing else."""

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
    """Text of many lines, without anything that would steer a terminal."""
    return "\n".join(words.printable(line.expandtabs(4)) for line in text.splitlines())


def plain(text: str, style: Style = PLAIN) -> Text:
    """Text as it is: no markup, nothing that would steer a terminal."""
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


def many(count: int, word: str) -> str:
    """`1 point`, `2 points`."""
    return f"{count:,} {word}{'s' * (count != 1)}"


def shown_path(path: Path) -> str:
    """A path from the current folder where that is shorter to read."""
    try:
        return words.printable(str(path.absolute().relative_to(Path.cwd())))
    except ValueError:
        return words.printable(str(path))


def labelled(rows: list[tuple[str, RenderableType]]) -> Table:
    """Rows with a quiet word at the left, which stay readable when they wrap."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=LABEL_WIDTH - 1, no_wrap=True, style=QUIET)
    table.add_column(overflow="fold")
    for label, content in rows:
        table.add_row(label, content)
    return table


def indented(content: RenderableType, columns: int = 2) -> Padding:
    """A block, a little to the right."""
    return Padding(content, (0, 0, 0, columns))
