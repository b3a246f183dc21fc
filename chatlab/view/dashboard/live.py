"""The dashboard of a server: the loop that shows snapshots as they come, on a terminal or as plain
lines; the screenful that becomes of them; and the summary of a server that has stopped.

Owns the terminal while it runs, and leaves it as it was: what a program prints meanwhile (a
learner's part may well contain a `print`) is kept until the screen is free again. Owns where each
block stands: in two columns where they fit, otherwise one below the other and cut at the bottom.
Read `measures.py` and `state.py` for the blocks.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live

from chatlab.chat.metrics import SAMPLE_AGE_MAX_S, STEPS
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import measures, state
from chatlab.view.words import BAD, TEXT_WIDTH, Line, Page, beside, cut, heading, line

REFRESH_S = 0.5
"""Between two snapshots of a live view."""
WRITES_MAX = 2_000
"""Of what is printed behind the screen, only the latest are kept."""
HISTORY_MAX = 300
"""Snapshots kept for the charts: two and a half minutes at two a second."""
TWO_COLUMNS_MIN = 78
GAP = 2
HINT = "Ctrl-C ends"
CHART_ROWS_MAX = 3
_CHARTED_ROWS = 6
_FILE_ROWS = 4
"""Files that keep their own line before charts grow: as many as the starting data have."""
SUMMARY_WIDTH_MAX = 100


def drawn_at_once(console: Console, *, full_screen: bool) -> Live:
    """A picture that is drawn when it is updated, and is gone after its block.

    What a program prints meanwhile is not redirected.
    """
    return Live(
        console=console,
        screen=full_screen,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


async def every(interval_s: float, take: Callable[[], Snapshot]) -> AsyncIterator[Snapshot]:
    """Snapshots without end: one now, then one every `interval_s` seconds."""
    while True:
        yield take()
        await asyncio.sleep(interval_s)


async def show(snapshots: AsyncIterator[Snapshot], console: Console | None = None) -> None:
    """Show snapshots until there are no more, or until cancelled.

    Args:
        snapshots: of one server, as they come.
        console: where to; by default the standard output. A terminal gets the dashboard, anything
            else (a pipe, a file) one plain line a second.
    """
    # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
    console = console or Console(force_terminal=sys.stdout.isatty())
    if console.is_terminal and not console.is_dumb_terminal:
        await _on_screen(snapshots, console)
    else:
        with suppress(BrokenPipeError):  # the reader has gone, as after `| head`
            await _in_lines(snapshots, console)


def plain_line(now: Snapshot) -> str:
    """A snapshot in one line of words and figures."""
    counts, rates = now.counts, now.rates
    steps = " ".join(
        f"{name} {words.count(getattr(counts, name))} "
        f"({words.per_s(getattr(rates, f'{name}_per_s'))})"
        for name in STEPS
    )
    limit = f"/{words.count(now.queue.limit)}" if now.queue.limit else ""
    refused = f" refused {words.count(counts.refused)}" if counts.refused else ""
    unreal = words.printable("; ".join(now.simulated))
    simulated = f" simulated: {unreal}" if unreal else ""
    return (
        f"{now.uptime_s:.0f}s {words.printable(now.mode)} "
        f"clients {words.count(now.clients)} {steps} queue {words.count(now.queue.depth)}{limit} "
        f"ops/msg {words.ratio(now.io.operations, counts.saved)} "
        f"p95 ack {words.milliseconds(now.ack_ms.p95)} "
        f"delivery {words.milliseconds(now.delivery_ms.p95)} "
        f"p50 loop lag {words.milliseconds(now.loop_lag_ms.p50)} "
        f"cpu {now.cpu_percent:.0f}% rss {words.size(now.rss_bytes)}{refused}{simulated}"
    )


@contextmanager
def kept_output() -> Iterator[None]:
    """Keep what is written to the standard streams inside, and write it when leaving."""
    out, err = sys.stdout, sys.stderr
    kept: deque[tuple[TextIO, str]] = deque(maxlen=WRITES_MAX)
    try:
        with redirect_stdout(_KeptStream(out, kept)), redirect_stderr(_KeptStream(err, kept)):
            yield
    finally:
        for stream, text in kept:
            stream.write(text)
        for stream in (out, err):
            stream.flush()


class _KeptStream(io.TextIOBase):
    """Stands in for a stream; rich itself still writes to the real one."""

    def __init__(self, stream: TextIO, kept: deque[tuple[TextIO, str]]) -> None:
        self.rich_proxied_file = stream
        self._kept = kept

    def write(self, text: str) -> int:
        self._kept.append((self.rich_proxied_file, text))
        return len(text)

    def isatty(self) -> bool:
        return self.rich_proxied_file.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.rich_proxied_file.encoding


async def _on_screen(snapshots: AsyncIterator[Snapshot], console: Console) -> None:
    history: deque[Snapshot] = deque(maxlen=HISTORY_MAX)
    with kept_output(), drawn_at_once(console, full_screen=True) as live:
        async for snapshot in snapshots:
            if history and snapshot.uptime_s < history[-1].uptime_s:
                history.clear()  # the server was started anew
            history.append(snapshot)
            live.update(render(history, *console.size), refresh=True)


async def _in_lines(snapshots: AsyncIterator[Snapshot], console: Console) -> None:
    second = -1
    noted: set[str] = set()
    async for snapshot in snapshots:
        if int(snapshot.uptime_s) == second:
            continue
        second = int(snapshot.uptime_s)
        _write_line(console, plain_line(snapshot))
        texts = {note.text for note in snapshot.notes}
        for note in snapshot.notes:
            if note.text not in noted:
                _write_line(console, f"{note.at_s:.0f}s note: {words.printable(note.text)}")
        noted = texts  # bounded: as many as a snapshot has


def _write_line(console: Console, text: str) -> None:
    # Past the console, which would wrap the line at the 80 columns that it takes a pipe to have.
    if console.options.ascii_only:
        text = words.to_ascii(text)
    console.file.write(text + "\n")
    console.file.flush()


# The screen


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
