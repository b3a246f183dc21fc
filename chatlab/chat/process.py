"""What the server's process costs: processor time, memory, and event loop lag."""

from __future__ import annotations

import asyncio
import gc
import sys

import psutil

from chatlab.chat.metrics import Samples
from chatlab.chat.settings import Clock

LAG_INTERVAL_S = 0.02
USAGE_INTERVAL_S = 0.5
YOUNG_OBJECTS_MAX = 10_000
"""New objects that start a garbage collection. The default of 700 is fewer than one batch of
messages keeps alive: every batch would be searched in vain."""


class ProcessWatch:
    """Watches the process it runs in.

    Args:
        clock: seconds.
        lag_ms: gets one sample every `LAG_INTERVAL_S`: how much too late the event loop woke this
            task. Whatever blocks the loop blocks every client for as long.
    """

    def __init__(self, clock: Clock, lag_ms: Samples) -> None:
        self._clock = clock
        self._lag_ms = lag_ms
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
            self._lag_ms.add(max(0.0, now - asked_at - LAG_INTERVAL_S) * 1000)
            if now - usage_at >= USAGE_INTERVAL_S:
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
