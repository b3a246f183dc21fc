"""Your cache. Save this file, and `chatlab learn` checks it.

It works as it is: like the naive reader, it goes to the disk each time. Make it faster without
making it wrong. `README.md` beside this file tells the story.
"""

from __future__ import annotations

from typing import TypeVar

from chatlab.chat.parts.storage_seams import Reader, ReaderStatistics
from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import DataFile
from chatlab.disk.files import Files

T = TypeVar("T")


class CachingReader(Reader):
    """Reads a file when its copy in memory is missing or too old."""

    def __init__(self, files: Files, settings: Settings, clock: Clock) -> None:
        super().__init__(files, settings, clock)
        # TODO: what must you remember of each file?

    async def read(self, file: DataFile[T]) -> T:
        """The content of `file.name`, from memory if it is younger than the time to live.

        `self.files.read(name)` reads bytes from the disk, `file.decode(data)` understands them,
        `self.clock()` tells the seconds, and `self.settings.cache_ttl_s` how many may pass.
        """
        # TODO: go to the disk only when you must; and when many must, let one go for all.
        return file.decode(await self.files.read(file.name))

    def written(self, file: DataFile[T], value: T) -> None:
        """The server has just written `value` into `file`: it is called after each write."""
        # TODO: what does your copy say now?

    def statistics(self) -> ReaderStatistics:
        """How often memory answered, how often the disk had to, how often an old copy was served.

        The dashboard shows them.
        """
        # TODO: count.
        return ReaderStatistics(hits=0, misses=0, stale_served=0)
