"""Whatever bytes come, a client of each transport sees what one of the plain library would see."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatlab.chat.metrics import Metrics
from chatlab.chat.parts.message_seams import Transport
from chatlab.chat.parts.transport.library import LibraryTransport
from chatlab.chat.protocol import FRAME_BYTES_MAX
from chatlab.chat.server.limits import LimitedConnection
from tests.parts.test_transports import HANDSHAKE, FakeServer, FakeSocket
from tests.support.chat_client import WAIT_S
from tests.support.frame_streams import FrameStreams
from tests.support.parts import FakeClock, every

TRANSPORTS = pytest.mark.parametrize("part", every("transport"))
STREAMS = 250
MORE_STREAMS = int(os.environ.get("CHATLAB_STREAMS", "20000"))
QUIET_TURNS = 3
"""Turns of the event loop after which nobody has anything more to do with what came."""


class Seen:
    """One end of a connection: what its client has been told so far, and what its server took."""

    def __init__(self, kind: type[ServerConnection], part: Transport, compressed: bool) -> None:
        protocol = ServerProtocol(max_size=FRAME_BYTES_MAX)
        self.connection = kind(protocol, cast("Any", FakeServer()))
        self.socket = FakeSocket()
        self.connection.connection_made(self.socket)
        self.connection.data_received(HANDSHAKE)
        protocol.state = State.OPEN
        if compressed:
            protocol.extensions = [PerMessageDeflate(True, True, 15, 15)]
        self.took: list[str | bytes] = []
        self._taking = asyncio.create_task(self._take(part))

    async def told(self, piece: bytes) -> tuple[bytes, bool, list[str | bytes]]:
        """All that the client was told and the server took, once a piece has come."""
        self.connection.data_received(piece)
        for _ in range(QUIET_TURNS):
            await asyncio.sleep(0)
        return self.socket.written, self.socket.ended, self.took

    async def end(self) -> None:
        self.connection.connection_lost(None)
        await self._taking

    async def _take(self, part: Transport) -> None:
        with suppress(ConnectionClosed):
            async for one in part.messages(self.connection):
                self.took.append(one)


async def compare(part: type[Transport], streams: FrameStreams, compressed: bool) -> None:
    """Feed one stream to a connection of ours and to one of the plain library."""
    clock = FakeClock(0.0)
    limits = {"clock": clock, "note": Metrics(clock).note, "send_buffer_max": 2**20}
    ours = type("Ours", (LimitedConnection, part().connection_class()), limits)
    pieces = streams.pieces()
    one = Seen(ours, part(), compressed)
    plain = Seen(ServerConnection, LibraryTransport(), compressed)
    for n, piece in enumerate(pieces):
        clock.advance(60)  # the rate of pings is another test's matter
        expected = await plain.told(piece)
        told = await one.told(piece)
        if told != expected:  # `assert` would explain at length where long texts differ
            pytest.fail(f"{told!r} instead of {expected!r} after piece {n} of {pieces!r}"[:5_000])
    await one.end()
    await plain.end()
    assert one.took == plain.took


@TRANSPORTS
@pytest.mark.parametrize("compressed", [False, True])
async def test_every_answer_comes_when_it_would_come_from_the_library(part, compressed) -> None:
    for seed in range(STREAMS):
        await compare(part, FrameStreams(seed, compressed), compressed)


@pytest.mark.real
@TRANSPORTS
@pytest.mark.parametrize("compressed", [False, True])
async def test_and_so_it_is_for_many_more_streams(part, compressed) -> None:
    """`CHATLAB_STREAMS=1000000` tries more of them."""
    for seed in range(STREAMS, STREAMS + MORE_STREAMS):
        await compare(part, FrameStreams(seed, compressed), compressed)


# On real sockets: what the client has been told until it hangs up, however the kernel cut it.


@asynccontextmanager
async def served(kind: type[ServerConnection], part: Transport) -> AsyncIterator[int]:
    """A bare server that takes every message and answers none; its port."""

    async def take_all(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in part.messages(connection):
                pass

    async with serve(
        *(take_all, "127.0.0.1", 0),
        create_connection=kind,
        compression=None,
        max_size=FRAME_BYTES_MAX,
    ) as server:
        yield server.sockets[0].getsockname()[1]


async def told_by(port: int, pieces: list[bytes], size: int) -> bytes:
    """What a server says to a stream: so many bytes, then whatever it says to the hang-up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT_S):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        told = await reader.readexactly(size)
        writer.close()
        with suppress(ConnectionError):
            told += await reader.read()
            await writer.wait_closed()
    return told


@pytest.mark.real
@TRANSPORTS
async def test_a_client_on_a_real_socket_is_told_the_same(part: type[Transport]) -> None:
    limits = {"clock": time.perf_counter, "note": print, "send_buffer_max": 2**20}
    ours = type("Ours", (LimitedConnection, part().connection_class()), limits)
    async with (
        served(ours, part()) as port,
        served(ServerConnection, LibraryTransport()) as plain_port,
    ):
        for seed in range(1_000):
            pieces = FrameStreams(seed, compressed=False, broken_text=False).pieces()
            expected = Seen(ServerConnection, LibraryTransport(), compressed=False)
            for piece in pieces:
                await expected.told(piece)
            size = len(expected.socket.written)
            await expected.end()
            said = await told_by(plain_port, pieces, size)
            assert said == expected.socket.written
            assert await told_by(port, pieces, size) == said
