"""The caching reader: a file that was read less than `cache_ttl_s` ago is not read again.

What it adds to `direct.py`, its plain sibling:

- time to live: others may change the file, so no value is trusted for ever;
- single flight: of many that miss at once, one reads the disk and the others wait for it;
- at most `reads_at_once_max` concurrent reads of one file, where a flight cannot be shared;
- stale on error: an old value, counted as such, rather than none;
- writes refresh it, so that a server always sees its own writes.

What it costs: for up to `cache_ttl_s`, it does not see a change that others made.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from chatlab.chat.parts.storage_seams import Reader, ReaderStatistics
from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import DataFile
from chatlab.disk.files import Files
from chatlab.errors import StorageError

T = TypeVar("T")


class TTLReader(Reader):
    """Reads the file when its copy in memory is missing or too old."""

    def __init__(self, files: Files, settings: Settings, clock: Clock) -> None:
        super().__init__(files, settings, clock)
        # Bounded: one entry for each data file, of which there are a handful.
        self._slots: dict[str, _Slot] = {}
        self._hits = self._misses = self._stale_served = 0

    async def read(self, file: DataFile[T]) -> T:
        known = self.at_hand(file)
        if known is not None:
            return known
        slot = self._slot(file)
        self._misses += 1
        if slot.flight is None:
            slot.flight = asyncio.create_task(self._fetch(file, slot))
            slot.flight.add_done_callback(_hear_the_end)
        # Shielded: a waiter that is cancelled must not cancel the read that others wait for.
        value, stale = await asyncio.shield(slot.flight)
        self._stale_served += stale
        return value  # type: ignore[no-any-return]

    def at_hand(self, file: DataFile[T]) -> T | None:
        slot = self._slots.get(file.name)
        if slot is None or not slot.filled:
            return None
        if self.clock() - slot.filled_at >= self.settings.cache_ttl_s:
            return None
        self._hits += 1
        return slot.value  # type: ignore[no-any-return]

    def written(self, file: DataFile[T], value: T) -> None:
        slot = self._slot(file)
        slot.fill(value, self.clock())
        # A read that began before this write may return the content before it. Those that wait for
        # it asked before the write, too; a new reader must not join them.
        slot.flight = None
        slot.version += 1

    def statistics(self) -> ReaderStatistics:
        return ReaderStatistics(self._hits, self._misses, self._stale_served)

    async def _fetch(self, file: DataFile[T], slot: _Slot) -> tuple[T, bool]:
        version = slot.version
        try:
            async with slot.reads_at_once:
                value = file.decode(await self.files.read(file.name))
        except StorageError:
            if not slot.filled:
                raise
            return slot.value, True
        else:
            if slot.version == version:
                slot.fill(value, self.clock())
            return value, False
        finally:
            if slot.version == version:
                slot.flight = None

    def _slot(self, file: DataFile[T]) -> _Slot:
        if file.name not in self._slots:
            self._slots[file.name] = _Slot(self.settings.reads_at_once_max)
        return self._slots[file.name]


def _hear_the_end(flight: asyncio.Task[Any]) -> None:
    # If every waiter was cancelled, nobody else retrieves a failed flight's exception.
    if not flight.cancelled():
        flight.exception()


class _Slot:
    """What is known of one file."""

    def __init__(self, reads_at_once_max: int) -> None:
        self.value: Any = None
        self.filled = False
        self.filled_at = 0.0
        self.version = 0
        self.flight: asyncio.Task[Any] | None = None
        self.reads_at_once = asyncio.Semaphore(reads_at_once_max)

    def fill(self, value: Any, now: float) -> None:
        self.value = value
        self.filled = True
        self.filled_at = now
