"""The bulk transport: short text messages are cut out of the bytes that arrived, many in one go.

Nearly every message of a chat client is one short frame of text. Those need neither the library's
parser, nor its assembler, nor a wait for each. How they are cut out: `bulk_connection.py`; how much
that saves: `chat/README.md`. Its plain sibling is `library.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chatlab.chat.parts.message_seams import Transport

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from chatlab.chat.parts.transport.bulk_connection import BulkConnection, Inbox


class BulkTransport(Transport):
    """Takes all messages that wait, then waits for more."""

    def connection_class(self) -> type[BulkConnection]:
        from chatlab.chat.parts.transport.bulk_connection import BulkConnection

        return BulkConnection

    def waiting(self, connection: ServerConnection) -> int:
        inbox: Inbox = connection.inbox  # type: ignore[attr-defined]
        return len(inbox.waiting)

    async def messages(self, connection: ServerConnection) -> AsyncIterator[str | bytes]:
        assert isinstance(connection, self.connection_class())
        inbox = connection.inbox
        try:
            while True:
                while inbox.waiting:
                    data = inbox.get()
                    yield data.decode() if data is not None else await connection.recv()
                if inbox.closed:
                    return
                await inbox.something()
        except UnicodeDecodeError as error:
            await connection.refuse_text(error)
