"""The origin's store: one JSON file, read whole and written whole for each batch.

Simple, and readable with any editor. Its cost grows with the history: saving one message after a
million others writes a million and one. The processor decides how often to pay that price; the
reader, the writer and the lock decide how the file is read, replaced and guarded.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.files import Files

IN_DOUBT_MAX = 10_000


class RewriteStore(Store):
    """Reads all messages, adds the batch, writes all of them back."""

    kept_in = MESSAGES.name

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        # Ids of messages whose save failed, but which may be in the file: a rename can succeed
        # and the sync after it fail. The next save leaves them out, so that neither a retry is
        # doubled nor a refused message stored anyway. A dict keeps the order.
        self._in_doubt: dict[str, None] = {}

    @property
    def promise(self) -> AckLevel:
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        async with self.lock.hold(MESSAGES.name):
            kept = self._without_doubtful(await self.reader.read(MESSAGES))
            messages = [*kept, *batch]
            try:
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
            except BaseException:  # also after a bug in a writer, or a cancelled save
                self._doubt(batch)
                raise
            self.reader.written(MESSAGES, messages)
            self._in_doubt.clear()

    async def history(self, room_id: str, limit: int) -> list[Message]:
        # Under the lock: while a plain writer rewrites the file, only half of it exists.
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]

    def _without_doubtful(self, messages: list[Message]) -> list[Message]:
        if not self._in_doubt:
            return messages
        return [message for message in messages if message.id not in self._in_doubt]

    def _doubt(self, batch: Sequence[Message]) -> None:
        self._in_doubt.update(dict.fromkeys(message.id for message in batch))
        while len(self._in_doubt) > IN_DOUBT_MAX:
            del self._in_doubt[next(iter(self._in_doubt))]
