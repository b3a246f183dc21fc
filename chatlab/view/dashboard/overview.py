"""The overview of a server: every block, laid out for the room that there is.

Three columns and two large charts on a large terminal, two columns from 78 on, one on a narrow one.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.snapshot import Snapshot
from chatlab.view.dashboard import charts, measures, state, waiting
from chatlab.view.words import TEXT_WIDTH, Line, beside, cut, fit, heading

TWO_COLUMNS_MIN = 78
GAP = 2
THREE_COLUMNS_MIN = 120
LARGE_MIN = 34
"""Lines from which on the overview has large charts, if it is wide enough for three columns."""
WAITING_WIDTH = 52
TWO_NOTES_MIN = 26
"""Lines from which on a second note comes before the lines of single files."""
CHART_ROWS_MAX = 3
_CHARTED_ROWS = 7
_FILE_ROWS = 4
"""Files that keep their own line before charts grow: as many as the starting data have."""


def overview(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """All blocks, in `width` columns; there may be more lines than `height` on a small terminal."""
    if width >= THREE_COLUMNS_MIN and height >= LARGE_MIN:
        return _with_large_charts(history, width, height)
    if width >= TWO_COLUMNS_MIN:
        return _two_columns(history, width, height)
    return _one_column(history, width)


def _with_large_charts(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """All figures together, and below them two charts that share the time."""
    now = history[-1]
    lines = state.head(now, width) + _figures(history, width)
    below = [*measures.files(now, width, height // 6), *state.notes(history, width)[:4]]
    rows = height - len(lines) - len(below) - 3
    lines += charts.delivered_chart(history, width, rows - rows // 2)
    lines += charts.latency_chart(history, width, rows // 2)
    return [*lines, charts.time_axis(width), *below]


def _figures(history: Sequence[Snapshot], width: int) -> list[Line]:
    """Messages, latencies and what waits in three columns, and the process in one line."""
    now, left = history[-1], width - TEXT_WIDTH - WAITING_WIDTH - 2 * GAP
    both = beside(
        measures.messages(history, left), measures.latencies([now], TEXT_WIDTH), left, GAP
    )
    last = [heading(waiting.title(now), WAITING_WIDTH)]
    last += waiting.rows_of(now, WAITING_WIDTH).values()
    lines = beside(both, last, left + GAP + TEXT_WIDTH, GAP)
    cpu, memory, refused = state.process_rows(now, width - 2 * TEXT_WIDTH).values()
    process = [*fit(cpu, TEXT_WIDTH), *fit(memory, TEXT_WIDTH), *refused]
    return [*lines, heading("process, refusals", width), cut(process, width)]


def _two_columns(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    now = history[-1]
    left = width // 2
    right = width - left - GAP
    lines = state.head(now, width)
    rows = _chart_rows(height - len(lines))
    lines += beside(
        measures.messages(history, left, rows), measures.latencies(history, right, rows), left, GAP
    )
    lines += beside(
        waiting.block(history, left, rows), state.process(history, right, rows), left, GAP
    )
    notes = state.notes(history, width)
    note_rows = min(2 + (height >= TWO_NOTES_MIN), len(notes))
    lines += measures.files(now, width, max(1, height - len(lines) - 4 - note_rows))
    return lines + notes[: max(2, height - len(lines))]


def _one_column(history: Sequence[Snapshot], width: int) -> list[Line]:
    now = history[-1]
    return [
        *state.head(now, width),
        *measures.messages(history, width),
        *waiting.block(history, width),
        *measures.latencies(history, width),
        *state.process(history, width),
        *measures.files(now, width),
        *state.notes(history, width),
    ]


def _chart_rows(height: int) -> int:
    """Lines for each chart, once everything else has its place."""
    others = 3 + (_FILE_ROWS + 4) + 3
    return max(1, min(CHART_ROWS_MAX, (height - others) // _CHARTED_ROWS))
