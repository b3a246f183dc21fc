"""How do messages come out of a socket? `library.py`: one by one, as the library hands them over.
`bulk.py`: all that arrived together, with no wait between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection


class Transport(ServerConnection, ABC):
    """One client's connection; the server makes one for each client.

    The library checks frames, answers pings and closes the connection: with code 1002 after a
    broken frame, 1007 after text that is not UTF-8, 1009 after a frame over `FRAME_BYTES_MAX`.

    Messages that have arrived and were not yet taken are bounded: when too many wait, the transport
    stops reading the socket, so that a flooding client fills its own buffers and not the server's
    memory. One read may bring many at once: the bound is a mark, not a hard limit.
    """

    @abstractmethod
    def messages(self) -> AsyncIterator[str | bytes]:
        """The client's messages in order, `str` for text and `bytes` for binary.

        Ends when the connection has ended and all that arrived before was taken.

        Raises:
            ConnectionClosed: the connection ended without a closing handshake.
        """
