"""The rename can be on the disk before the data: the name then means an empty file.

Fails: power_cut_whole
"""

from __future__ import annotations

from chatlab.chat.parts.writer import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX


class SafeWriter(Writer):
    """Replaces the content of a file, all or nothing."""

    promise = "synced"

    async def replace(self, name: str, data: bytes) -> None:
        temporary = name + TEMPORARY_SUFFIX
        await self.files.write(temporary, data)
        await self.files.rename(temporary, name)
        await self.files.fsync_folder()
