"""The terminal of a person who chats: lines that are typed, or come through a pipe; lines shown."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from chatlab.chat.protocol import Ref
from chatlab.view.words import QUIET

PIPED_LINES_MAX = 100
NO_WIDTH = 10_000
CROWD_BURST = 10
CROWD_PER_S = 1.0
CROWD_TOLD_EACH_S = 3.0
DRAWING_S = 0.02
HELD_S = 0.15
"""How long an own message waits on its way to the screen for its trace, so that the two stand
together."""


class Crowd:
    """Leaves out most messages of others while there are too many to read: else a load scrolls
    one's own away before one has seen them.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._may_show, self._since = float(CROWD_BURST), clock()
        self._left_out = 0

    def lets_through(self) -> bool:
        """Whether to show one more message; if not, it is counted."""
        now = self._clock()
        self._may_show = min(CROWD_BURST, self._may_show + (now - self._since) * CROWD_PER_S)
        self._since = now
        shown = self._may_show >= 1
        self._may_show -= shown
        self._left_out += not shown
        return shown

    def left_out(self) -> int:
        """How many messages were not let through since the last call."""
        count, self._left_out = self._left_out, 0
        return count


class ChatScreen:
    """Prints lines; holds them back for a moment while an own message waits for its trace.

    Attributes:
        has_prompt: whether lines are typed at a prompt below what is shown.
        gone: set when nobody reads what is shown any more.
    """

    def __init__(self) -> None:
        self.has_prompt = sys.stdin.isatty() and sys.stdout.isatty()
        self.gone = asyncio.Event()
        term = os.environ.get("TERM", "dumb")
        plain = term == "dumb" or os.environ.get("NO_COLOR") or not sys.stdout.isatty()
        self._styled = not plain
        self._crowd = Crowd() if sys.stdout.isatty() else None
        self._telling = False  # of what the crowd said
        self._held: list[str] = []
        self._waiting: dict[Ref, int] = {}  # the index of its line in `_held`

    @property
    def width(self) -> int:
        """Of the terminal, in columns; lines for a pipe or a file are not broken."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else NO_WIDTH

    @property
    def holds(self) -> bool:
        """Whether lines wait to be shown."""
        return bool(self._waiting)

    def during(self) -> AbstractContextManager[None]:
        """Keeps the line that is being typed below what is printed."""
        return patch_stdout(raw=True) if self.has_prompt else nullcontext()

    def show(self, text: str) -> None:
        """Print a line, or several."""
        if self._waiting:
            self._held.append(text)
        else:
            self._print(text)

    def show_other(self, text: str) -> None:
        """Print a message of somebody else's, unless there are too many for a terminal."""
        if self._crowd is None or self._crowd.lets_through():
            self.show(text)
        elif not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(CROWD_TOLD_EACH_S, self._tell_left_out)

    def _tell_left_out(self) -> None:
        self._telling = False
        if self._crowd is not None and (count := self._crowd.left_out()):
            self.show(self.quiet(f"  ... and {count:,} more messages of others"))

    def show_until_traced(self, ref: Ref, text: str) -> None:
        """Show an own message, and keep its place for its trace."""
        self._waiting[ref] = len(self._held)
        self._held.append(text)
        asyncio.get_running_loop().call_later(HELD_S, self._forget, ref)

    def show_trace(self, ref: Ref, text: str) -> None:
        """Show a trace below its message, if that is not gone already."""
        if ref in self._waiting:
            self._held[self._waiting[ref]] += f"\n{self.quiet(text)}"
            self._forget(ref)

    def quiet(self, text: str) -> str:
        """The text, paler than the rest where the terminal can do that."""
        return QUIET.render(text) if self._styled else text

    def close(self) -> None:
        """Show what is held."""
        for ref in list(self._waiting):
            self._forget(ref)

    def _forget(self, ref: Ref) -> None:
        if self._waiting.pop(ref, None) is not None and not self._waiting:
            held, self._held = self._held, []
            self._print("\n".join(held))

    def _print(self, text: str) -> None:
        if self.gone.is_set():
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:  # such as `| head`
            self.gone.set()


async def typed_lines(room: Callable[[], str]) -> AsyncIterator[str]:
    """Each line, until the end of the input or Ctrl-C."""
    # The typed line goes away: the message itself is shown when the server has sent it back.
    session: PromptSession[str] = PromptSession(erase_when_done=True)

    async def typed() -> str | None:
        try:
            return await session.prompt_async(lambda: f"{room()}> ")
        except (EOFError, KeyboardInterrupt):
            return None

    next_line = asyncio.ensure_future(typed())
    try:
        while (line := await next_line) is not None:
            # Drawn before this line is sent: else the answer waits for that, and looks slow.
            next_line = asyncio.ensure_future(typed())
            await asyncio.sleep(DRAWING_S)
            yield line
    finally:
        next_line.cancel()
        await asyncio.wait([next_line])


async def piped_lines() -> AsyncIterator[str]:
    """Each line that comes through a pipe, until its end."""
    # A daemon thread: one of the event loop's would keep the program from ending until somebody
    # writes a line. And not through `sys.stdin`: a thread inside its buffer makes Python abort
    # at the exit.
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    # Bounds the queue. A coroutine that waits for room in it would be left unawaited when the event
    # loop ends; a call that never happens does no harm.
    room = threading.Semaphore(PIPED_LINES_MAX)

    def hand_over(line: str) -> None:
        room.acquire()
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        with suppress(RuntimeError):  # the event loop has ended
            lines_in = os.dup(sys.stdin.fileno())
            with os.fdopen(lines_in, encoding="utf-8-sig", errors="replace") as typed:
                for line in typed:
                    hand_over(line)
            hand_over("")

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        room.release()
        yield line
