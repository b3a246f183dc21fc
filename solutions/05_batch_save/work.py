"""One read and one write for a batch, under the lock, and a memory for saves in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.files import Files

IN_DOUBT_MAX = 10_000


class BatchStore(Store):
    """Keeps all messages in `messages.json`; rewrites it once for each batch."""

    kept_in = MESSAGES.name

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        # Ids of messages whose save failed, and which may be in the file all the same.
        self._in_doubt: dict[str, None] = {}

    @property
    def promise(self) -> AckLevel:
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        async with self.lock.hold(MESSAGES.name):
            kept = await self.reader.read(MESSAGES)
            if self._in_doubt:
                kept = [message for message in kept if message.id not in self._in_doubt]
            messages = [*kept, *batch]
            try:
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
            except BaseException:  # a cancelled save leaves doubts, too
                self._doubt(batch)
                raise
            self.reader.written(MESSAGES, messages)
            self._in_doubt.clear()

    async def history(self, room_id: str, limit: int) -> list[Message]:
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]

    def _doubt(self, batch: Sequence[Message]) -> None:
        self._in_doubt.update(dict.fromkeys(message.id for message in batch))
        while len(self._in_doubt) > IN_DOUBT_MAX:
            del self._in_doubt[next(iter(self._in_doubt))]
