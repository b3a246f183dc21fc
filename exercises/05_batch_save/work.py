"""Your store. Save this file, and `chatlab learn` checks it.

It works as it is: like the naive one, it reads and rewrites the whole file for each message, also
when it is given many at once. `README.md` beside this file tells the story.
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

    @property
    def promise(self) -> AckLevel:
        """What is true of messages once `save` has returned: what the writer promises."""
        return self.writer.promise

    async def save(self, batch: Sequence[Message]) -> None:
        """Keep all messages of a batch, in this order, after those that are there.

        `self.reader.read(MESSAGES)` gives the messages that are there; the list may belong to a
        cache. `self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))` writes the file anew.
        `self.reader.written(MESSAGES, messages)` tells the cache of it. When one of these raises
        StorageError, so does this method, and the caller will try again with the same batch.
        """
        for message in batch:
            # TODO: a hundred messages, a hundred times all of this. What of it is needed once?
            async with self.lock.hold(MESSAGES.name):
                kept = await self.reader.read(MESSAGES)
                messages = [*kept, message]
                await self.writer.replace(MESSAGES.name, MESSAGES.encode(messages))
                self.reader.written(MESSAGES, messages)
        # TODO: and when a write fails half-way, what is on the disk then, and what does the next
        # try add to it?

    async def history(self, room_id: str, limit: int) -> list[Message]:
        """The last `limit` messages of a room, oldest first; of an unknown room, none."""
        async with self.lock.hold(MESSAGES.name):
            messages = await self.reader.read(MESSAGES)
        return [message for message in messages if message.room_id == room_id][-limit:]
