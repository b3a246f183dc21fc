"""One lock for each file: whoever reads it in order to write it back has it alone.

Different files do not wait for each other. Its plain sibling is `none.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.storage_seams import Lock


class PerFileLock(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        # One entry for each data file, of which there are a handful.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        async with self._locks[name]:
            yield
