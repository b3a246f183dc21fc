"""Reports a blocked event loop, with the line that blocks it: for parts that users wrote.

A blocking call stops the whole server, its statistics too. So a thread watches.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType

from chatlab import exit_codes
from chatlab.chat.settings import Clock

BEAT_S = 0.05
LOOK_S = 0.25
TOLD_AFTER_S = 2.0
ENDED_AFTER_S = 15.0


class LoopWatchdog:
    """Watches the event loop it runs in.

    Args:
        files: the paths of users' files; a line in one of them is what to report.
        tell: gets each report, in another thread.
        clock: seconds.
        end: ends the process.
        told_after_s, ended_after_s: how long the loop is blocked before a report, and the end.
    """

    def __init__(
        self,
        files: Collection[str],
        tell: Callable[[str], object],
        clock: Clock,
        end: Callable[[int], object] = os._exit,
        *,
        told_after_s: float = TOLD_AFTER_S,
        ended_after_s: float = ENDED_AFTER_S,
    ) -> None:
        self._files = frozenset(files)
        self._tell = tell
        self._clock = clock
        self._end = end
        self._told_after_s = told_after_s
        self._ended_after_s = ended_after_s
        self._loop_thread = threading.get_ident()
        self._beat_at = clock()
        self._looked_at = clock()
        self._told = False

    async def run(self) -> None:
        """Beat until cancelled."""
        over = threading.Event()
        threading.Thread(target=self._watch, args=(over,), daemon=True).start()
        try:
            while True:
                self._beat_at = self._clock()
                await asyncio.sleep(BEAT_S)
        finally:
            over.set()

    def look(self) -> None:
        """Report a loop that is blocked for long; called every `LOOK_S`."""
        now = self._clock()
        if now - self._looked_at > self._told_after_s / 2:  # this thread did not run, either: the
            self._beat_at = now  # machine was asleep, or is overloaded
        self._looked_at = now
        still_s = now - self._beat_at
        if still_s < self._told_after_s:
            self._told = False
        elif not self._told:
            self._told = True
            self._tell(f"the event loop is blocked, and nobody is served, {self._where()}")
        if still_s >= self._ended_after_s:
            self._tell(
                f"the server was ended: its event loop was blocked for {still_s:.0f} s, "
                f"{self._where()}"
            )
            self._end(exit_codes.SOFTWARE)

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(LOOK_S):
            self.look()

    def _where(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        innermost = frame
        while frame is not None and frame.f_code.co_filename not in self._files:
            frame = frame.f_back
        return _place(frame or innermost)


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return "nobody knows where"
    name, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(name, line).strip()
    return f"in {Path(name).name}, line {line}: {code}"
