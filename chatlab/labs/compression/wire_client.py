"""A load with compression on the wire, for the compression lab: the load generator has none.

It is slower than the load generator, and so no measure of the fastest server. Each user keeps a few
messages in flight and sends more after each ack: a closed loop, from which no latency is taken. The
counts are exact: all bytes that pass the socket, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from chatlab.bench.address import chat_url
from chatlab.chat.protocol import (
    Ack,
    CreateRoom,
    JoinRoom,
    MessageFrame,
    MessagesFrame,
    SendMessage,
    decode_outgoing,
    encode,
)

ROOM = "load-0"
IN_FLIGHT = 32
FRAME_BYTES_MAX = 4 * 1024 * 1024


class CountingConnection(ClientConnection):
    """A connection that counts the bytes of its socket.

    Attributes:
        bytes_in, bytes_out: so far, with the handshake and all headers of frames.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bytes_in = self.bytes_out = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        true_write = transport.write

        def write(data: Any) -> None:
            self.bytes_out += len(data)
            true_write(data)

        transport.write = write  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        self.bytes_in += len(data)
        super().data_received(data)


class WireUser(msgspec.Struct):
    """What a user sent and got back.

    Attributes:
        acked: the user's own messages.
        received: contents, of everyone, in the order of their coming.
        bytes_in, bytes_out: of its socket, from the first message on.
    """

    acked: int
    received: list[str]
    bytes_in: int
    bytes_out: int


async def talk(
    url: str, user: int, contents: list[str], total: int, begin: asyncio.Barrier
) -> WireUser:
    """One user: enter, say everything, and stay until all users' messages have arrived.

    Args:
        url: the server's address.
        user: its number, from 0.
        contents: what it says.
        total: messages of all users together.
        begin: lets all of them begin at the same moment.

    Raises:
        OSError, websockets.exceptions.WebSocketException: the server is unreachable, or went away.
    """
    async with connect(
        chat_url(url, f"load-{user}") + "&frames=batch",
        compression="deflate",  # an offer: the server decides
        create_connection=CountingConnection,
        max_size=FRAME_BYTES_MAX,
    ) as socket:
        assert isinstance(socket, CountingConnection)
        # The first user makes the room; the others learn that it exists, and join it.
        await socket.send(encode(CreateRoom(room_id=ROOM, ref="made")), text=True)
        await socket.send(encode(JoinRoom(room_id=ROOM, ref="in")), text=True)
        while getattr(decode_outgoing(await socket.recv()), "ref", None) != "in":
            pass
        await begin.wait()
        bytes_in, bytes_out = socket.bytes_in, socket.bytes_out
        received: list[str] = []
        acked = sent = 0
        while acked < len(contents) or len(received) < total:
            # A frame a message, in a burst: so does a person's program, and so does the generator.
            for content in contents[sent : acked + IN_FLIGHT]:
                await socket.send(encode(SendMessage(ROOM, content, ref=sent)), text=True)
                sent += 1
            match decode_outgoing(await socket.recv()):
                case Ack(up_to=int(up_to)):
                    acked = up_to + 1
                case MessagesFrame(messages=messages):
                    received += [one.content for one in messages]
                case MessageFrame() as one:
                    received.append(one.content)
        return WireUser(acked, received, socket.bytes_in - bytes_in, socket.bytes_out - bytes_out)


async def talk_together(url: str, said: list[list[str]], begin: asyncio.Barrier) -> list[WireUser]:
    """All users at once; one that fails ends all the others."""
    total = sum(map(len, said))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(talk(url, user, contents, total, begin))
            for user, contents in enumerate(said)
        ]
    return [task.result() for task in tasks]


def in_order(users: Iterable[WireUser], said: list[list[str]]) -> bool:
    """Whether everyone got everything once, and each sender's messages in their order."""
    for user in users:
        by_sender: dict[str, list[str]] = {}
        for content in user.received:
            by_sender.setdefault(content.partition(" ")[0], []).append(content)
        if sorted(by_sender.values()) != sorted(filter(None, said)):
            return False
    return True
