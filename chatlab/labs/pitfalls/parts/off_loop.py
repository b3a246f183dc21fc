"""The cure of `blocking.py`: the same work, in a thread.

The save takes as long as before. But meanwhile the event loop goes on reading and answering.
"""

from __future__ import annotations

import asyncio
import bz2

from chatlab.chat.parts.writer.atomic import AtomicWriter


class CompressingWriter(AtomicWriter):
    """Replaces a file, and keeps a compressed copy of it."""

    async def replace(self, name: str, data: bytes) -> None:
        await super().replace(name, data)
        copy = await asyncio.to_thread(bz2.compress, data)
        await self.files.write(f"{name}.bz2", copy)
