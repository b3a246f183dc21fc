"""A lock for threads makes the only thread wait that could ever give it back.

Fails: loses_nothing
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock


class OneAtATime(Lock):
    """Lets one in at a time, for each file."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        with self._locks.setdefault(name, threading.Lock()):
            yield
