"""A right answer of another shape: an asyncio.Queue, read with a time limit; None ends it."""

import asyncio

from chatlab.errors import StorageError
from tests.course.right.queue_base import CountingQueue


class MessageProcessor(CountingQueue):
    def __init__(self, *parts):
        super().__init__(*parts)
        self.queue = asyncio.Queue()
        self.entries = {}
        self.flusher = asyncio.create_task(self.flush_for_ever())

    async def submit(self, entry):
        self.entries[entry] = None
        self.queue.put_nowait(entry)
        await self.outcome.queued(entry)

    async def drain(self):
        self.queue.put_nowait(None)
        await self.flusher
        return ()

    def unsaved(self):
        return list(self.entries)

    async def flush_for_ever(self):
        entry = await self.queue.get()
        while entry is not None:
            batch, due_at = [entry], self.clock() + self.settings.flush_interval_s
            entry = await self.next_one(due_at)
            while entry not in (None, "late"):
                batch.append(entry)
                if len(batch) == self.settings.batch_size_max:
                    break
                entry = await self.next_one(due_at)
            await self.save(batch)
            if entry is not None:
                entry = await self.queue.get()

    async def next_one(self, due_at):
        if not self.queue.empty():
            return self.queue.get_nowait()
        try:
            return await asyncio.wait_for(self.queue.get(), due_at - self.clock())
        except TimeoutError:
            return "late"

    async def save(self, batch):
        if error := await self.try_to_save(tuple(entry.message for entry in batch)):
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            for entry in batch:
                await self.outcome.saved([entry])
        for entry in batch:
            del self.entries[entry]
