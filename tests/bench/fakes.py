"""A tiny chat server that does to messages whatever a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chatlab.bench.scenario import Scenario
from chatlab.chat import protocol
from chatlab.chat import snapshot as snapshots
from chatlab.chat.protocol import Ack, SendMessage, encode
from tests.support.snapshots import a_snapshot


def a_scenario(**changes: Any) -> Scenario:
    values: dict[str, Any] = {"name": "test", "words": "a load", "messages": 20, "users": 4}
    return Scenario(**(values | changes))


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
        left: the addresses with which people came who left a room.
    """

    _server: Server

    def __init__(self, on_message: OnMessage | None = None) -> None:
        self._on_message = on_message or Incoming.behave
        self._rooms: dict[str, list[ServerConnection]] = {}
        self.sent: list[int] = []
        self.left: set[str] = set()
        self.clients: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._answer_http, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def members(self, room_id: str) -> list[ServerConnection]:
        """Who is in a room, in the order of their coming."""
        return self._rooms[room_id]

    async def say(self, client: ServerConnection, frame: protocol.Outgoing) -> None:
        """Send a frame."""
        await client.send(encode(frame), text=True)

    async def hang_up(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(client.close(1011, "falling over") for client in self.clients))

    async def _serve(self, client: ServerConnection) -> None:
        self.clients.add(client)
        try:
            await self.say(client, protocol.Welcome("someone", "someone", "fake", "written", []))
            async for text in client:
                await self._answer(client, protocol.decode_request(text))
        except ConnectionClosed:
            pass
        finally:
            self.clients.discard(client)

    async def _answer(self, client: ServerConnection, request: object) -> None:
        match request:
            case SendMessage(ref=int(number)):
                self.sent.append(number)
                await self._on_message(Incoming(self, client, request))
            case protocol.CreateRoom() | protocol.JoinRoom():
                room = self._rooms.setdefault(request.room_id, [])
                if client not in room:
                    room.append(client)
                await self.say(client, Ack(ref=request.ref, means="written"))
            case protocol.LeaveRoom():
                self.left.add(client.request.path if client.request else "")
                with suppress(ValueError):  # it has come back only to leave
                    self._rooms[request.room_id].remove(client)
                await self.say(client, Ack(ref=request.ref, means="written"))

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return connection.respond(HTTPStatus.OK, snapshots.encode(a_snapshot()).decode())


@dataclass(frozen=True)
class Incoming:
    """A message that a fake server has got, and what can be done with it."""

    server: FakeServer
    sender: ServerConnection
    request: SendMessage

    async def ack(self) -> None:
        """Say that it is safe."""
        await self.server.say(self.sender, Ack(ref=self.request.ref, means="written"))

    async def refuse(self, code: str) -> None:
        """Say that it is not."""
        error = protocol.ErrorFrame(code, "because the test says so", self.request.ref)
        await self.server.say(self.sender, error)

    async def deliver(self, *, to: slice = slice(None), content: str | None = None) -> None:
        """Bring it to those of its room, or to a part of them; perhaps with other words."""
        frame = self.frame(self.request.content if content is None else content)
        for receiver in self.server.members(self.request.room_id)[to]:
            await self.server.say(receiver, frame)

    async def behave(self) -> None:
        """Do what a good server does."""
        await self.ack()
        await self.deliver()

    def frame(self, content: str) -> protocol.MessageFrame:
        return protocol.MessageFrame(
            f"m-{self.request.ref}",
            *(self.request.room_id, "someone", content, "2026-01-01T00:00:00.000Z"),
        )


OnMessage = Callable[[Incoming], Awaitable[None]]
