"""A line a message, with a mark at the first of each write; a marker file while it is begun."""

import asyncio
import zlib

import msgspec

from chatlab.data.records import Message
from chatlab.errors import CorruptFile, StorageError
from tests.course.right.journal_base import LogStore

NAME, FILLING = "my-journal.log", "filling"


def lines(batch):
    for number, message in enumerate(batch):
        text = (b"=" if number else b"+") + msgspec.json.encode(message)
        yield b"%08x%b\n" % (zlib.crc32(text), text)


def read_line(line):
    text = line[8:-1]
    if not line.endswith(b"\n") or line[:8] != b"%08x" % zlib.crc32(text):
        return None
    return text[:1] == b"+", msgspec.json.decode(text[1:], type=Message)


class JournalStore(LogStore):
    kept_in = "my-journal.log"

    def __init__(self, *parts):
        super().__init__(*parts)
        self.gathering = None

    async def start(self, starting=()):
        names = await self.files.names()
        if FILLING in names and NAME in names:
            await self.files.remove(NAME)
            await self.files.fsync_folder()
            names.remove(NAME)
        notes = self.read(await self.files.read(NAME)) if NAME in names else []
        self.log = await self.files.open_log(NAME)
        self.bad = True
        if NAME not in names:
            await self.begin(starting)
        return notes

    def read(self, data):
        rest = data.splitlines(keepends=True)
        while rest and (found := read_line(rest[0])):
            self.all.append(found[1])
            self.size += len(rest.pop(0))
        if any(found and found[0] for found in map(read_line, rest)):
            raise CorruptFile(NAME, f"damaged at {self.size}")
        return ["cut a torn tail"] if rest else []

    async def begin(self, starting):
        await self.files.write(FILLING, b"", fsync=True)
        await self.files.fsync_folder()
        await self.fill(starting)
        await self.log.append(b"", fsync=True)
        await self.files.fsync_folder()
        await self.files.remove(FILLING)
        await self.files.fsync_folder()

    async def save(self, batch):
        if self.gathering is not None:
            messages, done = self.gathering
            messages += batch
            await asyncio.shield(done)
            return
        done = asyncio.get_running_loop().create_future()
        messages = list(batch)
        self.gathering = messages, done
        async with self.alone:
            self.gathering = None
            try:
                await self.append(b"".join(lines(messages)), messages)
            except StorageError as error:
                done.set_exception(error)
            else:
                done.set_result(None)
        await done
