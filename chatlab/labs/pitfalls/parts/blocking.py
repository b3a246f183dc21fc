"""WRONG ON PURPOSE: a writer that computes in the event loop.

It keeps a compressed copy of each file, which is a sensible thing to want. But compressing is
computing, and meanwhile the event loop stands still: it reads from nobody and answers nobody. Its
better sibling is `off_loop.py`; the difference is one line."""

from __future__ import annotations

import bz2

from chatlab.chat.parts.writer.atomic import AtomicWriter


class CompressingWriter(AtomicWriter):
    """Replaces a file, and keeps a compressed copy of it."""

    async def replace(self, name: str, data: bytes) -> None:
        await super().replace(name, data)
        copy = bz2.compress(data)
        await self.files.write(f"{name}.bz2", copy)
