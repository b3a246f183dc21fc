"""Without a `finally`, the first error inside keeps the lock shut for ever.

Fails: gives_back
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(name, asyncio.Lock())
        await lock.acquire()
        yield
        lock.release()
