"""The turn goes to the next in the queue, who may have given up: then it is lost.

Fails: gives_back
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
        if name in self._held:
            turn = asyncio.get_running_loop().create_future()
            self._waiting[name].append(turn)
            await turn
        self._held.add(name)
        try:
            yield
        finally:
            self._give_back(name)

    def _give_back(self, name: str) -> None:
        waiting = self._waiting[name]
        if waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        else:
            self._held.discard(name)
