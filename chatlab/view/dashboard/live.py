"""The loop that shows snapshots as they come: a dashboard on a terminal, plain lines elsewhere.

Owns the terminal while it runs, and leaves it as it was. A learner's part may well contain a
`print`: what a program prints meanwhile is kept, and shown once the screen is free again.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live

from chatlab.chat.metrics import STEPS
from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import render

REFRESH_S = 0.5
"""Between two snapshots of a live view."""
WRITES_MAX = 2_000
"""Of what is printed behind the screen, only the latest are kept."""
HISTORY_MAX = 300
"""Snapshots kept for the charts: two and a half minutes at two a second."""


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
