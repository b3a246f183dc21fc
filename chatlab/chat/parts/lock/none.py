"""No lock: here updates get lost.

A reads [1], B reads [1], A writes [1, A], B writes [1, B]: A's message is lost, and A got an ack.
Its better sibling is `per_file.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.storage_seams import Lock


class NoLock(Lock):
    """Lets everyone in at once."""

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:  # noqa: ARG002 (nothing to guard)
        yield
