"""An fsync makes the end safe. Until then, the file is half a file for whoever reads it.

Fails: never_half
"""

from __future__ import annotations

from chatlab.chat.parts.writer import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX


class SafeWriter(Writer):
    """Replaces the content of a file, all or nothing."""

    promise = "synced"

    async def replace(self, name: str, data: bytes) -> None:
        await self.files.write(name + TEMPORARY_SUFFIX, data, fsync=True)  # a backup
        await self.files.write(name, data, fsync=True)
        await self.files.fsync_folder()
