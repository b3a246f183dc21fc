"""The atomic writer: a new file beside the old one, then a rename.

At any moment, also after a power cut, the file holds the whole old content or the whole new one.
Each step is needed (the plain sibling: `truncate.py`):

1. write a temporary file: the old one is untouched while the new one is incomplete;
2. fsync it: else the rename can reach the disk before the data, and a power cut leaves it empty;
3. rename it: by POSIX the name points at one file or the other, never at none;
4. fsync the folder: else a power cut can undo the rename.

What it costs: two fsyncs, each a wait for the disk.
"""

from __future__ import annotations

from chatlab.chat.parts.storage_seams import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.disk.files import Files


class AtomicWriter(Writer):
    """Writes a temporary file and renames it over the old one."""

    promise = "synced"

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._busy: set[str] = set()

    async def replace(self, name: str, data: bytes) -> None:
        # Where no lock keeps two writers apart, each has a temporary file of its own.
        temporary, number = name + TEMPORARY_SUFFIX, 0
        while temporary in self._busy:
            number += 1
            temporary = f"{name}.{number}{TEMPORARY_SUFFIX}"
        self._busy.add(temporary)
        try:
            await self.files.write(temporary, data, fsync=True)
            await self.files.rename(temporary, name)
        finally:
            self._busy.discard(temporary)
        await self.files.fsync_folder()
