"""A bounded queue that tries again, tells everyone, and gives up only when its time is up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar

from chatlab.chat.parts.message_seams import Entry, Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import Overloaded, StorageError


class NoLossProcessor(Processor):
    """Saves in batches; each message that it takes ends as saved or as failed."""

    acks_queued: ClassVar[bool] = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        # What is being saved stands at its head. Bounded by `queue_limit`, in `submit`.
        self._queue: deque[Entry] = deque()
        self._changed = asyncio.Event()  # something has come, or the server stops
        self._stopping = self._gave_up = False
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
        self._stopping = True
        self._changed.set()
        self._hurry.set()
        if self._flusher is not None:
            await asyncio.wait([self._flusher], timeout=self.settings.drain_timeout_s)
            self._gave_up = True
            self._hurry.set()
            # Not cancelled: a save that is under way may yet succeed, and is believed then.
            await asyncio.wait([self._flusher])
        unsaved = list(self._queue)
        if unsaved:
            gave_up = StorageError("save", "the queue", "the server stopped before it succeeded")
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
        """The only one who saves: so there are never two saves at once."""
        pause_s = self.settings.retry_first_s
        while (self._queue or not self._stopping) and not self._gave_up:
            await self._until_due()
            batch = list(islice(self._queue, self.settings.batch_size_max))
            if not batch:
                continue
            error = await self._save(batch)
            if error is None:
                pause_s = self.settings.retry_first_s
            elif not self._gave_up:
                # The batch stays where it is, at the head: so nothing overtakes it.
                await self.outcome.delayed(batch, error, pause_s)
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, self.settings.retry_max_s)

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

    async def _save(self, batch: list[Entry]) -> StorageError | None:
        """Save a batch; returns why it failed, if it did."""
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception as error:  # a bug in a store must not end the flushing, either
            self._failures += 1
            return StorageError.of(error)
        self._flushes += 1
        for _ in batch:  # and no more: others may have come during the save
            self._queue.popleft()
        await self.outcome.saved(batch)
        return None

    async def _pause(self, pause_s: float) -> None:
        """Wait between two tries; a drain cuts the pause short in which it begins."""
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
                self._hurry.clear()
        except TimeoutError:
            pass
