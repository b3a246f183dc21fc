"""A message on its way, and those who send and receive: what the parts pass to each other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import msgspec

from chatlab.chat.protocol import FrameStyle, Ref
from chatlab.data.records import Message


class Client(Protocol):
    """A connected user. No method raises: frames to a client that has gone are dropped.

    Each client has a bounded send buffer. One that does not read is disconnected when the buffer is
    full, so that no method waits for a slow client.
    """

    user: str
    frame_style: FrameStyle

    async def send(self, frame: bytes) -> None:
        """Send one frame the ordinary way."""

    def push(self, frame: bytes) -> None:
        """Put a frame into the send buffer, without an await."""

    def release(self) -> None:
        """One message of this client is saved or given up: it may send another one."""


class Members(Protocol):
    """The clients live in a room, now."""

    def __call__(self, room_id: str) -> Collection[Client]: ...


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A message between its acceptance and its delivery.

    Attributes:
        message: what was said.
        ref: its sender's mark on it, for the answer.
        sender: who gets the answer.
        accepted_at: seconds, on the server's clock.
    """

    message: Message
    ref: Ref
    sender: Client
    accepted_at: float
