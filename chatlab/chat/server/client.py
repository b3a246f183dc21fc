"""One connected client, bounded in what it leaves unread and in what it may have in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import FrameStyle
from chatlab.chat.server.arrivals import LoggingConnection
from chatlab.chat.turns import Sharer, Shares

POLICY_VIOLATION = 1008


class SocketClient(Sharer):
    """A connected client, with a bounded send buffer and a bounded share of the queue."""

    def __init__(
        self,
        connection: LoggingConnection,
        user: str,
        shares: Shares,
        frames: FrameStyle = "single",
    ) -> None:
        super().__init__(shares)
        self.user = user
        self.frame_style: FrameStyle = frames
        self.latest_ref = -1
        self.connection = connection
        connection.user = user
        self._closing: asyncio.Task[None] | None = None
        self._outbox: list[bytes] = []  # for one turn of the event loop at most

    def arrived_at(self) -> float:
        return self.connection.taken_at()

    def behind(self) -> int:
        return self.connection.transport_part.waiting(self.connection)

    def gone(self) -> bool:
        # A lost connection is open for a moment still, and asyncio complains of what it is given.
        return self.connection.state is not State.OPEN or self.connection.transport.is_closing()

    async def send(self, frame: bytes) -> None:
        self._hand_over()
        if self._may_send():
            with suppress(ConnectionClosed):
                await self.connection.send(frame, text=True)

    def push(self, frame: bytes) -> None:
        if not self._may_send():
            return
        if self.frame_style == "single":
            broadcast((self.connection,), frame, text=True)
            return
        # A client that takes batches gets an ack and a frame at the same moment: together they
        # cost one system call.
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._outbox.append(frame)

    def push_all(self, frames: TextFrames) -> None:
        if self._may_send():
            if self.connection.protocol.extensions:  # compression differs from client to client
                self._write(frames.texts)
            else:
                self.connection.transport.write(frames.wire)

    def _hand_over(self) -> None:
        """Write what was pushed in this turn of the event loop."""
        frames, self._outbox = self._outbox, []
        if frames and not self.gone():
            self._write(frames)

    def _write(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            self.connection.protocol.send_text(frame)
        self.connection.transport.write(b"".join(self.connection.protocol.data_to_send()))

    def _may_send(self) -> bool:
        """Whether the client is there and reads; disconnects one that does not read."""
        # In a connection that is closing, a send of the library waits for its end.
        if self.gone() or self._closing is not None:
            return False
        unread = self.connection.transport.get_write_buffer_size()
        if unread <= self.connection.send_buffer_max:
            return True
        told = f"(last: {self.user}): it left {unread:,} bytes unread"
        self.connection.note(f"a client was disconnected {told}", "unread")
        reason = f"too slow: {unread:,} bytes unread"
        self._closing = asyncio.create_task(self.connection.close(POLICY_VIOLATION, reason))
        return False
