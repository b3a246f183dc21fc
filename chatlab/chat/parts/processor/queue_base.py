"""What the processors with a queue share: the queue, its flushes, retries and drain.

They differ in when a batch is due, and how large it may be. In all of them:

- each sender's messages go first in, first out, and never two flushes run at once;
- the queue is bounded: one message too many is refused; from a sender who has hardly anything in it
  (a thousandth), it is taken all the same (unless `turn_size` is 0);
- a batch holds a fair share for each sender (again, unless `turn_size` is 0);
- a batch whose save fails stays at the head of the queue, its senders hear of it, and it is tried
  again after longer and longer pauses;
- a drain saves all that waits, at once, and then has it delivered.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence

from chatlab.chat.parts.message_seams import (
    Entry,
    Outcome,
    Processor,
    ProcessorStatistics,
)
from chatlab.chat.parts.processor.fair_queue import FairQueue
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import Overloaded, StorageError

DELIVERY_S = 4.0
"""How long a drain delivers what it has saved; the rest is in the history."""


class QueueProcessor(Processor):
    """Saves batches from a bounded queue, one after another.

    Attributes:
        batch_size_max: the most messages saved together.
        batch_chars_max: the most characters of text saved together; one message may have more.
        batch_size_quick: how many messages of senders with many go with those of senders with few;
            None if the size of a batch makes no difference to them.
        queue: the unsaved messages, with the batch that is being saved.
        changed: set when a message comes or the drain begins.
        draining: whether to save without waiting.
    """

    batch_size_max: int
    batch_chars_max: float = math.inf
    batch_size_quick: int | None = None

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self.queue = FairQueue(fair=settings.turn_size > 0)  # bounded in `submit`
        self.changed = asyncio.Event()
        self.draining = False
        self._always = 1 + settings.queue_limit // 1_000 if settings.turn_size else 0
        self._gave_up = False
        self._hurry = asyncio.Event()  # ends a pause between two tries
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        depth = len(self.queue)
        if depth >= self.settings.queue_limit and self.queue.of(entry.sender) >= self._always:
            raise Overloaded(f"{depth:,} messages wait to be saved")
        self.queue.add(entry)
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
            hurried = asyncio.create_task(self.hurry.wait())
            await asyncio.wait(
                [self._flusher, hurried],
                timeout=self.settings.drain_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            hurried.cancel()
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
        since = self.queue.accepted_at
        return ProcessorStatistics(
            depth=len(self.queue),
            limit=self.settings.queue_limit,
            oldest_s=0.0 if since is None else self.clock() - since,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        while (self.queue or not self.draining) and not self._gave_up:
            await self.until_due()
            if not self.queue or self._gave_up:
                continue
            if not self.draining:
                sizes = self.batch_size_max, self.batch_chars_max, self.batch_size_quick
                batch = self.queue.take(*sizes)
                if await self._save(batch):
                    await self.hand_on(batch)
            else:
                await self._save_rest()
        await self.handed_on()

    async def _save_rest(self) -> None:
        """Save the whole queue, and only then have it delivered, batch by batch."""
        saved: list[Entry] = []
        size_max, chars_max = len(self.queue), math.inf
        while self.queue and not self._gave_up:
            batch = self.queue.take(size_max, chars_max)
            if await self._save(batch):
                saved += batch
            # A full disk may have room for a part.
            size_max, chars_max = self.batch_size_max, self.batch_chars_max
        until = self.clock() + DELIVERY_S
        for batch in self._batches(saved):
            if not self.hurry.is_set() and self.clock() < until:
                await self.hand_on(batch)
                continue
            for entry in batch:  # who waits to send more must hear that this is the end
                entry.sender.release()

    def _batches(self, entries: list[Entry]) -> Iterator[list[Entry]]:
        """Messages in their order, in batches no larger than those that are saved together."""
        batch: list[Entry] = []
        chars = 0
        for entry in entries:
            chars += len(entry.message.content)
            if batch and (len(batch) >= self.batch_size_max or chars > self.batch_chars_max):
                yield batch
                batch, chars = [], len(entry.message.content)
            batch.append(entry)
        if batch:
            yield batch

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
        """Save one batch, with as many tries as it takes; False if the drain gave up on it.

        More than a batch, as a drain saves, is tried once.
        """
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
                if len(batch) > self.batch_size_max:
                    return False
            await self._pause(pause_s)
            if self._gave_up:
                return False
            pause_s = min(pause_s * 2, self.settings.retry_max_s)
        self._flushes += 1
        self.queue.done()  # only now: a batch that is being saved still counts as queued
        return True
