"""Between the look at the flag and the taking of it, there is an await: others look, too.

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
        self._busy: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        while name in self._busy:  # noqa: ASYNC110 (that is not what fails)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)  # let others go first: one should be polite
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)
