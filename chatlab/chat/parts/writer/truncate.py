"""The plain writer: open, cut to nothing, write.

Between the cut and the last byte the file is torn: a reader sees half of it, and a crash or a full
disk leaves it so. Its better sibling is `atomic.py`.
"""

from __future__ import annotations

from chatlab.chat.parts.storage_seams import Writer


class TruncateWriter(Writer):
    """Overwrites the file, in place."""

    promise = "written"

    async def replace(self, name: str, data: bytes) -> None:
        await self.files.write(name, data)
