"""Figures as people read them: small pure functions, each with its unit.

Owns how a count, a size, a time, a ratio and a row of bars are written. Read `lines.py` for how
words become lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from chatlab.chat.protocol import AckLevel

DASH = "–"
"""Where there is no figure: a percentile of too few samples, a ratio without a base."""

ACK_WORDS: dict[AckLevel, str] = {
    "queued": "in memory: a crash loses it",
    "written": "with the operating system: survives a crash, not a power cut",
    "synced": "on the disk: survives a power cut",
}
"""What an ack promises, in plain words."""

BARS = "▁▂▃▄▅▆▇█"
_ASCII = str.maketrans(
    {DASH: "-", "…": "~", "·": "|", "─": "-", "░": ".", "✓": "+", "✗": "x", "•": "*", "━": "="}
    | dict(zip(BARS, "_.:-=+*#", strict=True))
)


def count(value: int) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def many(number: int, word: str) -> str:
    """`1 point`, `2 points`."""
    return f"{number:,} {word}{'s' * (number != 1)}"


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


def printable(text: str) -> str:
    """Text in one line, without any character that controls a terminal.

    File names, notes and modes can come from clients or from another server.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


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
