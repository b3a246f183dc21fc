"""It waits once, and then goes in without another look: all who waited go in together.

Fails: loses_nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        if name in self._held:
            await self._held[name].wait()
        self._held[name] = given_back = asyncio.Event()
        try:
            yield
        finally:
            self._held.pop(name, None)
            given_back.set()
