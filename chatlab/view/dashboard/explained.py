"""What each row of a view means: the row as it stands, and below it the words of `explanations.md`.

Pure, as every view; it makes pages of whole entries, as many as the terminal needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import zip_longest
from textwrap import wrap

from chatlab.view import explain
from chatlab.view.words import PLAIN, QUIET, Line, beside, cut, line

TWO_COLUMNS_MIN = 120
GAP = 4
INDENT = 2


def pages(rows: Mapping[str, Line], width: int, height: int) -> list[list[Line]]:
    """The explained rows, in pages of at most `height` lines and `width` columns; at least one.

    Args:
        rows: of a view, by their labels; each label is one of the dashboard's explanations.
        width: columns.
        height: lines.
    """
    wide = width >= TWO_COLUMNS_MIN
    each = (width - GAP) // 2 if wide else width
    columns: list[list[Line]] = [[]]
    for label, row in rows.items():
        entry = [cut(row, each), *_words(label, each), []]
        if columns[-1] and len(columns[-1]) + len(entry) - 1 > height:
            columns.append([])
        columns[-1] += entry
    if not wide:
        return columns
    pairs = zip_longest(columns[::2], columns[1::2], fillvalue=list[Line]())
    return [beside(left, right, each, GAP) for left, right in pairs]


@cache  # bounded by the widths of a terminal
def _words(label: str, width: int) -> list[Line]:
    one = explain.dashboard()[label]
    texts = (
        (one.what, PLAIN),
        (f"measured: {one.how}", QUIET),
        (f"fooled by: {one.fooled}", QUIET),
    )
    return [
        line((" " * INDENT + part, style))
        for text, style in texts
        for part in wrap(text, max(10, width - INDENT))
    ]
