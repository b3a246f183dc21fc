"""How do messages come out of a socket? `library.py`: one by one, as the library hands them over.
`bulk.py`: all that arrived together, with no wait between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only names a mode need not load the library
    from websockets.asyncio.server import ServerConnection


class Transport(ABC):
    """Takes the messages out of each client's connection.

    The library checks frames, answers pings and closes connections: with code 1002 after a broken
    frame, 1007 after text that is not UTF-8, 1009 after a frame over `FRAME_BYTES_MAX`.

    Messages that have arrived and were not yet taken are bounded: when too many wait, the socket is
    not read, so that a flooding client fills its own buffers and not the server's memory. One read
    may bring many at once: the bound is a mark, not a hard limit.
    """

    def connection_class(self) -> type[ServerConnection]:
        """What the server makes for each client; by default the library's own class."""
        from websockets.asyncio.server import ServerConnection

        return ServerConnection

    @abstractmethod
    def messages(self, connection: ServerConnection) -> AsyncIterator[str | bytes]:
        """A client's messages in order, `str` for text and `bytes` for binary.

        Ends when the connection has ended and all that arrived before was taken.

        Args:
            connection: of this transport's class.

        Raises:
            ConnectionClosed: the connection ended without a closing handshake.
        """
