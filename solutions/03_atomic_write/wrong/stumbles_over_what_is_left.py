"""It appends to the temporary file: what a failed try has left there gets into the next one.

Fails: disk_fails
"""

from __future__ import annotations

from chatlab.chat.parts.writer import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX


class SafeWriter(Writer):
    """Replaces the content of a file, all or nothing."""

    promise = "synced"

    async def replace(self, name: str, data: bytes) -> None:
        temporary = name + TEMPORARY_SUFFIX
        await self.files.append(temporary, data, fsync=True)
        await self.files.rename(temporary, name)
        await self.files.fsync_folder()
