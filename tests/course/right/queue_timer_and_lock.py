"""A right answer of another shape: a timer for each batch, and a lock around the saving."""

import asyncio

from chatlab.errors import StorageError
from tests.course.right.queue_base import CountingQueue


class MessageProcessor(CountingQueue):
    def __init__(self, *parts):
        super().__init__(*parts)
        self.waiting, self.under_way = [], []
        self.lock = asyncio.Lock()
        self.timer = None
        self.tasks = set()

    async def submit(self, entry):
        self.waiting.append(entry)
        if len(self.waiting) % self.settings.batch_size_max == 0:
            self.spawn(self.flush())
        elif self.timer is None:
            self.timer = asyncio.create_task(self.flush_later())
        await self.outcome.queued(entry)

    async def drain(self):
        async with self.lock:
            while self.waiting:
                await self.save_one_batch()
        if self.timer is not None:
            self.timer.cancel()
        return []

    def unsaved(self):
        return [*self.under_way, *self.waiting]

    def spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def flush_later(self):
        await asyncio.sleep(self.settings.flush_interval_s)
        self.timer = None
        await self.flush()

    async def flush(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        async with self.lock:
            await self.save_one_batch()
            while len(self.waiting) >= self.settings.batch_size_max:
                await self.save_one_batch()
        if self.waiting and self.timer is None:
            self.timer = asyncio.create_task(self.flush_later())

    async def save_one_batch(self):
        size = self.settings.batch_size_max
        self.under_way, self.waiting = self.waiting[:size], self.waiting[size:]
        batch = self.under_way
        if not batch:
            return
        error = await self.try_to_save([entry.message for entry in batch])
        self.under_way = []
        if error:
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            await self.outcome.saved(batch)
