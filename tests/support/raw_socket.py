"""A client that sends whatever frames it is told to, right or wrong, and keeps those that come."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.frames import Close, Frame, Opcode

from tests.support.chat_client import WAIT_S

HANDSHAKE = (
    "GET /?user={user} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


class RawSocket:
    """A TCP connection after a handshake.

    Attributes:
        came: the frames that the server sent.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came: list[Frame] = []
        self._reader = reader
        self._writer = writer
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, user: str) -> Self:
        """Connect, and wait for the welcome."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(HANDSHAKE.format(user=user).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        socket = cls(reader, writer)
        await socket.until_came(1)
        return socket

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        self._writer.transport.abort()

    async def send(self, *frames: Frame, mask: bool = True) -> None:
        """Send frames; that the server hangs up meanwhile is no error."""
        await self.send_bytes(b"".join(frame.serialize(mask=mask) for frame in frames))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes; that the server hangs up meanwhile is no error."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    def stop_reading(self) -> None:
        """Leave everything unread from now on."""
        self._reading.cancel()

    async def until_came(self, count: int) -> list[Frame]:
        """All frames that came, once there are so many."""
        async with asyncio.timeout(WAIT_S):
            while len(self.came) < count:
                assert not self._reading.done(), f"only {self.came} came"
                self._changed.clear()
                await self._changed.wait()
        return self.came

    async def closed(self) -> tuple[int, str]:
        """The code and the reason with which the server closed."""
        async with asyncio.timeout(WAIT_S):
            await self._reading
        assert self.came[-1].opcode is Opcode.CLOSE, self.came[-1]
        close = Close.parse(self.came[-1].data)
        return int(close.code), close.reason

    async def _read(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.came.append(await self._frame())
                self._changed.set()
        self._changed.set()

    async def _frame(self) -> Frame:
        first, length = await self._reader.readexactly(2)
        if length > 125:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8))
        data: Any = await self._reader.readexactly(length)
        return Frame(Opcode(first & 15), data)
