"""The batching delivery: messages saved together are sent together, one frame for each room.

A frame costs far more than the bytes in it: a header, a system call, a wake-up at the other end.
Here a hundred messages share one. Clients that did not ask for that get a frame for each message.
Its plain sibling is `broadcast.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatlab.chat.parts.message_seams import Client, Delivery
from chatlab.chat.protocol import (
    FRAME_CHARS_MAX,
    FRAME_MESSAGES_MAX,
    FrameStyle,
    MessagesFrame,
    encode,
    encode_message,
)
from chatlab.data.records import Message


class BatchDelivery(Delivery):
    """Encodes a batch once for all clients that take batches, and pushes to everyone."""

    frames = "batch"

    async def deliver(self, batch: Sequence[Message]) -> int:
        sent = 0
        for part in _parts(batch):
            takers = self._live(part[0].room_id, "batch")
            if takers:
                frame = encode(MessagesFrame(part[0].room_id, part))
                for client in takers:
                    client.push(frame)
                sent += len(takers)
        if any(self._live(room_id, "single") for room_id in {one.room_id for one in batch}):
            sent += self._one_by_one(batch)
        return sent

    def _one_by_one(self, batch: Sequence[Message]) -> int:
        """A frame for each message, for clients that did not ask for batches."""
        sent = 0
        for message in batch:
            frame = encode_message(message)
            for client in self._live(message.room_id, "single"):
                client.push(frame)
                sent += 1
        return sent

    def _live(self, room_id: str, frames: FrameStyle) -> list[Client]:
        return [client for client in self.members(room_id) if client.frame_style == frames]


def _parts(batch: Sequence[Message]) -> Iterator[list[Message]]:
    """A batch split by room, and where a frame would become too large; keeps each room's order."""
    rooms: dict[str, list[Message]] = {}
    for message in batch:
        rooms.setdefault(message.room_id, []).append(message)
    for messages in rooms.values():
        chars = sum(len(message.content) for message in messages)
        if chars <= FRAME_CHARS_MAX and len(messages) <= FRAME_MESSAGES_MAX:
            yield messages
            continue
        part: list[Message] = []
        chars = 0
        for message in messages:
            full = len(part) == FRAME_MESSAGES_MAX
            if part and (full or chars + len(message.content) > FRAME_CHARS_MAX):
                yield part
                part, chars = [], 0
            part.append(message)
            chars += len(message.content)
        yield part
