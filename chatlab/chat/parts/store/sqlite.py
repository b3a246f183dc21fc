"""SQLite: the messages in a table, a log in front of it, and an index for the history.

An embedded database is a journal that others wrote and tested for twenty years. A save is one
transaction: it appends the pages that it changes to a log (messages.sqlite-wal), then waits once
for the disk. Now and then a checkpoint copies them into the database, and the log starts anew. A
start after a crash reads the log, and drops a torn tail (https://sqlite.org/wal.html).

- An index leads to a room's last messages without reading the others'. `chatlab data explain` shows
  what it saves, and what it costs.
- Memory holds a few megabytes of pages, however long the history is.
- A failed save is undone. A failed sync is never tried again on the same bytes: the next
  transaction writes its pages anew, over those in the log.

Its siblings are `rewrite.py` and `journal.py`. The table and its statements:
`data/sqlite_database.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.message_rule import MessageCheck
from chatlab.data.records import MESSAGES, Message
from chatlab.data.sqlite_database import FILLING, NAME, SIDE_FILES, Database
from chatlab.disk.files import Files
from chatlab.errors import CorruptFile


class SqliteStore(Store):
    """Keeps messages in an embedded database."""

    kept_in = NAME

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        self._alone = asyncio.Lock()
        self._database: Database | None = None

    @property
    def promise(self) -> AckLevel:
        return "synced"

    async def start(self, starting: Iterable[Message] = ()) -> list[str]:
        names = await self.files.names()
        notes = []
        if NAME not in names:
            for name in SIDE_FILES:
                if name in names:
                    raise CorruptFile(name, f"it belongs to a {NAME} that is not there")
            for name in names:  # an interrupted filling left it; no ack depends on it
                if name.startswith(FILLING):
                    await self.files.remove(name)
            notes = await self._begin(starting, from_json=MESSAGES.name in names)
        self._database = await self.files.work("open", NAME, Database.opened, self.files.disk)
        return notes

    async def close(self) -> None:
        async with self._alone:
            if self._database is not None:
                await self.files.work("close", NAME, self._database.close)
                self._database = None

    async def save(self, batch: Sequence[Message]) -> None:
        if not batch:
            return
        async with self._alone:
            assert self._database is not None
            most = self.settings.log_pages_max
            await self.files.work("write", NAME, self._database.save, batch, most)

    async def history(self, room_id: str, limit: int) -> list[Message]:
        async with self._alone:
            assert self._database is not None
            return await self.files.work("read", NAME, self._database.history, room_id, limit)

    async def _begin(self, starting: Iterable[Message], from_json: bool) -> list[str]:
        """Make the database, with the messages of `messages.json` if that exists.

        It gets its name once it is complete and on the disk.
        """
        if from_json:
            starting = MESSAGES.decode(await self.files.read(MESSAGES.name))
        disk = self.files.disk
        check = MessageCheck()
        checked = check.through(starting, once=True)
        kept = await self.files.work("write", FILLING, Database.fill_new, disk, checked)
        await self.files.rename(FILLING, NAME)
        await self.files.fsync_folder()
        if not from_json:
            return []
        notes = [f"took {kept:,} messages from {MESSAGES.name} into a new database"]
        return notes + check.notes(MESSAGES.name)
