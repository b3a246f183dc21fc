"""What one connection may cost, whatever it sends.

Bounds frames, not messages: what the library reads, holds and answers before a message exists. Who
may send how many messages is decided above. Each limit closes the connection at once, and the rest
of what it sent is thrown away unread.

- A message in fragments: `FRAGMENTS_MAX` of them. Its bytes the library bounds itself.
- Pings and pongs: a rate. Nobody needs many, and each ping is answered, so that one who sends pings
  makes the server write. Answers that nobody reads count as unread messages do.
- One read: `READ_BYTES_MAX` bytes, and fewer from a client whose frames are many and small. While
  the server works through them, it serves nobody else.
- The goodbye: a client that was told to go and stays is hung up on after `close_timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.server import ServerProtocol
from websockets.typing import DataLike

from chatlab.chat.settings import Clock

FRAGMENTS_MAX = 256
"""Of one message. A message of 64 KiB in fragments of 256 bytes still passes, and an empty fragment
costs the server about 400 bytes of memory."""
CONTROL_FRAMES_AT_ONCE = 100
CONTROL_FRAMES_PER_S = 20.0
"""Pings and pongs together. Libraries send one in 20 s or so; a client that measures its line sends
a few in a second."""
READ_BYTES_MAX = 16 * 1024
"""Some 150 ordinary messages. asyncio would read 256 KiB: 43,000 empty frames, 0.4 s of work."""
READ_BYTES_MIN = 512
THROWN_AWAY_MAX = 1024 * 1024
"""Bytes from a client that was told to go. They are read, so that a client that sends first and
reads later learns why, but not for ever."""
UNANSWERED_PINGS_MAX = 60
"""Of ours, which go out every 20 s. The library remembers each until it is answered, which a client
that goes on talking may never do."""
FRAMES_PER_READ = 64
"""Frames that the library may find in one read, at 5 to 10 microseconds each."""
MESSAGES_PER_READ = 200
"""The shortest messages are as dear as others once they are read: each is refused in words."""
FRAME_BYTES = 1024
"""A longer frame counts as one for each of these bytes: it may have been compressed to next to
nothing."""


class Note(Protocol):
    """Keeps a sentence for people; see `Metrics.note`."""

    def __call__(self, text: str, about: str = "") -> None: ...


class LimitedConnection(ServerConnection):
    """A connection, of any transport, whose frames are bounded.

    Attributes:
        user: who is at its other end, for the notes.
        clock: seconds.
        note: keeps a sentence for people.
        send_buffer_max: bytes that a client may leave unread.
    """

    user = "somebody without a name"
    clock: Clock
    note: Note
    send_buffer_max: int

    def __init__(self, protocol: ServerProtocol, *args: Any, **options: Any) -> None:
        super().__init__(protocol, *args, **options)
        self._control_frames = TokenBucket(CONTROL_FRAMES_AT_ONCE, CONTROL_FRAMES_PER_S, self.clock)
        self._fragments = 0  # of the message that has begun and not ended
        self._frames = 0  # in the latest read
        self._thrown_away = 0  # bytes
        self._hanging_up: asyncio.TimerHandle | None = None
        # The library parses all that was read before it shows us a frame, and answers pings
        # meanwhile. Only here is each frame seen in time.
        self._let_in = protocol.recv_frame
        protocol.recv_frame = self._recv_frame  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._read_at_most(READ_BYTES_MAX, transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._hanging_up:
            self._thrown_away += len(data)
            if self._thrown_away > THROWN_AWAY_MAX:
                self.transport.pause_reading()
            return
        self._frames = 0
        super().data_received(data)
        if self.protocol.eof_sent and self.close_timeout is not None:
            self._hanging_up = self.loop.call_later(self.close_timeout, self.transport.abort)

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        if len(self.pending_pings) >= UNANSWERED_PINGS_MAX:
            oldest = next(iter(self.pending_pings))
            self.pending_pings.pop(oldest)[0].cancel()
        return await super().ping(data)

    def fit_reads(self, size: int, messages: int) -> None:
        """Let the next read bring as many frames as a read may.

        Args:
            size: bytes of the latest read.
            messages: that it brought.
        """
        share = self._frames / FRAMES_PER_READ + messages / MESSAGES_PER_READ
        if share:
            fitting = max(READ_BYTES_MIN, min(READ_BYTES_MAX, int(size / share)))
            self._read_at_most(fitting, self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._hanging_up:
            self._hanging_up.cancel()
        super().connection_lost(exc)

    def _recv_frame(self, frame: Frame) -> None:
        """Let the library have a frame, unless it is one too many."""
        self._frames += 1 + len(frame.data) // FRAME_BYTES
        wrong = self._too_many(frame)
        if wrong is None:
            self._let_in(frame)
        else:
            code, why = wrong
            self.note(f"a client was disconnected (last: {self.user}): {why}", why)
            self.protocol.fail(code, why)

    def _too_many(self, frame: Frame) -> tuple[CloseCode, str] | None:
        """What is wrong with one more frame: a code and a reason; None if nothing is."""
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            if not self._control_frames.take():
                allowed = (
                    f"{CONTROL_FRAMES_AT_ONCE} at once, then {CONTROL_FRAMES_PER_S:g} a second"
                )
                return CloseCode.POLICY_VIOLATION, f"too many pings and pongs: at most {allowed}"
            if self.transport.get_write_buffer_size() > self.send_buffer_max:
                return CloseCode.POLICY_VIOLATION, "too slow: it left its pongs unread"
        elif frame.opcode is not Opcode.CLOSE:
            self._fragments = 0 if frame.fin else self._fragments + 1
            if self._fragments >= FRAGMENTS_MAX:
                return CloseCode.MESSAGE_TOO_BIG, f"over {FRAGMENTS_MAX} fragments in one message"
        return None

    def _read_at_most(self, size: int, transport: asyncio.BaseTransport) -> None:
        # asyncio's transports ask their socket for so many bytes. Those of Windows have no such
        # attribute, and read 64 KiB.
        if hasattr(transport, "max_size"):
            transport.max_size = size


class TokenBucket:
    """A rate with a reserve: `size` at once, then `per_s` each second.

    Args:
        clock: seconds.
    """

    def __init__(self, size: int, per_s: float, clock: Clock) -> None:
        self._size = size
        self._per_s = per_s
        self._clock = clock
        self._tokens = float(size)
        self._at = clock()

    def take(self) -> bool:
        """Take one; returns whether there was one."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
