"""The signals that ask a process to end, and how it ends in order.

Ctrl-C (SIGINT), SIGTERM, a closed terminal (SIGHUP) and Windows' Ctrl-Break all ask for the same.
Several within `ONE_PRESS_S` are one: a terminal that closes sends two, and a key that is held down
repeats. A later one asks to hurry.

A server hears of each (`Stop`). Every other command gets a `KeyboardInterrupt`, inside asyncio a
cancelled task (`run`): it keeps and shows what it has measured so far.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
ONE_PRESS_S = 1.0

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_cancels: list[Callable[[], object]] = []
"""Cancels what `run` runs, if it runs anything and was not asked before."""


class Stop:
    """What a server is asked to do.

    Attributes:
        asked: to stop.
        hurry: asked once more.
    """

    asked: asyncio.Event
    hurry: asyncio.Event

    def __init__(self) -> None:
        import asyncio  # half of what a command such as `--help` would load

        self.asked, self.hurry = asyncio.Event(), asyncio.Event()

    def ask(self) -> None:
        """Stop; asked once more, hurry."""
        (self.hurry if self.asked.is_set() else self.asked).set()

    def on_signals(self) -> None:
        """Ask at every signal, from now on, in the running event loop."""
        import asyncio

        loop = asyncio.get_running_loop()

        def ask() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.ask)

        _handle(ask)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, for a command after `interrupt_on_signals`.

    Raises:
        KeyboardInterrupt: a signal came. What `main` does when it is cancelled has been done.
    """
    import asyncio

    interrupted = False

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            nonlocal interrupted
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

        _cancels.append(cancel)
        return await main

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        _cancels.clear()


def interrupt_on_signals() -> None:
    """Raise `KeyboardInterrupt` at every signal, from now on; in `run`, the first one cancels."""

    def interrupt() -> None:
        if not _cancels:
            raise KeyboardInterrupt
        _cancels.pop()()

    _handle(interrupt)


def ignore_signals() -> None:
    """Ignore them from now on: everything is done, and the process is about to end."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _handle(act: Callable[[], None]) -> None:
    acted_at = -ONE_PRESS_S

    def on_signal(*_: object) -> None:
        nonlocal acted_at
        now = time.monotonic()
        if now - acted_at >= ONE_PRESS_S:
            acted_at = now
            act()

    for number in _numbers():
        # nohup has its command ignore SIGHUP; a shell that starts a job has it ignore SIGINT, but
        # who sends that means it.
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
