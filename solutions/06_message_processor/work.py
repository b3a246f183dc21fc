"""A queue that is flushed when a batch is full, or when its oldest message has waited enough."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from chatlab.chat.parts.message_seams import Entry, Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import StorageError


class MessageProcessor(Processor):
    """Saves when a batch is full, or when its oldest message has waited for the interval."""

    acks_queued: ClassVar[bool] = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        # What is being saved stands at its head. It has no bound: the next exercise is about that.
        self._queue: deque[Entry] = deque()
        self._changed = asyncio.Event()  # something has come, or the server stops
        self._stopping = False
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        self._queue.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_for_ever())
        self._changed.set()
        await self.outcome.queued(entry)

    async def drain(self) -> Sequence[Entry]:
        self._stopping = True
        self._changed.set()
        if self._flusher is not None:
            await self._flusher
        return []

    def statistics(self) -> ProcessorStatistics:
        return ProcessorStatistics(
            depth=len(self._queue),
            limit=0,
            oldest_s=self.clock() - self._queue[0].accepted_at if self._queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        """The only one who saves: so there are never two saves at once."""
        while self._queue or not self._stopping:
            await self._until_due()
            batch = list(islice(self._queue, self.settings.batch_size_max))
            if batch:
                await self._save(batch)

    async def _until_due(self) -> None:
        """Wait until a batch is full, or the oldest message has waited for the interval."""
        while not self._stopping and len(self._queue) < self.settings.batch_size_max:
            self._changed.clear()
            left_s = None  # nobody waits: for as long as it takes
            if self._queue:
                due_at = self._queue[0].accepted_at + self.settings.flush_interval_s
                left_s = due_at - self.clock()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _save(self, batch: list[Entry]) -> None:
        """Save a batch, and tell what became of it."""
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception as error:  # a bug in a store must not end the flushing, either
            self._failures += 1
            self._forget(batch)
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            self._flushes += 1
            self._forget(batch)
            await self.outcome.saved(batch)

    def _forget(self, batch: list[Entry]) -> None:
        """Take just these out of the queue: others may have come during the save."""
        for _ in batch:
            self._queue.popleft()
