"""A chat server that does next to nothing, to find out how fast the load generator itself is.

It acks every message and delivers it to everyone connected, without checking or saving anything;
to those who ask for batch frames, all that came in one piece in one frame.
Built on `picows`, and it hands all that one client is to get to the socket at once: so it is
faster than the generator, and what is measured against it is the generator's own limit.

    python -m chatlab.bench.sink        prints `listening on ws://...`; ends with its standard input
"""

from __future__ import annotations

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from chatlab.chat.errors import Refusal
from chatlab.chat.parent import when_stdin_ends
from chatlab.chat.protocol import (
    Ack,
    Message,
    MessagesFrame,
    Ref,
    SendMessage,
    Welcome,
    decode_request,
    encode,
    encode_message,
)

TEXT_FRAME = 0x81
SHORT, LONG = 125, 0xFFFF
BATCH = 140
"""Messages in a frame: the mean of `journal` with ten users and 32 messages under way for each."""
WAIT_S = 0.002
"""Seconds; after so long, a batch goes out though it is not full."""


class Room:
    """Everyone connected, and what was said since the last batch frame."""

    def __init__(self) -> None:
        self.everyone: dict[Sink, None] = {}
        self._said: list[Message] = []
        self._due: asyncio.TimerHandle | None = None

    def say(self, message: Message) -> None:
        """Have a message go out with others, in batches of the size that a fast mode sends."""
        self._said.append(message)
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
        frame = framed(encode(MessagesFrame(self._said[0].room_id, self._said)))
        self._said = []
        for client in self.everyone:
            client.take(frame)


class Sink(WSListener):
    """One connection."""

    def __init__(self, room: Room, *, batches: bool) -> None:
        super().__init__()
        self._room = room
        self._everyone = room.everyone
        self._batches = batches
        self._up_to: Ref = None
        self._transport: WSTransport | None = None
        self._outbox = bytearray()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._everyone[self] = None
        transport.send(WSMsgType.TEXT, encode(Welcome("load", "load", "sink", "queued", [])))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._everyone.pop(self, None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            self._answer(frame.get_payload_as_utf8_text())
            if frame.last_in_buffer:
                for client in (self,) if self._batches else self._everyone:
                    client.flush()

    def _answer(self, text: str) -> None:
        try:
            request = decode_request(text)
        except Refusal:
            return
        if isinstance(request, SendMessage) and self._batches:
            self._room.say(Message("sink", request.room_id, "load", request.content, ""))
            self._up_to = request.ref
            return
        self._outbox += framed(encode(Ack(ref=request.ref, means="queued")))
        if isinstance(request, SendMessage):
            message = Message("sink", request.room_id, "load", request.content, "")
            frame = framed(encode_message(message))
            for client in self._everyone:
                client._outbox += frame

    def take(self, frame: bytes) -> None:
        """Hand over a batch frame, with an ack for all that this client has sent."""
        if isinstance(self._up_to, int):
            self._outbox += framed(encode(Ack(up_to=self._up_to, means="queued")))
            self._up_to = None
        self._outbox += frame
        self.flush()

    def flush(self) -> None:
        """Hand over what has been gathered."""
        if self._outbox and self._transport is not None:
            self._transport.underlying_transport.write(bytes(self._outbox))
            self._outbox.clear()


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
    room = Room()
    ended = asyncio.Event()
    when_stdin_ends(ended.set)

    def listener(request: WSUpgradeRequest) -> Sink:
        return Sink(room, batches=b"frames=batch" in request.path)

    server = await ws_create_server(listener, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"listening on ws://127.0.0.1:{port}", flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
