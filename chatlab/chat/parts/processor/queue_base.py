"""What the processors with a queue share: the queue, its flushes, retries and drain.

They differ in when a batch is due, and how large it may be. In all of them:

- messages go first in, first out, and never two flushes run at once;
- the queue is bounded: one message too many is refused;
- a batch whose save fails stays at the head of the queue, its senders hear of it, and it is tried
  again after longer and longer pauses.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import islice

from chatlab.chat.parts.message_seams import Entry, Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import Overloaded, StorageError


class QueueProcessor(Processor):
    """Saves batches from a bounded queue, one after another.

    Attributes:
        batch_size_max: the most messages saved together.
        batch_chars_max: the most characters of text saved together; one message may have more.
        queue: the unsaved messages; the batch that is being saved is at its head.
        changed: set when a message comes or the drain begins.
        draining: whether to save without waiting.
    """

    batch_size_max: int
    batch_chars_max: float = math.inf

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self.queue: deque[Entry] = deque()  # bounded by `queue_limit`, in `submit`
        self.changed = asyncio.Event()
        self.draining = False
        self._gave_up = False
        self._hurry = asyncio.Event()  # ends a pause between two tries
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        if len(self.queue) >= self.settings.queue_limit:
            raise Overloaded(f"{len(self.queue):,} messages wait to be saved")
        self.queue.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_for_ever())
        self.changed.set()
        if self.acks_queued:
            await self.outcome.queued(entry)

    async def drain(self) -> Sequence[Entry]:
        self.draining = True
        self.changed.set()
        self._hurry.set()
        if self._flusher is not None:
            await asyncio.wait([self._flusher], timeout=self.settings.drain_timeout_s)
            self._gave_up = True
            self._hurry.set()
            # Not cancelled: a save in progress may still succeed, and then it counts.
            await asyncio.wait([self._flusher])
        unsaved = list(self.queue)
        if unsaved:
            gave_up = StorageError("write", "the queue", "the server stopped before it succeeded")
            await self.outcome.failed(unsaved, gave_up)
        return unsaved

    def statistics(self) -> ProcessorStatistics:
        return ProcessorStatistics(
            depth=len(self.queue),
            limit=self.settings.queue_limit,
            oldest_s=self.clock() - self.queue[0].accepted_at if self.queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        while (self.queue or not self.draining) and not self._gave_up:
            await self.until_due()
            if self.queue and not self._gave_up:
                batch = self._next_batch()
                if await self._save(batch):
                    await self.hand_on(batch)
        await self.handed_on()

    def _next_batch(self) -> list[Entry]:
        """The messages at the head of the queue that may be saved together."""
        batch: list[Entry] = []
        chars = 0
        for entry in islice(self.queue, self.batch_size_max):
            chars += len(entry.message.content)
            if batch and chars > self.batch_chars_max:
                break
            batch.append(entry)
        return batch

    @abstractmethod
    async def until_due(self) -> None:
        """Wait until a batch is due; while draining, it is due at once."""

    async def hand_on(self, batch: list[Entry]) -> None:
        """Have a saved batch acked and delivered; the next save starts when this returns."""
        await self.outcome.saved(batch)

    async def handed_on(self) -> None:
        """Wait until what `hand_on` started is done."""

    async def _pause(self, pause_s: float) -> None:
        """Wait between two tries; a drain ends the wait."""
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
                self._hurry.clear()
        except TimeoutError:
            pass

    async def _save(self, batch: list[Entry]) -> bool:
        """Save one batch, with as many tries as it takes; False if the drain gave up on it."""
        pause_s = self.settings.retry_first_s
        messages = [entry.message for entry in batch]
        while True:
            try:
                await self.store.save(messages)
                break
            except Exception as error:  # also a bug in a store: the flusher must go on
                self._failures += 1
                if self._gave_up:
                    return False
                await self.outcome.delayed(batch, StorageError.of(error), pause_s)
            await self._pause(pause_s)
            if self._gave_up:
                return False
            pause_s = min(pause_s * 2, self.settings.retry_max_s)
        self._flushes += 1
        # Only now, because a batch that is being saved still counts as queued.
        for _ in batch:
            self.queue.popleft()
        return True
