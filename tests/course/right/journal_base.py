"""What right journals of three shapes do alike: a log that is cut back after a failed append."""

import asyncio

from chatlab.chat.parts.storage_seams import Store


class LogStore(Store):
    promise = "synced"

    def __init__(self, *parts):
        super().__init__(*parts)
        self.alone = asyncio.Lock()
        self.all = []
        self.log = None
        self.bad = False
        self.size = 0

    async def append(self, record, messages, *, apart=False):
        if self.bad:
            await self.log.cut(self.size)
        self.bad = True
        await self.log.append(record, fsync=not apart)
        if apart:
            await self.log.append(b"", fsync=True)
        self.bad = False
        self.size = self.log.size
        self.all += messages

    async def history(self, room_id, limit):
        return [message for message in self.all if message.room_id == room_id][-limit:]

    async def close(self):
        if self.log is not None:
            await self.log.close()
