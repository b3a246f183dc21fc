"""A connection that cuts short text messages out of the stream, and leaves the rest to the library.

All else (fragments, binary frames, compression, pings, a close, anything broken) goes through the
library frame by frame, so that its strictness stays. A frame (RFC 6455, section 5.2):

    byte 0   1 for the last frame of a message, three bits for extensions, four for the kind
    byte 1   1 if the payload is masked (a client's always is), seven bits of its length
             126: the length stands in the next two bytes; 127: in the next eight
    then     four bytes of mask, and the payload
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection

# `apply_mask` is the library's compiled one, where there is one.
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import Event, State

from chatlab.chat.protocol import FRAME_BYTES_MAX

END_OF_HANDSHAKE = b"\r\n\r\n"
WAITING_MAX = 64
"""Messages; with more than these waiting, the socket is not read."""
WAITING_FEW = 16
"""Messages; with no more than these waiting, the socket is read again."""

WHOLE_TEXT = 0x81
"""Byte 0 of a text message in one frame, without any extension."""
MASKED = 0x80
TWO_BYTES = 126
MASK_SIZE = 4
HEADER_MIN, HEADER_MAX = 2 + MASK_SIZE, 14


class BulkConnection(ServerConnection):
    """A server's side of a connection.

    Attributes:
        inbox: what has arrived and was not yet taken.
    """

    inbox: Inbox

    def __init__(self, *args: Any, **options: Any) -> None:
        # The library's own queue has no bound: only what is also in the inbox ever waits there.
        super().__init__(*args, **options | {"max_queue": None})
        self._at_a_frame = False  # whether the library waits for the first byte of a frame
        self._in_fragments = False  # whether the library has only a part of a message
        self._rest = b""  # the beginning of a frame; bounded by `FRAME_BYTES_MAX`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.inbox = Inbox(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        if protocol.state is State.CONNECTING:
            super().data_received(data)
            # A client that sends messages before the handshake is answered may have left half a
            # frame in the library: then all that follows goes there, too.
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
                begin = take_texts(data, begin, self.inbox.put)
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
            self.inbox.put(bytes(event.data))
        else:
            super().process_event(event)
            self._in_fragments = not event.fin
            if event.fin:
                self.inbox.put(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.inbox.close()


class Inbox:
    """What has arrived and was not yet taken; stops the reading of the socket when it is full.

    Attributes:
        waiting: the bytes of each message; None for one that `recv` has.
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


def take_texts(data: bytes, begin: int, take: Callable[[bytes], None]) -> int:
    """Take the text messages that follow each other from `begin` on.

    Takes only those of fewer than 64 KiB, each in one whole frame.

    Returns where something else begins: another kind of frame, a part of one, or the end.
    """
    size = len(data)
    while begin + HEADER_MIN <= size and data[begin] == WHOLE_TEXT:
        length, mask = data[begin + 1] - MASKED, begin + 2
        if length == TWO_BYTES:
            length, mask = int.from_bytes(data[begin + 2 : begin + 4]), begin + 4
        elif not 0 <= length < TWO_BYTES:
            break
        payload = mask + MASK_SIZE
        end = payload + length
        if end > size:
            break
        take(apply_mask(data[payload:end], data[mask:payload]))
        begin = end
    return begin


def end_of_frame(data: bytes, begin: int, size_max: int) -> int | None:
    """Where the frame that begins at `begin` ends; None if more data must come first.

    For a frame whose payload is larger than `size_max` bytes it is the end of the data: the
    library refuses such a frame by its header, and nobody waits for the rest.
    """
    header = data[begin : begin + HEADER_MAX]
    if len(header) < 2:
        return None
    length, start = header[1] & ~MASKED, 2
    if length >= TWO_BYTES:
        start = 4 if length == TWO_BYTES else 10
        if len(header) < start:
            return None
        length = int.from_bytes(header[2:start])
    if length > size_max:
        return len(data)
    end = begin + start + (MASK_SIZE if header[1] & MASKED else 0) + length
    return end if end <= len(data) else None
