"""The plain delivery: one awaited send after another, each with its own encoding.

Its better sibling is `broadcast.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Delivery
from chatlab.chat.protocol import encode_message
from chatlab.data.records import Message


class EachDelivery(Delivery):
    """Encodes and sends each message anew for every member."""

    async def deliver(self, batch: Sequence[Message]) -> int:
        sent = 0
        for message in batch:
            # A copy, because members come and go while a send is awaited.
            for client in tuple(self.members(message.room_id)):
                await client.send(encode_message(message))
                sent += 1
        return sent
