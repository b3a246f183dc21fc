"""Text on a screen: figures as people read them, and lines that have exactly the given width.

Owns how a count, a size, a time, a ratio and a row of bars are written, each with its unit: small
pure functions. And styles, padding, headings and columns: rich's own tables would measure and wrap
every cell each time; a dashboard that runs in the server's event loop must be cheaper than that.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import floor, log10

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from chatlab.chat.protocol import AckLevel
from chatlab.plain_text import printable as printable

DASH = "–"
"""Where there is no figure: a percentile of too few samples, a ratio without a base."""

ACK_WORDS: dict[AckLevel, str] = {
    "queued": "in memory: a crash loses it",
    "written": "with the operating system: survives a crash, not a power cut",
    "synced": "on the disk: survives a power cut",
}
"""What an ack promises, in plain words."""

_ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
BARS = "▁▂▃▄▅▆▇█"
_ASCII = str.maketrans(
    {DASH: "-", "…": "~", "·": "|", "─": "-", "░": ".", "✓": "+", "✗": "x", "•": "*", "━": "="}
    | dict(zip(BARS, "_.:-=+*#", strict=True))
)

Line = list[Segment]

PLAIN = Style()
STRONG = Style.parse("bold")
# Colours by number: a terminal's own yellow or cyan cannot be read on white, its grey not on black.
QUIET = Style.parse("color(243)")
HEADING = Style.parse("color(30)")
CHART = Style.parse("color(30)")
DIFFERENT = Style.parse("bold color(30)")
GOOD = Style.parse("bold color(28)")
WARNING = Style.parse("color(130)")
BAD = Style.parse("bold color(160)")

LABEL_WIDTH = 9
TEXT_WIDTH = 40
"""Columns of a row's words; the rest of a block becomes a chart."""
CHART_MIN = 6


def count(value: int) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def many(number: int, word: str) -> str:
    """`1 point`, `2 points`."""
    return f"{number:,} {word}{'s' * (number != 1)}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def short_count(value: int) -> str:
    """`1.23M` where a count has more digits than there is room for."""
    if value < 100_000:
        return count(value)
    shown = float(value)
    for unit in ("k", "M"):
        shown /= 1_000
        if shown < 999.5:
            return _three_digits(shown) + unit
    return _three_digits(shown / 1_000) + "G"


def per_s(value: float | None) -> str:
    """`310/s`; a dash for None."""
    return DASH if value is None else f"{value:,.0f}/s"


def size(value: float) -> str:
    """`12.3 kB`: bytes, in powers of 1,000."""
    if value < 999.5:
        return f"{value:.0f} B"
    for unit in ("kB", "MB", "GB"):
        value /= 1_000
        if value < 999.5:
            return f"{_three_digits(value)} {unit}"
    return f"{_three_digits(value / 1_000)} TB"


def milliseconds(value: float | None) -> str:
    """`12.3 ms`, or seconds from 1,000 ms on; a dash for None."""
    if value is None:
        return DASH
    if value < 999.5:
        return f"{_three_digits(value)} ms"
    return f"{_three_digits(value / 1_000)} s"


def duration(seconds: float) -> str:
    """`12 s`, `2 min 05 s` or `1 h 02 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600:,} h {whole % 3_600 // 60:02} min"


def about(seconds: float) -> str:
    """`8 s`, `45 s`, `3 min`, `2 h`: a time that is only a guess."""
    if seconds < 57.5:
        return f"{max(1, round(seconds)) if seconds < 10 else round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min" if seconds < 5_400 else f"{round(seconds / 3_600)} h"


def ratio(value: float, of: float) -> str:
    """`3.00` or `0.020`: `value` for each of `of`; a dash if `of` is 0."""
    if not of:
        return DASH
    each = value / of
    if each >= 0.9995 or not each:
        return _three_digits(each)
    return f"{each:.3f}" if each >= 0.0005 else "<0.001"


def size_ratio(value: float, of: float) -> str:
    """`1.20 kB`: bytes for each of `of`; a dash if `of` is 0."""
    if not of:
        return DASH
    return "<1 B" if 0 < value / of < 0.5 else size(value / of)


def shorten(text: str, width: int) -> str:
    """Text of at most `width` columns, its end cut off."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def shorten_middle(text: str, width: int) -> str:
    """Text of at most `width` columns, its middle cut out: the end of a path says most."""
    if cell_len(text) <= width:
        return text
    tail = max(0, width - 1) * 2 // 3
    end = text[len(text) - tail :]
    while cell_len(end) > tail:
        end = end[1:]
    head = width - 1 - cell_len(end)
    return set_cell_size(text, head) + "…" + end if width > 0 else ""


def first_that_fits(width: int, *candidates: str) -> str:
    """The first of several wordings that fits into `width` columns, or the last one cut."""
    for text in candidates:
        if cell_len(text) <= width:
            return text
    return shorten(candidates[-1], width)


def bars(
    values: Sequence[float | None], width: int, *, highest: float | None = None, rows: int = 1
) -> list[str]:
    """A bar chart of block characters, the newest value rightmost.

    Args:
        values: one for each column; None leaves it empty. More than `width` lose their oldest.
        width: columns.
        highest: the value of a full bar; by default the highest of those shown.
        rows: lines.

    Returns:
        `rows` lines of `width` characters, the top one first. A value above zero always shows
        more than the line that a zero shows.
    """
    shown = list(values)[-width:] if width > 0 else []
    top = highest if highest is not None else max((v for v in shown if v is not None), default=0)
    steps = rows * len(BARS) - 1  # a gap remains to what stands above
    heights = [_height(value, top, steps) for value in shown]
    lines = []
    for row in reversed(range(rows)):
        above = [max(0, min(len(BARS), height - row * len(BARS))) for height in heights]
        lines.append("".join((" " + BARS)[step] for step in above).rjust(width))
    return lines


def rounded_up(value: float) -> float:
    """The next round number, so that a scale stands still while its figures grow."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    at = bisect_left(_ROUND, value / power * (1 - 1e-9))
    return _ROUND[min(at, len(_ROUND) - 1)] * power


def to_ascii(text: str) -> str:
    """The same text, column for column, for a console that shows only ASCII."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def _height(value: float | None, top: float, steps: int) -> int:
    if value is None:
        return 0
    if value <= 0 or top <= 0:
        return 1
    return max(2, round(min(1.0, value / top) * steps))


def _three_digits(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


# Lines


class Page:
    """Lines for a console to print, in ASCII where the console shows nothing else."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = list(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for content in self.lines:
            for text, style, _ in content:
                yield Segment(to_ascii(text) if options.ascii_only else text, style)
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
    text = f"── {shorten(title, max(0, width - 3))} "[:width]
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
