"""The first try is in the file, although the writer has failed; the second one adds it again.

Fails: no_doubles
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.store import Store
from chatlab.chat.protocol import AckLevel
from chatlab.data.records import MESSAGES, Message


class BatchStore(Store):
    """Keeps all messages in `messages.json`; rewrites it once for each batch."""

    kept_in = MESSAGES.name

    @property
    def promise(self) -> AckLevel:
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        async with self.lock.hold(MESSAGES.name):
            kept = await self.reader.read(MESSAGES)
            messages = [*kept, *batch]
            await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
            self.reader.written(MESSAGES, messages)

    async def history(self, room_id: str, limit: int) -> list[Message]:
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]
