"""The plain transport: the library reads each frame and hands over each message.

It is made for any program: it parses step by step, assembles fragments, and passes every message
through a queue and several coroutines. Its better sibling is `bulk.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chatlab.chat.parts.message_seams import Transport

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


class LibraryTransport(Transport):
    """Takes one message after another from the library, which lets 16 frames wait."""

    async def messages(self, connection: ServerConnection) -> AsyncIterator[str | bytes]:
        async for message in connection:
            yield message
