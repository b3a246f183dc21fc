"""The plain reader: every read goes to the disk. Always right, never fast.

Its better sibling is `ttl.py`.
"""

from __future__ import annotations

from typing import TypeVar

from chatlab.chat.parts.storage_seams import Reader
from chatlab.data.records import DataFile

T = TypeVar("T")


class DirectReader(Reader):
    """Reads the file, each time."""

    async def read(self, file: DataFile[T]) -> T:
        return file.decode(await self.files.read(file.name))
