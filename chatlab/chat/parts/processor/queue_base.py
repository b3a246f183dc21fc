"""What the processors with a queue share: the queue, its flushes, retries and drain.

They differ in when a batch is due, and how large it may be. In all of them:

- each sender's messages go first in, first out, and never two flushes run at once;
- the queue is bounded: one message too many is refused. Its last tenth is for senders who have less
  than a fair share of it (unless `turn_size` is 0);
- if not all that waits fits into a batch, each sender gets a fair share of it first (again, unless
  `turn_size` is 0);
- a batch whose save fails stays at the head of the queue, its senders hear of it, and it is tried
  again after longer and longer pauses;
- a drain saves all that waits, at once, and then has it delivered.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice

from chatlab.chat.parts.message_seams import (
    Client,
    Entry,
    Outcome,
    Processor,
    ProcessorStatistics,
)
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
        queue: the unsaved messages; the batch that is being saved is at its head.
        changed: set when a message comes or the drain begins.
        draining: whether to save without waiting.
    """

    batch_size_max: int
    batch_chars_max: float = math.inf

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self.queue: deque[Entry] = deque()  # bounded by `queue_limit`, in `submit`
        self._unsaved: dict[Client, int] = {}  # how many of whose are in the queue
        self.changed = asyncio.Event()
        self.draining = False
        reserve = settings.queue_limit // 10 if settings.turn_size else 0
        self._plenty = settings.queue_limit - reserve
        self._gave_up = False
        self._hurry = asyncio.Event()  # ends a pause between two tries
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        depth, unsaved = len(self.queue), self._unsaved.get(entry.sender, 0)
        if depth >= self._plenty and self._is_too_much(depth, unsaved):
            raise Overloaded(f"{depth:,} messages wait to be saved")
        self.queue.append(entry)
        self._unsaved[entry.sender] = unsaved + 1
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
        return ProcessorStatistics(
            depth=len(self.queue),
            limit=self.settings.queue_limit,
            oldest_s=self.clock() - self.queue[0].accepted_at if self.queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    def _is_too_much(self, depth: int, unsaved: int) -> bool:
        """Whether a queue that is nearly full refuses a sender who has so many in it."""
        limit = self.settings.queue_limit
        return depth >= limit or unsaved >= limit // (len(self._unsaved) + 1)

    async def _flush_for_ever(self) -> None:
        while (self.queue or not self.draining) and not self._gave_up:
            await self.until_due()
            if not self.queue or self._gave_up:
                continue
            if not self.draining:
                batch = self._next_batch()
                if await self._save(batch):
                    await self.hand_on(batch)
            else:
                await self._save_rest()
        await self.handed_on()

    async def _save_rest(self) -> None:
        """Save the whole queue, and only then have it delivered, batch by batch."""
        saved: deque[Entry] = deque()
        whole = list(self.queue)
        if await self._save(whole):
            saved.extend(whole)
        while self.queue and not self._gave_up:  # a full disk may have room for a part
            batch = self._next_batch()
            if await self._save(batch):
                saved.extend(batch)
        until = self.clock() + DELIVERY_S
        while saved and not self.hurry.is_set() and self.clock() < until:
            batch = list(self._first(saved))
            for _ in batch:
                saved.popleft()
            await self.hand_on(batch)

    def _next_batch(self) -> list[Entry]:
        """The messages that are saved next, now at the head of the queue."""
        batch = list(self._first(self.queue))
        if len(batch) < len(self.queue) and self.settings.turn_size:
            batch = list(self._first(self._in_fair_order()))
            chosen = set(batch)
            rest = [entry for entry in self.queue if entry not in chosen]
            self.queue = deque([*batch, *rest])
        return batch

    def _first(self, entries: Iterator[Entry] | deque[Entry]) -> Iterator[Entry]:
        """The first of some messages that may be saved together."""
        chars = 0
        for number, entry in enumerate(islice(entries, self.batch_size_max)):
            chars += len(entry.message.content)
            if number and chars > self.batch_chars_max:
                return
            yield entry

    def _in_fair_order(self) -> Iterator[Entry]:
        """The queue: first each sender's fair share of a batch, then the rest.

        A share is of messages and of characters. In both parts the order is that of the queue, so
        each sender's own order stays.
        """
        senders = len(self._unsaved)
        size_max, chars_max = self.batch_size_max // senders, self.batch_chars_max / senders
        sizes: Counter[Client] = Counter()
        chars: Counter[Client] = Counter()
        rest = []
        for entry in self.queue:
            sender = entry.sender
            sizes[sender] += 1
            chars[sender] += len(entry.message.content)
            if sizes[sender] == 1 or (sizes[sender] <= size_max and chars[sender] <= chars_max):
                yield entry
            else:
                rest.append(entry)
        yield from rest

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
        # Only now, because a batch that is being saved still counts as queued.
        for entry in batch:
            self.queue.popleft()
            self._unsaved[entry.sender] -= 1
            if not self._unsaved[entry.sender]:
                del self._unsaved[entry.sender]
        return True
