"""The dashboard of a server: snapshots in, a screenful out. And its summary, when it has stopped.

Owns where each block stands on a screen of a given size: two columns where they fit, otherwise one
below the other and cut at the bottom. Read `measures.py` and `state.py` for the blocks, `live.py`
for the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType

from chatlab.chat.metrics import SAMPLE_AGE_MAX_S, STEPS
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import measures, state
from chatlab.view.lines import BAD, TEXT_WIDTH, Line, Page, beside, cut, heading, line

TWO_COLUMNS_MIN = 78
GAP = 2
HINT = "Ctrl-C ends"
CHART_ROWS_MAX = 3
_CHARTED_ROWS = 6
_FILE_ROWS = 4
"""Files that keep their own line before charts grow: as many as the starting data have."""
SUMMARY_WIDTH_MAX = 100


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


def print_summary(snapshot: Snapshot, console: Console | None = None) -> None:
    """Print a server's totals.

    Args:
        snapshot: its last one.
        console: where to; by default the standard output.
    """
    console = console or Console()
    console.print(Page(summary(snapshot, min(SUMMARY_WIDTH_MAX, console.width))))


def summary(now: Snapshot, width: int) -> list[Line]:
    """The summary as lines of at most `width` columns."""
    return [
        *_head(now, width),
        *_messages(now, width),
        *measures.files(now, width),
        *_latencies(now, width),
        *_process(now, width),
        *(state.notes(now, width) if now.notes else []),
    ]


def _two_columns(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    now = history[-1]
    left = width // 2
    right = width - left - GAP
    lines = _head(now, width)
    rows = _chart_rows(height - len(lines))
    lines += beside(
        measures.messages(history, left, rows), measures.latencies(history, right, rows), left, GAP
    )
    lines += beside(
        state.queue(history, left, rows), state.process(history, right, rows), left, GAP
    )
    note_rows = min(3, 1 + max(1, len(now.notes)))
    lines += measures.files(now, width, max(1, height - len(lines) - 4 - note_rows))
    return lines + state.notes(now, width, max(2, height - len(lines)), HINT)


def _one_column(history: Sequence[Snapshot], width: int) -> list[Line]:
    now = history[-1]
    return [
        *_head(now, width),
        *measures.messages(history, width),
        *state.queue(history, width),
        *measures.latencies(history, width),
        *state.process(history, width),
        *measures.files(now, width),
        *state.notes(now, width),
    ]


def _head(now: Snapshot, width: int) -> list[Line]:
    return [state.title(now, width), *state.line_up(now, width), state.ack(now, width)]


def _chart_rows(height: int) -> int:
    """Lines for each chart, once everything else has its place."""
    others = 3 + (_FILE_ROWS + 4) + 3
    return max(1, min(CHART_ROWS_MAX, (height - others) // _CHARTED_ROWS))


def _messages(now: Snapshot, width: int) -> list[Line]:
    counts, batches = now.counts, now.batches
    steps = ", ".join(f"{name} {words.count(getattr(counts, name))}" for name in STEPS)
    rows = [
        heading("messages", width),
        line(steps),
        line(f"delivered in {words.count(counts.frames)} frames, all receivers together"),
        line(
            f"saved in {words.count(now.queue.flushes)} batches, "
            f"{words.count(now.queue.failures)} failed, "
            f"largest {words.count(batches.largest)}, mean {batches.mean:,.1f} messages"
        ),
        line(f"cache: {state.cache_words(now, width - 7)}"),
        state.refusals(now, width),
    ]
    if now.queue.depth:
        rows.append(line((f"{words.count(now.queue.depth)} still queued", BAD)))
    return [cut(row, width) for row in rows]


def _latencies(now: Snapshot, width: int) -> list[Line]:
    if not (now.ack_ms.n or now.save_ms.n or now.delivery_ms.n):
        return [
            heading("latency", width),
            line(f"no messages in the last {SAMPLE_AGE_MAX_S:.0f} s"),
        ]
    return measures.latencies([now], min(width, TEXT_WIDTH))


def _process(now: Snapshot, width: int) -> list[Line]:
    text = (
        f"{now.cpu_s:,.1f} s of processor time, at most {words.size(now.rss_peak_bytes)} of memory"
    )
    return [heading("process", width), cut(line(text), width)]
