"""WRONG ON PURPOSE: a queueing processor without error handling.

It acks a message when it has queued it, and takes a batch out of the queue before it is saved. If
the save fails, the batch is gone, and no sender hears of it. Compare it with
`chatlab/chat/parts/processor/queueing.py`, which removes a batch only once it is saved, tries
again, and tells the senders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processor import Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import Overloaded


class ForgetfulProcessor(Processor):
    """Saves a batch at each interval, and forgets those whose save fails."""

    acks_queued = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self._queue: list[Entry] = []  # bounded by `queue_limit`, in `submit`
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        if len(self._queue) >= self.settings.queue_limit:
            raise Overloaded(f"{len(self._queue):,} messages wait to be saved")
        self._queue.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_for_ever())
        await self.outcome.queued(entry)

    async def drain(self) -> Sequence[Entry]:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        await self._flush()
        return []

    def statistics(self) -> ProcessorStatistics:
        return ProcessorStatistics(
            depth=len(self._queue),
            limit=self.settings.queue_limit,
            oldest_s=self.clock() - self._queue[0].accepted_at if self._queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.flush_interval_s)
            await self._flush()

    async def _flush(self) -> None:
        batch, self._queue = self._queue, []  # the mistake begins: nobody else has the batch
        if not batch:
            return
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception:
            self._failures += 1  # ... and ends here: counted, and forgotten
        else:
            self._flushes += 1
            await self.outcome.saved(batch)
