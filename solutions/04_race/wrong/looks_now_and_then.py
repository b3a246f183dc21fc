"""A flag, and a look at it every now and then: who looks at the right moment gets in first.

Fails: fair
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
        while name in self._busy:  # noqa: ASYNC110 (that is what is wrong)
            await asyncio.sleep(0.005)
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)
