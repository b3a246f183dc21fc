"""However large the batch, it becomes one frame.

Fails: large_batch
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from chatlab.chat.parts.delivery import Delivery
from chatlab.chat.parts.entry import Client
from chatlab.chat.protocol import FrameStyle, MessagesFrame, encode, encode_message
from chatlab.data.records import Message


class RoomDelivery(Delivery):
    """Brings saved messages to those who are live in their rooms."""

    frames: ClassVar[FrameStyle] = "batch"

    async def deliver(self, batch: Sequence[Message]) -> int:
        rooms: dict[str, list[Message]] = {}
        for message in batch:
            rooms.setdefault(message.room_id, []).append(message)
        return sum(self._to_room(room_id, messages) for room_id, messages in rooms.items())

    def _to_room(self, room_id: str, messages: list[Message]) -> int:
        # No await from here on: nobody can come or go in between.
        members = tuple(self.members(room_id))
        takers = [client for client in members if client.frame_style == "batch"]
        others = [client for client in members if client.frame_style != "batch"]
        sent = 0
        if takers:
            sent += _push(iter([encode(MessagesFrame(room_id, messages))]), takers)
        if others:
            sent += _push(map(encode_message, messages), others)
        return sent


def _push(frames: Iterator[bytes], clients: Sequence[Client]) -> int:
    sent = 0
    for frame in frames:
        for client in clients:
            client.push(frame)
        sent += len(clients)
    return sent
