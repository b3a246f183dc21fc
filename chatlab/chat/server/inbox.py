"""A connection whose messages can be had in bulk: all that arrived together, with no wait between.

The library's own way is made for any program: it reads each frame step by step, assembles
fragments, and passes each message through a queue and three layers of coroutines. Nearly every
message is one short frame of text, and needs none of that. Those take the short way here; whatever
is unusual (fragments, binary frames, compression, a close) still goes through the library, in its
turn. How frames are told apart stands in `framing.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event, State

from chatlab.chat.protocol import FRAME_BYTES_MAX
from chatlab.chat.server.framing import end_of_frame, take_texts

END_OF_HANDSHAKE = b"\r\n\r\n"

WAITING_MAX = 64
"""Messages; with more than so many waiting, the socket is read no further. One read of it may bring
many at once, so that this is a mark, and not a hard limit."""
WAITING_FEW = 16
"""... until there are no more than so many."""


class Inbox:
    """What arrived and was not yet taken.

    Attributes:
        waiting: the bytes of each message; None for one that is to be had from `recv`.
        closed: whether nothing more will come.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.waiting: deque[bytes | None] = deque()
        self.closed = False
        self._transport = transport
        self._paused = False
        self._something = asyncio.Event()

    def put(self, data: bytes | None) -> None:
        """Add a message."""
        self.waiting.append(data)
        self._something.set()
        if len(self.waiting) > WAITING_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def get(self) -> bytes | None:
        """Take the first message."""
        data = self.waiting.popleft()
        if self._paused and len(self.waiting) <= WAITING_FEW:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Nothing more will come."""
        self.closed = True
        self._something.set()

    async def something(self) -> None:
        """Wait until there is a message, or the end."""
        self._something.clear()
        await self._something.wait()


class ChatConnection(ServerConnection):
    """A server's side of a connection."""

    _inbox: Inbox
    _at_a_frame = False  # whether the library waits for the first byte of a frame
    _in_fragments = False  # whether the message is unfinished of which the library had a part
    _rest = b""  # of a frame that is not whole yet; bounded by `FRAME_BYTES_MAX`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._inbox = Inbox(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        if protocol.state is State.CONNECTING:
            super().data_received(data)
            # One who sends messages before it was answered has left half a frame there, perhaps.
            self._at_a_frame = data.endswith(END_OF_HANDSHAKE)
            return
        if not self._at_a_frame:
            super().data_received(data)
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        begin = 0
        while protocol.state is State.OPEN:
            if not self._in_fragments:
                begin = take_texts(data, begin, self._inbox.put)
            end = end_of_frame(data, begin, FRAME_BYTES_MAX)
            if end is None:
                self._rest = data[begin:]
                return
            super().data_received(data[begin:end])
            begin = end
        super().data_received(data[begin:])

    # The library calls this for each frame that it was given, and for the handshake.
    def process_event(self, event: Event) -> None:
        if not isinstance(event, Frame) or event.opcode > Opcode.BINARY:
            super().process_event(event)
        elif event.fin and event.opcode is Opcode.TEXT:
            self._inbox.put(bytes(event.data))
        else:
            super().process_event(event)
            self._in_fragments = not event.fin
            if event.fin:
                self._inbox.put(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._inbox.close()

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Every message, as `recv` would give it, until the connection has ended."""
        inbox = self._inbox
        try:
            while True:
                while inbox.waiting:
                    data = inbox.get()
                    yield data.decode() if data is not None else await self.recv()
                if inbox.closed:
                    return
                await inbox.something()
        except UnicodeDecodeError:
            await self.close(CloseCode.INVALID_DATA, "a text frame that is not UTF-8")
