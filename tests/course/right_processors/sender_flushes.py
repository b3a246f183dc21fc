"""A right answer of another shape: whoever fills the batch saves it; else a timer of the loop."""

from __future__ import annotations

import asyncio

from chatlab.chat.parts.processor import Processor, ProcessorStatistics
from chatlab.errors import StorageError


class MessageProcessor(Processor):
    acks_queued = True

    def __init__(self, *parts):
        super().__init__(*parts)
        self.waiting, self.under_way = [], []
        self.lock = asyncio.Lock()
        self.timer = None
        self.tasks = set()
        self.flushes = self.failures = 0

    async def submit(self, entry):
        self.waiting.append(entry)
        await self.outcome.queued(entry)
        if len(self.waiting) >= self.settings.batch_size_max:
            await self.flush()
        elif self.timer is None:
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(self.settings.flush_interval_s, self.time_is_up)

    async def drain(self):
        await self.flush()
        return []

    def statistics(self):
        all_of_them = [*self.under_way, *self.waiting]
        oldest_s = self.clock() - all_of_them[0].accepted_at if all_of_them else 0.0
        return ProcessorStatistics(len(all_of_them), 0, oldest_s, self.flushes, self.failures)

    def time_is_up(self):
        self.timer = None
        self.tasks.add(asyncio.create_task(self.flush()))

    async def flush(self):
        async with self.lock:
            while self.waiting:
                size = self.settings.batch_size_max
                self.under_way, self.waiting = self.waiting[:size], self.waiting[size:]
                await self.save(self.under_way)
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None

    async def save(self, batch):
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception as error:
            self.failures += 1
            self.under_way = []
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            self.flushes += 1
            self.under_way = []
            await self.outcome.saved(batch)
