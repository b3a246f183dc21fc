"""The dashboard of a server: the loop that shows snapshots as they come, on a terminal or as plain
lines, and listens to the keys of the person who looks.

Owns the terminal while it runs, and leaves it as it was: what a program prints meanwhile (a
learner's part may well contain a `print`) is kept until the screen is free again. Read `screen.py`
for what becomes of a snapshot and of a key.
"""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from typing import TextIO

from rich.console import Console
from rich.live import Live

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.dashboard.screen import ViewChoice, after, render
from chatlab.view.dashboard.summary import plain_line

REFRESH_S = 0.5
"""Between two snapshots of a live view."""
WRITES_MAX = 2_000
"""Of what is printed behind the screen, only the latest are kept."""
HISTORY_MAX = 300
"""Snapshots kept for the charts: two and a half minutes at two a second."""

Keys = Callable[[Callable[[str], None]], AbstractContextManager[None]]
"""Reads the keys of a terminal while its block runs, and hands on the name of each."""


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


async def show(
    snapshots: AsyncIterator[Snapshot], console: Console | None = None, keys: Keys | None = None
) -> None:
    """Show snapshots until there are no more, or until cancelled.

    Args:
        snapshots: of one server, as they come.
        console: where to; by default the standard output. A terminal gets the dashboard, anything
            else (a pipe, a file) one plain line a second.
        keys: of whoever looks at the dashboard. The key that leaves it does what Ctrl-C does.
    """
    # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
    console = console or TextConsole(force_terminal=sys.stdout.isatty())
    if console.is_terminal and not console.is_dumb_terminal:
        await _on_screen(snapshots, console, keys)
    else:
        with suppress(BrokenPipeError):  # the reader has gone, as after `| head`
            await _in_lines(snapshots, console)


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


class _Screen:
    """What a terminal shows, and what the person in front of it chose to see."""

    def __init__(self, live: Live, with_keys: bool) -> None:
        self._live = live
        self._look = ViewChoice(with_keys=with_keys)
        self._history: deque[Snapshot] = deque(maxlen=HISTORY_MAX)
        self._standing: tuple[Snapshot, ...] = ()
        """What there was when the picture was paused."""
        self._paused_at_s = 0.0

    def take(self, snapshot: Snapshot) -> None:
        """Show a new snapshot; while paused, keep it for later."""
        if self._history and snapshot.uptime_s < self._history[-1].uptime_s:
            self._history.clear()  # the server was started anew
        self._history.append(snapshot)
        self._draw()

    def press(self, key: str) -> None:
        """Do what a key says."""
        before, self._look = self._look, after(self._look, key)
        if before.paused_s is None and self._look.paused_s is not None:
            self._standing, self._paused_at_s = tuple(self._history), time.monotonic()
        self._draw()
        if self._look.leaving:
            signal.raise_signal(signal.SIGINT)

    def _draw(self) -> None:
        look, shown = self._look, tuple(self._history)
        if look.paused_s is not None:
            look = look._replace(paused_s=time.monotonic() - self._paused_at_s)
            shown = self._standing
        self._live.update(render(shown, *self._live.console.size, look), refresh=True)


async def _on_screen(
    snapshots: AsyncIterator[Snapshot], console: Console, keys: Keys | None
) -> None:
    with kept_output(), drawn_at_once(console, full_screen=True) as live:
        screen = _Screen(live, keys is not None)
        with keys(screen.press) if keys else nullcontext():
            async for snapshot in snapshots:
                screen.take(snapshot)


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
