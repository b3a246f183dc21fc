"""A cache with a time to live, single flight, and old answers rather than none."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from chatlab.chat.parts.storage_seams import Reader, ReaderStatistics
from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import DataFile
from chatlab.disk.files import Files
from chatlab.errors import StorageError

T = TypeVar("T")


class Copy:
    """What is known of one file."""

    def __init__(self) -> None:
        self.value: Any = None
        self.read_at: float | None = None  # None: never
        self.version = 0  # raised by each write
        self.flight: asyncio.Task[Any] | None = None  # the read under way, if any


class CachingReader(Reader):
    """Reads a file when its copy in memory is missing or too old."""

    def __init__(self, files: Files, settings: Settings, clock: Clock) -> None:
        super().__init__(files, settings, clock)
        self._copies: dict[str, Copy] = {}  # one for each data file: a handful
        self._hits = self._misses = self._stale_served = 0

    async def read(self, file: DataFile[T]) -> T:
        copy = self._copy(file)
        if copy.read_at is not None and self.clock() - copy.read_at < self.settings.cache_ttl_s:
            self._hits += 1
            return copy.value  # type: ignore[no-any-return]
        self._misses += 1
        if copy.flight is None:
            copy.flight = asyncio.create_task(self._fetch(file, copy))
            # If everyone who waits gives up, nobody else asks the task for its exception.
            copy.flight.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(copy.flight)  # type: ignore[no-any-return]

    def written(self, file: DataFile[T], value: T) -> None:
        copy = self._copy(file)
        copy.value, copy.read_at = value, self.clock()
        copy.version += 1
        copy.flight = None  # who asks from now on must not get what was there before

    def statistics(self) -> ReaderStatistics:
        return ReaderStatistics(self._hits, self._misses, self._stale_served)

    async def _fetch(self, file: DataFile[T], copy: Copy) -> T:
        version = copy.version
        try:
            value = file.decode(await self.files.read(file.name))
        except StorageError:
            if copy.read_at is None:
                raise
            self._stale_served += 1
            return copy.value  # type: ignore[no-any-return]
        else:
            if copy.version == version:
                copy.value, copy.read_at = value, self.clock()
            return value
        finally:
            if copy.version == version:
                copy.flight = None

    def _copy(self, file: DataFile[Any]) -> Copy:
        return self._copies.setdefault(file.name, Copy())
