"""It takes the next one from the wrong end of the queue: who came first waits longest.

Fails: fair
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        await self._take(name)
        try:
            yield
        finally:
            self._give_back(name)

    async def _take(self, name: str) -> None:
        if name not in self._held:
            self._held.add(name)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[name].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give_back(name)
            raise

    def _give_back(self, name: str) -> None:
        waiting = self._waiting[name]
        while waiting:
            turn = waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._held.discard(name)
