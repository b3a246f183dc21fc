"""A temporary file, an fsync, a rename, and an fsync of the folder."""

from __future__ import annotations

from chatlab.chat.parts.storage_seams import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX


class SafeWriter(Writer):
    """Replaces the content of a file, all or nothing."""

    promise = "synced"

    async def replace(self, name: str, data: bytes) -> None:
        temporary = name + TEMPORARY_SUFFIX
        await self.files.write(temporary, data, fsync=True)
        await self.files.rename(temporary, name)
        await self.files.fsync_folder()
