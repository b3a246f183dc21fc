"""It gives way to others while it goes through the members, who come and go meanwhile.

Fails: come_and_go
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import ClassVar

from chatlab.chat.parts.delivery import Delivery
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
        sent = 0
        for room_id, messages in rooms.items():
            sent += await self._to_room(room_id, messages)
        return sent

    async def _to_room(self, room_id: str, messages: list[Message]) -> int:
        members = self.members(room_id)
        batches = [encode(MessagesFrame(room_id, part)) for part in _cut(messages)]
        singles = [encode_message(message) for message in messages]
        sent = 0
        for client in members:
            frames = batches if client.frame_style == "batch" else singles
            for frame in frames:
                client.push(frame)
            sent += len(frames)
            await asyncio.sleep(0)
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
