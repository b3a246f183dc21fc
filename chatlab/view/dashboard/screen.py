"""The dashboard: snapshots in, a screenful out. Nothing else.

Owns where each block stands on a screen of a given size: two columns where they fit, otherwise one
below the other and cut at the bottom. Read `head.py`, `flow.py`, `state.py` and
`costs.py` for the blocks, `live.py` for the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from chatlab.chat.snapshot import Snapshot
from chatlab.view.dashboard import costs, flow, head, state
from chatlab.view.lines import Line, Page, beside, line

TWO_COLUMNS_MIN = 78
GAP = 2
HINT = "Ctrl-C ends"
CHART_ROWS_MAX = 3
_CHARTED_ROWS = 6
_FILE_ROWS = 4
"""Files that keep their own line before charts grow: as many as the starting data have."""


def render(history: Sequence[Snapshot], width: int, height: int) -> RenderableType:
    """The dashboard as it is at the last of some snapshots.

    Args:
        history: snapshots of one server, oldest first; the older ones give the charts.
        width: columns; no line is wider.
        height: lines; there are no more.
    """
    if not history:
        return Page([line("waiting for the server")][:height])
    wide = width >= TWO_COLUMNS_MIN
    lines = _two_columns(history, width, height) if wide else _one_column(history, width)
    if len(lines) > height and history[-1].notes:
        lines[height - 1] = state.notes(history[-1], width)[1]  # a warning is never cut off
    return Page(lines[:height])


def _two_columns(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    now = history[-1]
    left = width // 2
    right = width - left - GAP
    lines = _head(now, width)
    rows = _chart_rows(height - len(lines))
    lines += beside(
        flow.messages(history, left, rows), flow.latencies(history, right, rows), left, GAP
    )
    lines += beside(
        state.queue(history, left, rows), state.process(history, right, rows), left, GAP
    )
    note_rows = min(3, 1 + max(1, len(now.notes)))
    lines += costs.files(now, width, max(1, height - len(lines) - 4 - note_rows))
    return lines + state.notes(now, width, max(2, height - len(lines)), HINT)


def _one_column(history: Sequence[Snapshot], width: int) -> list[Line]:
    now = history[-1]
    return [
        *_head(now, width),
        *flow.messages(history, width),
        *state.queue(history, width),
        *flow.latencies(history, width),
        *state.process(history, width),
        *costs.files(now, width),
        *state.notes(now, width),
    ]


def _head(now: Snapshot, width: int) -> list[Line]:
    return [head.title(now, width), *head.line_up(now, width), head.ack(now, width)]


def _chart_rows(height: int) -> int:
    """Lines for each chart, once everything else has its place."""
    others = 3 + (_FILE_ROWS + 4) + 3
    return max(1, min(CHART_ROWS_MAX, (height - others) // _CHARTED_ROWS))
