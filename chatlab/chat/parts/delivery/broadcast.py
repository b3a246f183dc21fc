"""The broadcasting delivery: each message is encoded once and pushed to all without an await.

No member can come or go in between, and nobody waits for anybody. Its plain sibling is `each.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.protocol import encode_message
from chatlab.data.records import Message


class BroadcastDelivery(Delivery):
    """Encodes once, pushes to everyone."""

    async def deliver(self, batch: Sequence[Message]) -> int:
        sent = 0
        for message in batch:
            frame = encode_message(message)
            for client in tuple(self.members(message.room_id)):
                client.push(frame)
                sent += 1
        return sent
