"""The queueing processor: messages wait a little, and are saved together.

A batch is saved when `batch_size_max` messages wait, or when the oldest has waited for
`flush_interval_s`, whichever comes first. One save then serves a hundred messages.

What it costs: an ack given on queueing is a promise that a crash breaks. What it must not cost:

- order: first in, first out, and never two flushes at once;
- memory: the queue is bounded, and the sender of one message too many is told so;
- messages: a batch whose save fails stays at the head of the queue and is tried again, with
  longer and longer pauses, and its senders are told.

Its plain sibling is `immediate.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

from chatlab.chat.errors import Overloaded, StorageError
from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processors.base import Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.stores.base import Store
from chatlab.chat.settings import Clock, Settings


class QueueingProcessor(Processor):
    """Saves batches from a bounded queue, one after another."""

    acks_queued = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self._queue: deque[Entry] = deque()  # bounded by `queue_limit`, in `submit`
        self._changed = asyncio.Event()
        self._draining = False
        self._gave_up = False
        self._hurry = asyncio.Event()  # ends a pause between two tries
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        if len(self._queue) >= self.settings.queue_limit:
            raise Overloaded(f"{len(self._queue):,} messages wait to be saved")
        self._queue.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_for_ever())
        self._changed.set()
        await self.outcome.queued(entry)

    async def drain(self) -> Sequence[Entry]:
        self._draining = True
        self._changed.set()
        self._hurry.set()
        if self._flusher is not None:
            await asyncio.wait([self._flusher], timeout=self.settings.drain_timeout_s)
            self._gave_up = True
            self._hurry.set()
            # Not cancelled: a save that is under way may yet succeed, and must be believed then.
            await asyncio.wait([self._flusher])
        unsaved = list(self._queue)
        if unsaved:
            gave_up = StorageError("write", "the queue", "the server stopped before it succeeded")
            await self.outcome.failed(unsaved, gave_up)
        return unsaved

    def statistics(self) -> ProcessorStatistics:
        return ProcessorStatistics(
            depth=len(self._queue),
            limit=self.settings.queue_limit,
            oldest_s=self.clock() - self._queue[0].accepted_at if self._queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        while (self._queue or not self._draining) and not self._gave_up:
            await self._until_due()
            if self._queue and not self._gave_up:
                await self._flush(list(islice(self._queue, self.settings.batch_size_max)))

    async def _until_due(self) -> None:
        """Wait for a full batch, or for the oldest message to have waited long enough."""
        while not self._draining and len(self._queue) < self.settings.batch_size_max:
            self._changed.clear()
            wait_s = None
            if self._queue:
                waited_s = self.clock() - self._queue[0].accepted_at
                wait_s = self.settings.flush_interval_s - waited_s
                if wait_s <= 0:
                    return
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _pause(self, pause_s: float) -> None:
        """Wait between two tries; a drain cuts it short."""
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
                self._hurry.clear()
        except TimeoutError:
            pass

    async def _flush(self, batch: list[Entry]) -> None:
        """Save one batch, however often it takes, unless the drain gives up."""
        pause_s = self.settings.retry_first_s
        messages = [entry.message for entry in batch]
        while True:
            try:
                await self.store.save(messages)
                break
            except Exception as error:  # a bug in a store must not end the flushing, either
                self._failures += 1
                if self._gave_up:
                    return
                await self.outcome.delayed(batch, StorageError.of(error), pause_s)
            await self._pause(pause_s)
            if self._gave_up:
                return
            pause_s = min(pause_s * 2, self.settings.retry_max_s)
        self._flushes += 1
        # Only now: a batch that is being saved still counts as queued.
        for _ in batch:
            self._queue.popleft()
        await self.outcome.saved(batch)
