"""A right answer of another shape: whoever fills the batch saves it; else a timer of the loop."""

import asyncio

from tests.course.right.queue_timer_and_lock import MessageProcessor as TimerAndLock


class MessageProcessor(TimerAndLock):
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

    def time_is_up(self):
        self.timer = None
        self.spawn(self.flush())

    async def flush(self):
        async with self.lock:
            while self.waiting:
                await self.save_one_batch()
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None
