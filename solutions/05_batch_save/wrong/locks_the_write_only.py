"""It reads before it has the lock: what it writes back may be old by then.

Fails: together
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.datafiles import MESSAGES
from chatlab.chat.parts.files import Files
from chatlab.chat.parts.locks.base import Lock
from chatlab.chat.parts.readers.base import Reader
from chatlab.chat.parts.stores.base import Store
from chatlab.chat.parts.writers.base import Writer
from chatlab.chat.protocol import AckLevel, Message
from chatlab.chat.settings import Settings


class BatchStore(Store):
    """Keeps messages in `messages.json`."""

    kept_in = MESSAGES.name

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        # Ids of batches whose save has failed, and which may be in the file all the same. Each
        # success empties it.
        self._in_doubt: set[str] = set()

    @property
    def promise(self) -> AckLevel:
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        kept = await self.reader.read(MESSAGES)
        async with self.lock.hold(MESSAGES.name):
            kept = [message for message in kept if message.id not in self._in_doubt]
            messages = [*kept, *batch]
            try:
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
            except BaseException:  # also when it is cancelled in the middle
                self._in_doubt.update(message.id for message in batch)
                raise
            self.reader.written(MESSAGES, messages)
            self._in_doubt.clear()

    async def history(self, room_id: str, limit: int) -> list[Message]:
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]
