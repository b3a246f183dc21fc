"""A message on its way: what processors pass along and deliveries send to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import msgspec

from chatlab.chat.protocol import FrameStyle, Ref
from chatlab.data.records import Message


class Client(Protocol):
    """Someone connected. No method ever raises: who has gone simply hears no more.

    Each client has a bounded send buffer. One that does not read is disconnected when its buffer
    is full, so that no method ever waits for a slow client.
    """

    user: str
    frame_style: FrameStyle

    async def send(self, frame: bytes) -> None:
        """Send one frame the ordinary way."""

    def push(self, frame: bytes) -> None:
        """Put a frame into the send buffer, at once and without giving way to anyone else."""

    def release(self) -> None:
        """One message of this client is saved or given up, so that it may have another one."""


class Members(Protocol):
    """Who is live in a room, right now."""

    def __call__(self, room_id: str) -> Collection[Client]: ...


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A message between its acceptance and its delivery.

    Attributes:
        message: what was said.
        ref: its sender's mark, for the answer.
        sender: who gets the answer.
        accepted_at: seconds, on the server's clock.
    """

    message: Message
    ref: Ref
    sender: Client
    accepted_at: float
