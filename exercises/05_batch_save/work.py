"""Your store. Save this file, and `chatlab learn` checks it.

It works as it is: it saves the messages of a batch one after another, and rewrites the whole file
for each. `README.md` beside this file tells the story.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.files import Files


class BatchStore(Store):
    """Keeps all messages in `messages.json`."""

    kept_in = MESSAGES.name

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        # TODO: what must you remember of a save that has failed?

    @property
    def promise(self) -> AckLevel:
        """What is true of a batch once `save` has returned: the writer knows."""
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        """Keep all messages of `batch`, in this order, after those saved before.

        What you have:

        - `async with self.lock.hold(MESSAGES.name):` has the file to itself;
        - `await self.reader.read(MESSAGES)` gives the list of all messages. Do not change that
          list: a reader that caches gives it to others, too;
        - `await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))` writes them all; it
          raises StorageError if it fails, and then the old file is there, or the new one;
        - `self.reader.written(MESSAGES, messages)` tells a reader that caches what is there now.
        """
        # TODO: what do a hundred messages cost?
        for message in batch:
            async with self.lock.hold(MESSAGES.name):
                messages = [*await self.reader.read(MESSAGES), message]
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
                self.reader.written(MESSAGES, messages)

    async def history(self, room_id: str, limit: int) -> list[Message]:
        """The last `limit` (1 or more) messages of a room, oldest first; of no such room, none."""
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]
