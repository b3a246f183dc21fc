"""The batching delivery: messages saved together are sent together, one frame for each room.

A frame costs far more than the bytes in it: a header, a system call, a wake-up at the other end.
Here a hundred messages share one. Clients that did not ask for that get a frame for each message,
but all of them in one system call. Its plain sibling is `broadcast.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.parts.text_frames import TextFrames
from chatlab.chat.protocol import (
    FRAME_CHARS_MAX,
    FRAME_MESSAGES_MAX,
    MessagesFrame,
    encode,
    encode_message,
)
from chatlab.data.records import Message

AT_ONCE = 16
"""Clients that are served in one go: each costs the copy of a whole batch, into the kernel."""


class BatchDelivery(Delivery):
    """Encodes a batch once for all clients that take batches, and pushes to everyone."""

    frames = "batch"

    async def deliver(self, batch: Sequence[Message]) -> int:
        return sum([await self._deliver(part) for part in _parts(batch)])

    async def _deliver(self, part: list[Message]) -> int:
        """Send messages of one room."""
        room_id, sent = part[0].room_id, 0
        together = b""
        each: TextFrames | None = None
        live = self.members(room_id)
        for n, client in enumerate(tuple(live)):
            if n and n % AT_ONCE == 0:
                await asyncio.sleep(0)  # others go on, and members come and go
                live = self.members(room_id)
            if client not in live:
                continue
            if client.frame_style == "batch":
                together = together or encode(MessagesFrame(room_id, part))
                client.push(together)
                sent += 1
            else:
                each = each or TextFrames([encode_message(message) for message in part])
                client.push_all(each)
                sent += len(part)
        return sent


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
