"""A new file at each start; damaged lines are left out, and it says so; write and fsync apart."""

import base64
import zlib

import msgspec

from chatlab.data.records import Message
from chatlab.errors import StorageError
from tests.course.right.journal_base import LogStore


def line(messages):
    text = base64.b64encode(msgspec.msgpack.encode(messages))
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read_line(data):
    text = data[9:-1]
    if not data.endswith(b"\n") or data[:8] != b"%08x" % zlib.crc32(text):
        return None
    return msgspec.msgpack.decode(base64.b64decode(text), type=list[Message])


class JournalStore(LogStore):
    kept_in = "my-journal-????.log"

    def __init__(self, *parts):
        super().__init__(*parts)
        self.group = []

    async def start(self, starting=()):
        names = [name for name in await self.files.names() if name.startswith("my-journal-")]
        if not names:
            await self.files.write("x.tmp", line(list(starting)), fsync=True)
            await self.files.rename("x.tmp", "my-journal-0000.log")
            await self.files.fsync_folder()
            names = ["my-journal-0000.log"]
        notes = []
        for name in sorted(names):
            for one in (await self.files.read(name)).splitlines(keepends=True):
                if (messages := read_line(one)) is None:
                    notes.append(f"{len(one)} bytes of {name} are damaged, and were left out")
                self.all += messages or []
        self.name = f"my-journal-{int(sorted(names)[-1][11:15]) + 1:04d}.log"
        return notes

    async def save(self, batch):
        mine = {"messages": list(batch), "error": None}
        self.group.append(mine)
        async with self.alone:
            if mine in self.group:
                group, self.group = self.group, []
                try:
                    await self.write([one for part in group for one in part["messages"]])
                except StorageError as error:
                    for part in group:
                        part["error"] = error
        if mine["error"]:
            raise mine["error"]

    async def write(self, messages):
        if self.log is None:
            self.log = await self.files.open_log(self.name)
            await self.log.append(b"", fsync=True)
            await self.files.fsync_folder()
        await self.append(line(messages), messages, apart=True)
