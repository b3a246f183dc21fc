"""The terminal of `chatlab learn`: its screen, its keys, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit.input import Input, create_input
from rich.console import Console
from rich.live import Live

ESCAPE_S = 0.1
"""After this time, an Escape is a key by itself, not the beginning of an arrow key."""
CTRL_C, CTRL_D = "c-c", "c-d"

Pressed = Callable[[str], None]
"""Hears the name of a key: a character, `down`, `c-c`."""


@contextlib.contextmanager
def terminal(console: Console, keys: Input | None, pressed: Pressed) -> Iterator[Live]:
    """A screen to draw on while the block runs; afterwards the terminal is as before.

    Args:
        keys: their source; None for the terminal.
        pressed: is called in the event loop with each key.
    """
    screen = Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with screen as live, _typed(keys or create_input(), pressed), _told_to_stop(pressed):
        yield live


@contextlib.contextmanager
def _typed(keys: Input, pressed: Pressed) -> Iterator[None]:
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


@contextlib.contextmanager
def _told_to_stop(pressed: Pressed) -> Iterator[None]:
    """A SIGTERM leaves the terminal clean, too."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows has no such thing
        loop.add_signal_handler(signal.SIGTERM, pressed, CTRL_C)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGTERM)


def _name(press: object) -> str:
    """`t`, ` `, `down`, `c-c`."""
    key = getattr(press, "key", "")
    return str(getattr(key, "value", key))
