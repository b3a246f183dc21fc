"""One connected client, bounded in what it leaves unread and in what it may have in the queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chatlab.chat.protocol import FrameStyle
from chatlab.chat.server.arrivals import LoggingConnection
from chatlab.chat.server.limits import Note
from chatlab.chat.settings import Settings

POLICY_VIOLATION = 1008


class SocketClient:
    """A connected client, with a bounded send buffer and a bounded share of the queue."""

    def __init__(
        self,
        connection: LoggingConnection,
        user: str,
        settings: Settings,
        note: Note,
        frames: FrameStyle = "single",
    ) -> None:
        self.user = user
        self.frame_style: FrameStyle = frames
        self.latest_ref = -1
        self.connection = connection
        connection.user = user
        self._send_buffer_max = settings.send_buffer_max
        self._note = note
        self._free = settings.client_queue_limit
        self._has_free = asyncio.Event()
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

    def reserved_at_once(self) -> bool:
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def reserve(self) -> None:
        await self.room()
        self._free -= 1

    def has_room(self) -> bool:
        return self._free > 0

    async def room(self) -> None:
        while self._free <= 0:
            self._has_free.clear()
            await self._has_free.wait()

    def release(self) -> None:
        self._free += 1
        self._has_free.set()

    def _hand_over(self) -> None:
        """Write what was pushed in this turn of the event loop."""
        frames, self._outbox = self._outbox, []
        if frames and not self.gone():
            for frame in frames:
                self.connection.protocol.send_text(frame)
            self.connection.transport.write(b"".join(self.connection.protocol.data_to_send()))

    def _may_send(self) -> bool:
        """Whether the client is there and reads; disconnects one that does not read."""
        # In a connection that is closing, a send of the library waits for its end.
        if self.gone() or self._closing is not None:
            return False
        unread = self.connection.transport.get_write_buffer_size()
        if unread <= self._send_buffer_max:
            return True
        told = f"(last: {self.user}): it left {unread:,} bytes unread"
        self._note(f"a client was disconnected {told}", "unread")
        reason = f"too slow: {unread:,} bytes unread"
        self._closing = asyncio.create_task(self.connection.close(POLICY_VIOLATION, reason))
        return False
