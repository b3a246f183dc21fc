"""Encoded once, pushed to all, and a frame a room for those who take batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from chatlab.chat.parts.message_seams import Client, Delivery
from chatlab.chat.protocol import FrameStyle, MessagesFrame, encode, encode_message
from chatlab.data.records import Message

FRAME_CHARS_MAX = 64 * 1024
"""Characters of text (`len(message.content)`, added up) in one batch frame at most."""


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
            parts = _cut(messages)
            sent += _push((encode(MessagesFrame(room_id, part)) for part in parts), takers)
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


def _cut(messages: list[Message]) -> Iterator[list[Message]]:
    """Parts, in order, of at most FRAME_CHARS_MAX characters each."""
    part: list[Message] = []
    chars = 0
    for message in messages:
        if part and chars + len(message.content) > FRAME_CHARS_MAX:
            yield part
            part, chars = [], 0
        part.append(message)
        chars += len(message.content)
    yield part
