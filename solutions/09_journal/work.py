"""A log that is only ever added to: a line with a checksum for each write, shared by many saves."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import Message
from chatlab.disk.files import Files, LogFile
from chatlab.errors import CorruptFile, StorageError

NAME = "my-journal.log"
NEW = NAME + ".tmp"
A_LINE = 1_000
"""Messages in one line at the beginning; later, a line holds what was written together."""


class Group:
    """What several saves write together."""

    def __init__(self) -> None:
        self.messages: list[Message] = []  # bounded by those who wait for it
        self.over = False
        self.error: StorageError | None = None  # told to each of them


class JournalStore(Store):
    """Keeps messages in a log."""

    kept_in = "my-journal*.log"

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        self._rooms: dict[str, list[Message]] = {}
        self._alone = asyncio.Lock()
        self._gathering = Group()
        self._log: LogFile | None = None
        self._good_size = 0  # bytes, up to the end of the last line that counts
        self._unclean = False  # more than that may be in the log

    @property
    def promise(self) -> AckLevel:
        return "synced"

    async def start(self, starting: Iterable[Message] = ()) -> list[str]:
        if NAME not in await self.files.names():
            # Under another name until it is complete: half a beginning would count as a whole one.
            await self.files.write(NEW, b"".join(_lines(starting)), fsync=True)
            await self.files.rename(NEW, NAME)
        data = await self.files.read(NAME)
        for messages, end in _records(data):
            self._remember(messages)
            self._good_size = end
        torn = data[self._good_size :]
        if any(_decoded(line) is not None for line in torn.splitlines(keepends=True)):
            where = f"the line at byte {self._good_size} is damaged, and whole ones follow"
            raise CorruptFile(NAME, where)
        self._log = await self.files.open_log(NAME)
        # Also if nothing is torn: what a killed server has left may be in memory alone, and so may
        # the file's name.
        self._unclean = True
        await self._cut()
        await self.files.fsync_folder()
        return [f"cut {len(torn)} bytes of an unfinished save from {NAME}"] if torn else []

    async def close(self) -> None:
        async with self._alone:
            if self._log is not None:
                await self._log.close()
                self._log = None

    async def save(self, batch: Sequence[Message]) -> None:
        if not batch:
            return
        group = self._gathering
        group.messages += batch
        async with self._alone:
            # The first of a group to come here writes for all of it. While it does, the next
            # group gathers.
            if not group.over:
                if group is self._gathering:
                    self._gathering = Group()
                await self._write(group)
        if group.error is not None:
            raise group.error

    async def history(self, room_id: str, limit: int) -> list[Message]:
        return self._rooms.get(room_id, [])[-limit:]

    async def _write(self, group: Group) -> None:
        assert self._log is not None
        try:
            await self._cut()
            self._unclean = True  # and stays so if this fails, or is cancelled
            await self._log.append(_line(group.messages), fsync=True)
        except StorageError as error:
            group.error = error
        else:
            self._unclean = False
            self._good_size = self._log.size
            self._remember(group.messages)
        group.over = True

    async def _cut(self) -> None:
        """Cut off what a failed write may have left: before the next one, not after it."""
        assert self._log is not None
        if self._unclean:
            await self._log.cut(self._good_size)
            self._unclean = False

    def _remember(self, messages: list[Message]) -> None:
        for message in messages:
            self._rooms.setdefault(message.room_id, []).append(message)


def _line(messages: list[Message]) -> bytes:
    """A checksum, a space, and the messages as a JSON list, which has no line feed in it."""
    text = msgspec.json.encode(messages)
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _lines(messages: Iterable[Message]) -> Iterator[bytes]:
    rest = iter(messages)
    while part := list(islice(rest, A_LINE)):
        yield _line(part)


def _records(data: bytes) -> Iterator[tuple[list[Message], int]]:
    """The messages of each line, and where it ends, up to the first line that is not whole."""
    begin = 0
    while (end := data.find(b"\n", begin) + 1) > 0:
        messages = _decoded(data[begin:end])
        if messages is None:
            return
        yield messages, end
        begin = end


def _decoded(line: bytes) -> list[Message] | None:
    """The messages of a line; None if it is not just as it was written."""
    text = line[9:-1]
    if line[-1:] != b"\n" or line[:9] != b"%08x " % zlib.crc32(text):
        return None
    return msgspec.json.decode(text, type=list[Message])
