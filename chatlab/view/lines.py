"""Lines of a screen, built so that each has exactly the given width.

Owns styles, padding, headings and columns. Rich's own tables would measure and wrap every cell
each time; a dashboard that runs in the server's event loop must be cheaper than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from chatlab.view import words

Line = list[Segment]

PLAIN = Style()
STRONG = Style.parse("bold")
QUIET = Style.parse("bright_black")
HEADING = Style.parse("cyan")
CHART = Style.parse("cyan")
DIFFERENT = Style.parse("bold cyan")
GOOD = Style.parse("bold green")
WARNING = Style.parse("yellow")
BAD = Style.parse("bold red")

LABEL_WIDTH = 9
TEXT_WIDTH = 40
"""Columns of a row's words; the rest of a block becomes a chart."""
CHART_MIN = 6


class Page:
    """Lines for a console to print, in ASCII where the console shows nothing else."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = list(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for content in self.lines:
            for text, style, _ in content:
                yield Segment(words.to_ascii(text) if options.ascii_only else text, style)
            yield Segment.line()


def line(*parts: str | tuple[str, Style]) -> Line:
    """A line of texts, each plain or with a style."""
    return [Segment(part) if isinstance(part, str) else Segment(*part) for part in parts]


def fit(content: Line, width: int) -> Line:
    """The line, cut or filled up to `width` columns."""
    return Segment.adjust_line_length(content, width)


def cut(content: Line, width: int) -> Line:
    """The line, cut to at most `width` columns."""
    return Segment.adjust_line_length(content, width, pad=False)


def heading(title: str, width: int, aside: str = "") -> Line:
    """A rule with a title in it; it also fills the gaps between the title's columns.

    Args:
        title: at the left.
        width: columns.
        aside: at the right, where there is room for it.
    """
    text = f"── {words.shorten(title, max(0, width - 3))} "[:width]
    text = re.sub(r"(?<= ) +(?= )", lambda gap: "─" * len(gap[0]), text)
    end = f" {aside} ──" if aside and len(text) + len(aside) + 4 <= width else ""
    return line((text + "─" * (width - len(text) - len(end)) + end, HEADING))


def beside(left: Sequence[Line], right: Sequence[Line], left_width: int, gap: int) -> list[Line]:
    """Two blocks next to each other."""
    both: Iterable[tuple[Line, Line]] = zip_longest(left, right, fillvalue=[])
    return [[*fit(a, left_width), Segment(" " * gap), *b] for a, b in both]


def chart_width(width: int, text_width: int = TEXT_WIDTH) -> int:
    """Columns left for a chart in a block of `width`; 0 if they would be too few to show much."""
    room = width - text_width
    return room if room >= CHART_MIN else 0


def charted(text: Line, text_width: int, chart: Sequence[str]) -> list[Line]:
    """Words on the left; beside them a chart of some lines, on whose last one the words stand."""
    texts: list[Line] = [[]] * (len(chart) - 1) + [text]
    return [
        [*fit(part, text_width), Segment(bars, CHART)]
        for part, bars in zip(texts, chart, strict=True)
    ]
