"""One asyncio.Lock a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.storage_seams import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}  # one for each data file: a handful

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(name, asyncio.Lock()):
            yield
