"""A right answer of another shape: the batch leaves the queue, pauses vary, and bugs fail at once.

What is being saved does not count against the queue's limit; `drain` knows of it all the same.
"""

import asyncio
import random

from chatlab.errors import Overloaded, StorageError
from tests.course.right.queue_base import CountingQueue


class NoLossProcessor(CountingQueue):
    bounded = True

    def __init__(self, *parts):
        super().__init__(*parts)
        self.waiting, self.batch = [], []
        self.chance = random.Random(1)
        self.wake = asyncio.Event()
        self.stopping = self.over = False
        self.flusher = asyncio.create_task(self.flush_for_ever())

    async def submit(self, entry):
        if len(self.waiting) >= self.settings.queue_limit:
            raise Overloaded("the queue is full")
        self.waiting.append(entry)
        self.wake.set()
        await self.outcome.queued(entry)

    async def drain(self):
        self.stopping = True
        self.wake.set()
        done, _ = await asyncio.wait([self.flusher], timeout=self.settings.drain_timeout_s)
        if not done:
            self.over = True
            self.wake.set()
            await self.flusher
        unsaved = self.unsaved()
        for entry in unsaved:
            await self.outcome.failed([entry], StorageError("save", "it", "the time is up"))
        return tuple(unsaved)

    def unsaved(self):
        return [*self.batch, *self.waiting]

    async def flush_for_ever(self):
        pause_s = self.settings.retry_first_s
        while not self.over:
            if not self.batch:
                await self.gather()
            if not self.batch:
                return
            error = await self.save()
            if error is None:
                pause_s = self.settings.retry_first_s
                continue
            if not self.over:
                varied_s = pause_s * self.chance.uniform(0.7, 1)
                await self.outcome.delayed(self.batch, error, varied_s)
                await self.rest(varied_s)
                pause_s = min(2 * pause_s, self.settings.retry_max_s)

    async def gather(self):
        size = self.settings.batch_size_max
        while not self.stopping and len(self.waiting) < size:
            self.wake.clear()
            left_s = None
            if self.waiting:
                waited_s = self.clock() - self.waiting[0].accepted_at
                left_s = self.settings.flush_interval_s - waited_s
            try:
                await asyncio.wait_for(self.wake.wait(), left_s)
            except TimeoutError:
                break
        self.batch, self.waiting = self.waiting[:size], self.waiting[size:]

    async def rest(self, seconds):
        """Only the beginning of a drain, and its end, cut it short."""
        until, before = self.clock() + seconds, (self.stopping, self.over)
        while self.clock() < until and before == (self.stopping, self.over):
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), until - self.clock())
            except TimeoutError:
                return

    async def save(self):
        error = await self.try_to_save([entry.message for entry in self.batch])
        if isinstance(error, StorageError):
            return error
        batch, self.batch = self.batch, []
        if error:
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            await self.outcome.saved(batch)
        return None
