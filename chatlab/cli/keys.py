"""Keys of the terminal, read in the event loop: for `chatlab learn` and for the dashboard.

prompt_toolkit reads them alike on Linux, macOS and Windows, and leaves the terminal as it was. It
is imported only where there is a terminal: it would cost every other start a tenth of a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from chatlab.view.dashboard.live import Keys

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

ESCAPE_S = 0.1
"""After this time, an Escape is a key by itself, not the beginning of an arrow key."""
CTRL_C, CTRL_D = "c-c", "c-d"

Pressed = Callable[[str], None]
"""Hears the name of a key: a character, `down`, `c-c`."""


def terminal_keys() -> Keys | None:
    """The keys of the terminal on standard input; None if there is none, or not for us to read."""
    if not sys.stdin.isatty() or not _in_foreground():
        return None
    from prompt_toolkit.input import create_input

    return partial(typed, create_input())


@contextmanager
def typed(keys: Input, pressed: Pressed) -> Iterator[None]:
    """Read keys while the block runs; Ctrl-C is then a key, too, and no signal.

    Args:
        keys: their source.
        pressed: is called in the event loop with each; with Ctrl-D at their end.
    """
    flush: asyncio.TimerHandle | None = None

    def read(presses: Callable[[], Sequence[object]]) -> None:
        for press in presses():
            pressed(_name(press))

    def ready() -> None:
        nonlocal flush
        read(keys.read_keys)
        if flush is not None:
            flush.cancel()
        flush = asyncio.get_running_loop().call_later(ESCAPE_S, read, keys.flush_keys)
        if keys.closed:
            pressed(CTRL_D)

    try:
        with keys.raw_mode(), keys.attach(ready):
            yield
    finally:
        if flush is not None:
            flush.cancel()


def _in_foreground() -> bool:
    """Whether the terminal is ours: it stops a process in the background that reads from it."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # it is not our controlling terminal, and so stops nobody
        return True


def _name(press: object) -> str:
    """`t`, ` `, `down`, `c-c`."""
    key = getattr(press, "key", "")
    return str(getattr(key, "value", key))
