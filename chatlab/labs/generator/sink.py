"""A chat server that does next to nothing, to find out how fast the load generator itself is.

It acks every message and delivers it to everyone connected, without checking or saving anything:
in batch frames, as many in one as a fast mode has. Its frames are as long as
those of a mode: shorter frames would make the generator's work too easy.
Built on `picows`, and it hands all that one client is to get to the socket at once.

    python -m chatlab.labs.generator.sink   prints `listening on ws://...`; ends with its input
"""

from __future__ import annotations

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from chatlab.chat.protocol import (
    Ack,
    MessagesFrame,
    Ref,
    SendMessage,
    Welcome,
    decode_request,
    encode,
)
from chatlab.child_process import when_stdin_ends
from chatlab.data.records import Message
from chatlab.errors import Refusal

TEXT_FRAME = 0x81
SHORT, LONG = 125, 0xFFFF
BATCH = 140
"""Messages in a frame: the mean of `journal` with ten users and 32 messages in flight per user."""
ID, SENDER, TIMESTAMP = "0123456789ab-00000001", "load-0-0", "2026-01-01T00:00:00.000Z"
WAIT_S = 0.002
"""Seconds after which a batch goes out even if it is not full."""


class Everyone:
    """Everyone connected, and what was said since the last batch frame."""

    def __init__(self) -> None:
        self.everyone: dict[Sink, None] = {}
        self._said: list[SendMessage] = []
        self._due: asyncio.TimerHandle | None = None

    def say(self, request: SendMessage) -> None:
        """Have a message go out with others, in batches of the size that a fast mode sends."""
        self._said.append(request)
        if len(self._said) >= BATCH:
            self._deliver()
        elif len(self._said) == 1:
            self._due = asyncio.get_running_loop().call_later(WAIT_S, self._deliver)

    def _deliver(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self._said:
            return
        messages = [message_of(request) for request in self._said]
        frame = framed(encode(MessagesFrame(messages[0].room_id, messages)))
        self._said = []
        for client in self.everyone:
            client.take(frame)


class Sink(WSListener):
    """One connection."""

    def __init__(self, room: Everyone) -> None:
        super().__init__()
        self._room = room
        self._up_to: Ref = None
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._room.everyone[self] = None
        welcome = Welcome("load", "load", "sink", "queued", [], frames="batch")
        transport.send(WSMsgType.TEXT, encode(welcome))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._room.everyone.pop(self, None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            try:
                request = decode_request(frame.get_payload_as_utf8_text())
            except Refusal:
                return
            if isinstance(request, SendMessage):
                self._up_to = request.ref
                self._room.say(request)
            else:
                transport.send(WSMsgType.TEXT, encode(Ack(ref=request.ref, means="queued")))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def take(self, frame: bytes) -> None:
        """Hand a batch frame to the socket, with an ack for all that this client has sent."""
        if isinstance(self._up_to, int):
            frame = framed(encode(Ack(up_to=self._up_to, means="queued"))) + frame
            self._up_to = None
        if self._transport is not None:
            self._transport.underlying_transport.write(frame)


def message_of(request: SendMessage) -> Message:
    """A message as everyone receives it."""
    return Message(ID, request.room_id, SENDER, request.content, TIMESTAMP)


def framed(payload: bytes) -> bytes:
    """A text frame from a server, which is not masked (RFC 6455, section 5.2)."""
    size = len(payload)
    if size <= SHORT:
        return bytes((TEXT_FRAME, size)) + payload
    if size <= LONG:
        return bytes((TEXT_FRAME, 126)) + size.to_bytes(2) + payload
    return bytes((TEXT_FRAME, 127)) + size.to_bytes(8) + payload


async def main() -> None:
    """Serve until standard input ends."""
    room = Everyone()
    ended = asyncio.Event()
    when_stdin_ends(ended.set)

    server = await ws_create_server(lambda _: Sink(room), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"listening on ws://127.0.0.1:{port}", flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
