"""A tiny chat server that does to messages whatever a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chatlab.chat import snapshot as snapshots
from chatlab.chat.parts.processor import ProcessorStatistics
from chatlab.chat.parts.reader import ReaderStatistics
from chatlab.chat.protocol import (
    Ack,
    CreateRoom,
    ErrorFrame,
    JoinRoom,
    LeaveRoom,
    MessageFrame,
    Outgoing,
    SendMessage,
    Welcome,
    decode_request,
    encode,
)
from chatlab.chat.snapshot import Batches, Counts, Percentiles, Rates, Snapshot


class FakeClock:
    """Seconds that pass with real ones, and leap when a test says so."""

    def __init__(self) -> None:
        self.leapt_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.leapt_s

    def leap(self, seconds: float) -> None:
        self.leapt_s += seconds


class FakeServer:
    """Speaks the protocol, keeps nothing, and is a good server unless told otherwise.

    Args:
        on_message: what to do with a message, in place of acknowledging and delivering it.

    Attributes:
        sent: the numbers of the messages in the order in which they came.
        clients: who is connected.
    """

    def __init__(self, on_message: OnMessage | None = None) -> None:
        self._on_message = on_message or behave
        self._server: Server | None = None
        self._rooms: dict[str, list[ServerConnection]] = {}
        self.sent: list[int] = []
        self.clients: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._answer_http, compression=None
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def members(self, room_id: str) -> list[ServerConnection]:
        """Who is in a room, in the order of their coming."""
        return self._rooms[room_id]

    async def ack(self, sender: ServerConnection, request: SendMessage) -> None:
        """Say that a message is safe."""
        await self.say(sender, Ack(ref=request.ref, means="written"))

    async def refuse(self, sender: ServerConnection, request: SendMessage, code: str) -> None:
        """Say that a message is not."""
        await self.say(sender, ErrorFrame(code, "because the test says so", request.ref))

    async def deliver(
        self,
        request: SendMessage,
        *,
        to: slice = slice(None),
        content: str | None = None,
    ) -> None:
        """Bring a message to those of its room, or to a part of them; perhaps with other words."""
        words = request.content if content is None else content
        frame = MessageFrame(
            f"m-{request.ref}", request.room_id, "someone", words, "2026-01-01T00:00:00.000Z"
        )
        for receiver in self._rooms[request.room_id][to]:
            await self.say(receiver, frame)

    async def say(self, client: ServerConnection, frame: Outgoing) -> None:
        """Send a frame."""
        await client.send(encode(frame), text=True)

    async def hang_up(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(client.close(1011, "falling over") for client in self.clients))

    async def _serve(self, client: ServerConnection) -> None:
        self.clients.add(client)
        try:
            await self.say(client, Welcome("someone", "someone", "fake", "written", []))
            async for text in client:
                await self._answer(client, decode_request(text))
        except ConnectionClosed:
            pass
        finally:
            self.clients.discard(client)

    async def _answer(self, client: ServerConnection, request: object) -> None:
        match request:
            case SendMessage(ref=int(number)):
                self.sent.append(number)
                await self._on_message(self, client, request)
            case CreateRoom() | JoinRoom():
                room = self._rooms.setdefault(request.room_id, [])
                if client not in room:
                    room.append(client)
                await self.say(client, Ack(ref=request.ref, means="written"))
            case LeaveRoom():
                self._rooms[request.room_id].remove(client)

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return connection.respond(HTTPStatus.OK, snapshots.encode(an_idle_snapshot()).decode())


OnMessage = Callable[[FakeServer, ServerConnection, SendMessage], Awaitable[None]]


async def behave(server: FakeServer, sender: ServerConnection, request: SendMessage) -> None:
    """Acknowledge the message, and bring it to everyone in its room."""
    await server.ack(sender, request)
    await server.deliver(request)


def an_idle_snapshot() -> Snapshot:
    """Of a server that has nothing to tell."""
    return Snapshot(
        url="ws://127.0.0.1:1",
        mode="fake",
        parts={},
        ack_means="written",
        uptime_s=1.0,
        clients=0,
        counts=Counts(),
        rates=Rates(),
        batches=Batches(),
        queue=ProcessorStatistics(0, 0, 0.0, 0, 0),
        cache=ReaderStatistics(),
        files={},
        ack_ms=Percentiles(),
        save_ms=Percentiles(),
        delivery_ms=Percentiles(),
        loop_lag_ms=Percentiles(),
        cpu_s=0.0,
        cpu_percent=0.0,
        rss_bytes=1,
        rss_peak_bytes=1,
        refusals={},
        notes=[],
    )
