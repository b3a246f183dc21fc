"""Nobody hears that the message was not saved: its sender is told that it was.

Fails: disk_fails
"""

from __future__ import annotations

from chatlab.chat.parts.writer import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.errors import StorageError


class SafeWriter(Writer):
    """Replaces the content of a file, all or nothing."""

    promise = "synced"

    async def replace(self, name: str, data: bytes) -> None:
        temporary = name + TEMPORARY_SUFFIX
        try:
            await self.files.write(temporary, data, fsync=True)
            await self.files.rename(temporary, name)
            await self.files.fsync_folder()
        except StorageError as error:
            print("could not save:", error)
