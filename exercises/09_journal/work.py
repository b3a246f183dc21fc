"""Your journal. Save this file, and `chatlab learn` checks it.

It works as it is: one line of JSON a message, in a file of its own. But each save writes the whole
file anew, and a crash in the middle of that leaves half of it. Make it a log that is only ever
added to. `README.md` beside this file tells the story.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import Message
from chatlab.disk.files import Files

NAME = "my-journal.log"


class JournalStore(Store):
    """Keeps messages in a log."""

    kept_in = "my-journal*.log"  # all files with messages in them; no other store's files

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        self._alone = asyncio.Lock()
        self._messages: list[Message] = []

    @property
    def promise(self) -> AckLevel:
        """What is true of messages once `save` has returned."""
        return "written"  # TODO: say "synced" when they survive a power cut

    async def start(self, starting: Iterable[Message] = ()) -> list[str]:
        """Read what is there; called once, before anything else.

        A store that has never been used begins with the messages in `starting`; any other lets
        them be. Returns sentences for the person who starts the server, e.g. that a torn tail was
        cut off.
        """
        if NAME in await self.files.names():
            data = await self.files.read(NAME)
            # TODO: what if the last line is only half there? And if one in the middle is damaged?
            self._messages = [msgspec.json.decode(line, type=Message) for line in data.splitlines()]
        else:
            await self.save(list(starting))
        # TODO: `await self.files.open_log(NAME)` opens a file to append to, and makes it if there
        # is none. A new file's name is on the disk only after `await self.files.fsync_folder()`.
        return []

    async def close(self) -> None:
        """Let go of what is open; called once, after everything else."""

    async def save(self, batch: Sequence[Message]) -> None:
        """Keep these messages, in this order; many saves may be under way at once.

        When it raises StorageError, none of them is kept.
        """
        async with self._alone:
            # TODO: write only what is new: `await log.append(data, fsync=True)`. If that fails, a
            # part of it may be in the file; `await log.cut(size)` cuts it off after `size` bytes.
            # TODO: while one waits for the disk, others come. How many fsyncs do they need?
            messages = [*self._messages, *batch]
            lines = [msgspec.json.encode(message) + b"\n" for message in messages]
            await self.files.write(NAME, b"".join(lines))
            self._messages = messages

    async def history(self, room_id: str, limit: int) -> list[Message]:
        """The last `limit` messages of a room, oldest first."""
        return [message for message in self._messages if message.room_id == room_id][-limit:]
