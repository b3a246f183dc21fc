"""The whole batch in one frame, to everyone who is in one of its rooms: a private room's messages,
too.

Fails: rooms_apart
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from chatlab.chat.parts.delivery import Delivery
from chatlab.chat.parts.entry import Client
from chatlab.chat.protocol import FrameStyle, MessagesFrame, encode, encode_message
from chatlab.data.records import Message

FRAME_CHARS_MAX = 64 * 1024
"""Characters of text (`len(message.content)`, added up) in one batch frame at most."""


class RoomDelivery(Delivery):
    """Brings saved messages to those who are live in their rooms."""

    frames: ClassVar[FrameStyle] = "batch"

    async def deliver(self, batch: Sequence[Message]) -> int:
        members = {c for message in batch for c in self.members(message.room_id)}
        takers = [client for client in members if client.frame_style == "batch"]
        sent = 0
        for part in _cut(list(batch)) if takers else ():
            frame = encode(MessagesFrame(batch[0].room_id, part))
            for client in takers:
                client.push(frame)
            sent += len(takers)
        for message in batch:
            others = [c for c in self.members(message.room_id) if c.frame_style != "batch"]
            sent += _push(map(encode_message, [message]), others)
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
