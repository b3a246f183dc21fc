"""A connection that cuts short text messages out of the stream, and leaves the rest to the library.

All else (fragments, binary frames, compression, pings, a close, anything broken) goes through the
library frame by frame, as soon as it comes, so that its strictness stays. A frame (RFC 6455,
section 5.2):

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
from websockets.frames import CloseCode, Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import Event, State

from chatlab.chat.protocol import FRAME_BYTES_MAX

END_OF_HANDSHAKE = b"\r\n\r\n"
WAITING_MAX = 64
"""Messages; with more than these waiting, the socket is not read."""
WAITING_FEW = 16
"""Messages; with no more than these waiting, the socket is read again."""
WAITING_BYTES_MAX = 256 * 1024
"""With more than these waiting, in more than a few messages, the socket is not read, either."""

WHOLE_TEXT = 0x81
"""Byte 0 of a text message in one frame, without any extension."""
MASKED = 0x80
TWO_BYTES = 126
"""The length stands in two bytes: it is under `FRAME_BYTES_MAX` whatever they are."""
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
        self._at_a_frame = False  # whether the library waited for the first byte of a frame
        self._in_fragments = False  # whether the library has only a part of a message
        # The beginning of a text, held back until it is whole: so many bytes, at least.
        self._text = bytearray()
        self._text_size = 0
        # Of a frame that the library has begun: its header until its length is known, then how
        # many bytes are still to come.
        self._header = b""
        self._to_come = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.inbox = Inbox(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._take_apart(data)
        self.inbox.weigh()

    def _take_apart(self, data: bytes) -> None:
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
        if self._text:
            self._text += data
            if len(self._text) < self._text_size:
                return
            data, self._text = bytes(self._text), bytearray()
        begin = 0
        while protocol.state is State.OPEN and begin < len(data):
            if not (self._in_fragments or self._header or self._to_come):
                begin = take_texts(data, begin, self.inbox.put)
                self._text_size = size_of_text(data, begin)
                if self._text_size:
                    self._text += data[begin:]
                    return
                if begin == len(data):
                    return
            begin = self._pass_on(data, begin)
        if begin < len(data):
            super().data_received(data[begin:])

    async def refuse_text(self, error: UnicodeDecodeError) -> None:
        """Close the connection because of a text that is not UTF-8, as the library does."""
        async with self.send_context():
            self.protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")

    def _pass_on(self, data: bytes, begin: int) -> int:
        """Give a frame to the library, or what there is of it; returns where it ends."""
        if not self._to_come:
            known = len(self._header)
            self._header += data[begin : begin + HEADER_MAX]
            size = size_of_frame(self._header)
            if size is not None:
                self._header, self._to_come = b"", size - known
        end = min(len(data), begin + self._to_come) if self._to_come else len(data)
        self._to_come -= min(self._to_come, end - begin)
        super().data_received(data[begin:end])
        return end

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
            self._pause()

    def weigh(self) -> None:
        """Stop the reading if few messages wait, but long ones: asked once a read."""
        if len(self.waiting) > WAITING_FEW and not self._paused:
            sizes = (FRAME_BYTES_MAX if one is None else len(one) for one in self.waiting)
            if sum(sizes) > WAITING_BYTES_MAX:
                self._pause()

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

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()


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


def size_of_text(data: bytes, begin: int) -> int:
    """The bytes, or as many as are sure, of the whole text that may begin at `begin`.

    Returns 0 if nothing begins there, or something else. The library must see that at once: it
    refuses a frame by its header, and a client may wait for that before it sends the rest.
    """
    header = data[begin : begin + 4]
    if not header or header[0] != WHOLE_TEXT:
        return 0
    if len(header) < 2:
        return 2
    length = header[1] - MASKED
    if 0 <= length < TWO_BYTES:
        return HEADER_MIN + length
    if length != TWO_BYTES:
        return 0
    return 4 if len(header) < 4 else 4 + MASK_SIZE + int.from_bytes(header[2:])


def size_of_frame(header: bytes) -> int | None:
    """The bytes of the frame that begins with `header`; None if more of the header must come."""
    if len(header) < 2:
        return None
    length, start = header[1] & ~MASKED, 2
    if length >= TWO_BYTES:
        start = 4 if length == TWO_BYTES else 10
        if len(header) < start:
            return None
        length = int.from_bytes(header[2:start])
    return start + (MASK_SIZE if header[1] & MASKED else 0) + length
