"""Everyone brings a lock of their own: nobody else ever looks at it.

Fails: loses_nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        lock = asyncio.Lock()
        async with lock:
            yield
