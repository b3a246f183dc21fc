"""Binary records with a length and a checksum, written by a task that all saves hand over to."""

import asyncio
import struct
import zlib

import msgspec

from chatlab.data.records import Message
from chatlab.errors import CorruptFile, StorageError
from tests.course.right.journal_base import LogStore

NAME = "my-journal-1.log"
MAGIC = b"\xf0\x9fREC1"
HEAD = struct.Struct(">6sII")


def record(messages: list[Message]) -> bytes:
    body = msgspec.msgpack.encode(messages)
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def read_record(data: bytes, begin: int) -> tuple[list[Message], int] | None:
    if len(data) < begin + HEAD.size:
        return None
    magic, size, checksum = HEAD.unpack_from(data, begin)
    body = data[begin + HEAD.size : begin + HEAD.size + size]
    # The checksum of nothing is 0: a head of zeros would agree with itself.
    if magic != MAGIC or not size or len(body) < size or zlib.crc32(body) != checksum:
        return None
    return msgspec.msgpack.decode(body, type=list[Message]), begin + HEAD.size + size


class JournalStore(LogStore):
    kept_in = "my-journal-*.log"

    def __init__(self, *parts):
        super().__init__(*parts)
        self.queue = []
        self.wake = asyncio.Event()

    async def start(self, starting=()):
        if NAME not in await self.files.names():
            first = list(starting)
            await self.files.write("new.tmp", record(first) if first else b"", fsync=True)
            await self.files.rename("new.tmp", NAME)
            await self.files.fsync_folder()
        data = await self.files.read(NAME)
        while found := read_record(data, self.size):
            self.all += found[0]
            self.size = found[1]
        begin = self.size
        while (begin := data.find(MAGIC, begin + 1)) >= 0:
            if read_record(data, begin):
                raise CorruptFile(NAME, f"damaged at {self.size}")
        self.bad = self.size < len(data)
        self.log = await self.files.open_log(NAME)
        self.writing = asyncio.create_task(self.write_for_ever())
        return [f"cut {len(data) - self.size} bytes"] if self.bad else []

    async def close(self):
        self.writing.cancel()
        await super().close()

    async def save(self, batch):
        done = asyncio.get_running_loop().create_future()
        self.queue.append((batch, done))
        self.wake.set()
        await done

    async def write_for_ever(self):
        while await self.wake.wait():
            self.wake.clear()
            work, self.queue = self.queue, []
            messages = [message for batch, _ in work for message in batch]
            try:
                if messages:
                    await self.append(record(messages), messages)
            except StorageError as error:
                for _, done in work:
                    done.set_exception(StorageError(error.operation, error.file, error.reason))
            else:
                for _, done in work:
                    done.set_result(None)
