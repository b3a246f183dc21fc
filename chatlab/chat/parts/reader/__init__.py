"""How is a file read? `direct.py`: from disk, each time. `ttl.py`: from memory, while fresh."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import msgspec

from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import DataFile
from chatlab.disk.files import Files

T = TypeVar("T")


class ReaderStatistics(msgspec.Struct, frozen=True):
    """What a cache did so far.

    Attributes:
        hits: reads answered from memory.
        misses: reads that went to the disk, or waited for another one that did.
        stale_served: reads answered with an old value because the disk failed.
    """

    hits: int = 0
    misses: int = 0
    stale_served: int = 0


class Reader(ABC):
    """Reads data files.

    Args:
        files: the data folder.
        settings: `cache_ttl_s` and `reads_at_once_max` concern readers.
        clock: seconds.
    """

    def __init__(self, files: Files, settings: Settings, clock: Clock) -> None:
        self.files = files
        self.settings = settings
        self.clock = clock

    @abstractmethod
    async def read(self, file: DataFile[T]) -> T:
        """The content of a file. Do not change it: others may hold it, too.

        Raises:
            StorageError: it cannot be read, and there is no older content.
            CorruptFile: its content makes no sense.
        """

    def at_hand(self, file: DataFile[T]) -> T | None:  # noqa: ARG002
        """The content of a file if it is in memory, without an await; None if not."""
        return None

    def written(self, file: DataFile[T], value: T) -> None:  # noqa: B027 (nothing to do is fine)
        """`file` now holds `value`: called after each successful write."""

    def statistics(self) -> ReaderStatistics:
        """Hits and misses; a reader without a cache has neither."""
        return ReaderStatistics()
