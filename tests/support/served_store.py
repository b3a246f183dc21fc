"""A store over a data folder, as servers that come and go have it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.settings import Settings
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.conditions import FailingDisk
from chatlab.disk.counted import Condition, Disk, Operation
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import InlineFiles, message
from tests.support.virtual_clock import now

Company = tuple[type[Reader], type[Writer], type[Lock]]
PLAIN: Company = (DirectReader, TruncateWriter, PerFileLock)
BETTER: Company = (TTLReader, AtomicWriter, PerFileLock)


class Unlucky(FailingDisk):
    """A disk that fails on command, and remembers each operation, those that failed too."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def before(self, operation: Operation) -> int | None:
        self.operations.append(operation)
        return super().before(operation)


class ServedStore:
    """A store over a folder, and the servers that have it one after another.

    `async with` starts it, and closes it on a disk that is whole.

    Args:
        part: the store's class.
        folder: a data folder.
        conditions: what else stands between the store and its disk.
        company: the reader, the writer and the lock that it works with.
        knobs: of its settings.

    Attributes:
        disk: make it fail with this.
        store: the one that runs now.
        notes: what it said when it started.
    """

    def __init__(
        self,
        part: type[Store],
        folder: Path,
        *conditions: Condition,
        company: Company = BETTER,
        **knobs: Any,
    ) -> None:
        self.part = part
        self.company = company
        self.folder = folder
        self.settings = Settings(**knobs)
        self.disk = Unlucky()
        self.notes: list[str] = []
        self._conditions = conditions
        self.renew()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.disk.heal()
        await self.store.close()

    def renew(self) -> None:
        """A fresh store that has not started, as after a kill."""
        disk = Disk(self.folder, [self.disk, *self._conditions])
        self.files = InlineFiles(self.folder, disk)
        read, write, lock = self.company
        reader, writer = read(self.files, self.settings, now), write(self.files)
        self.store = self.part(self.files, reader, writer, lock(), self.settings)

    def set(self, **knobs: Any) -> None:
        """Change settings, for this store and the next ones."""
        self.settings = self.store.settings = replace(self.settings, **knobs)

    async def start(self, starting: Iterable[Message] = ()) -> None:
        self.notes = await self.store.start(starting)

    async def restart(self, starting: Iterable[Message] = ()) -> None:
        """Start another store on what is there; the one before does not hear of it."""
        self.renew()
        await self.start(starting)

    async def reopen(self) -> None:
        """Stop the server, and start another one."""
        await self.store.close()
        await self.restart()

    def killed(self) -> Path:
        """A copy of the folder: just what a killed server would leave."""
        left = self.folder.with_name(f"{self.folder.name}-killed")
        shutil.rmtree(left, ignore_errors=True)
        return Path(shutil.copytree(self.folder, left))

    async def kill(self) -> None:
        """Go on in a copy of the folder."""
        self.folder = self.killed()
        self.disk.heal()
        await self.store.close()  # in the old folder, where nobody looks any more
        await self.restart()

    async def starts_not(self, why: str) -> None:
        """A start refuses with this reason, and changes nothing."""
        before = self.content
        self.renew()
        with pytest.raises(CorruptFile, match=why):
            await self.start()
        assert self.content == before

    async def save(self, *numbers: int, room: str = "general") -> None:
        await self.store.save([message(n, room) for n in numbers])

    async def refuses(self, *numbers: int, words: str = "cannot") -> None:
        with pytest.raises(StorageError, match=words):
            await self.save(*numbers)

    async def holds(self, *numbers: int, room: str = "general") -> None:
        """Whether it has these messages: by its history, and as an auditor reads the files."""
        wanted = [message(n, room) for n in numbers]
        assert await self.store.history(room, 99_999) == wanted
        saved = read_saved(self.folder)
        assert [one for one in saved.messages if one.room_id == room] == wanted

    @property
    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    @property
    def done(self) -> list[tuple[str, str]]:
        """The kind and the file of each operation since the last `forget`."""
        return [(one.kind, one.name) for one in self.disk.operations]

    def forget(self) -> None:
        del self.disk.operations[:]


def without_messages(folder: Path) -> Path:
    """The same data folder, without the `messages.json` that a store would take over."""
    (folder / MESSAGES.name).unlink()
    return folder


def quick_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder: in memory where the system has one, as hundreds of fsyncs cost time."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
