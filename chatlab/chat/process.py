"""The server's process, watched from inside: what it costs (`ProcessWatch`), and what blocks its
event loop (`LoopWatchdog`, for parts that users wrote).
"""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from chatlab.chat.metrics import Samples
from chatlab.chat.settings import Clock
from chatlab.errors import ExitCode

LAG_INTERVAL_S = 0.02
USAGE_INTERVAL_S = 0.5
BEAT_S = 0.05
LOOK_S = 0.25
TOLD_AFTER_S = 2.0
ENDED_AFTER_S = 15.0
YOUNG_OBJECTS_MAX = 10_000
"""New objects that start a garbage collection. The default of 700 is fewer than one batch of
messages keeps alive: every batch would be searched in vain."""


class ProcessWatch:
    """Watches the process it runs in.

    Args:
        clock: seconds.
        lag_ms: gets one sample every `LAG_INTERVAL_S`: how much too late the event loop woke this
            task. Whatever blocks the loop blocks every client for as long.
        each_time: called as often.
    """

    def __init__(
        self, clock: Clock, lag_ms: Samples, each_time: Callable[[], object] = lambda: None
    ) -> None:
        self._clock = clock
        self._lag_ms = lag_ms
        self._each_time = each_time
        self._process = psutil.Process()
        self._cpu_at_start_s = self._cpu_now_s()
        self.cpu_percent = 0.0
        self.rss_bytes = self._process.memory_info().rss
        self._highest_seen_bytes = self.rss_bytes
        # On Linux, a process inherits the peak of the one that started it (getrusage(2): maxrss
        # outlives execve): until it is passed, it says nothing about this process.
        self._record_at_start_bytes = _recorded_peak_bytes()

    @property
    def cpu_s(self) -> float:
        """Processor time, user and system, since this watch began."""
        return self._cpu_now_s() - self._cpu_at_start_s

    @property
    def rss_peak_bytes(self) -> int:
        """The highest resident memory: as the system recorded it, or the highest seen."""
        self._highest_seen_bytes = max(self._highest_seen_bytes, self._process.memory_info().rss)
        record = _recorded_peak_bytes()
        if record <= self._record_at_start_bytes:
            return self._highest_seen_bytes
        return max(record, self._highest_seen_bytes)

    async def run(self) -> None:
        """Sample until cancelled."""
        usage_at, cpu_s = self._clock(), self._cpu_now_s()
        while True:
            asked_at = self._clock()
            await asyncio.sleep(LAG_INTERVAL_S)
            now = self._clock()
            self._each_time()
            self._lag_ms.add(max(0.0, now - asked_at - LAG_INTERVAL_S) * 1000)
            if now - usage_at < USAGE_INTERVAL_S:
                continue
            # Where no file can be opened, this process cannot look at itself: try again later.
            with suppress(OSError, psutil.Error):
                cpu_now_s = self._cpu_now_s()
                self.cpu_percent = 100 * (cpu_now_s - cpu_s) / (now - usage_at)
                usage_at, cpu_s = now, cpu_now_s
                self.rss_bytes = self._process.memory_info().rss
                self._highest_seen_bytes = max(self._highest_seen_bytes, self.rss_bytes)

    def _cpu_now_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


def _recorded_peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS: bytes; others: KiB


def spare_the_garbage_collector() -> None:
    """Exclude all objects made so far from garbage collection.

    A server keeps what it made at its start. Searching all of it again and again while messages
    come and go took an eighth of the fastest mode's time. The start's own garbage stays, too:
    collecting it would only delay the start.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)


class LoopWatchdog:
    """Reports a blocked event loop, with the line that blocks it.

    A blocking call stops the whole server, its statistics too. So a thread watches.

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
            self._end(ExitCode.SOFTWARE)

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
        return "in an unknown line"
    name, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(name, line).strip()
    return f"in {Path(name).name}, line {line}: {code}"
