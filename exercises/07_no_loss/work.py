"""Your queue, made safe. Save this file, and `chatlab learn` checks it.

It works as it is, and it is quick: the queue of the exercise before, as many servers have it. But
it loses messages, and nobody hears of it. `README.md` beside this file tells the story.
"""

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


class NoLossProcessor(Processor):
    """Saves in batches; each message that it takes ends as saved or as failed."""

    acks_queued: ClassVar[bool] = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        # TODO: how large may it become?
        self._queue: deque[Entry] = deque()
        self._changed = asyncio.Event()  # something has come
        self._flusher: asyncio.Task[None] | None = None
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        """Take charge of a message.

        Raises:
            Overloaded: `self.settings.queue_limit` messages wait already; this one was not taken.
        """
        # TODO: turn away what there is no room for.
        self._queue.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_for_ever())
        self._changed.set()
        await self.outcome.queued(entry)

    async def drain(self) -> Sequence[Entry]:
        """Save all that was submitted, and stop: the server does.

        Tries for `self.settings.drain_timeout_s` seconds; a save that is then under way is waited
        for. Returns the messages that could not be saved, of which `outcome.failed` has heard.
        """
        # TODO: this drops the queue, and a save that is under way is left alone with its result.
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        self._queue.clear()
        return []

    def statistics(self) -> ProcessorStatistics:
        """The state of the queue, for the dashboard."""
        # TODO: `limit` is the queue's; 0 says that it has none.
        return ProcessorStatistics(
            depth=len(self._queue),
            limit=0,
            oldest_s=self.clock() - self._queue[0].accepted_at if self._queue else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _flush_for_ever(self) -> None:
        """The only one who saves: so there are never two saves at once."""
        while True:
            await self._until_due()
            batch = list(islice(self._queue, self.settings.batch_size_max))
            if batch:
                await self._save(batch)

    async def _until_due(self) -> None:
        """Wait until a batch is full, or the oldest message has waited for the interval."""
        while len(self._queue) < self.settings.batch_size_max:
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
        except StorageError:
            # TODO: these messages are forgotten. Keep them where they are, tell `outcome.delayed`
            # when the next try is to be, wait so long, and try again: after
            # `self.settings.retry_first_s` seconds, then twice as long, up to `retry_max_s`.
            # And what if the store raises something else, because it has a bug?
            self._failures += 1
            self._forget(batch)
        else:
            self._flushes += 1
            self._forget(batch)
            await self.outcome.saved(batch)

    def _forget(self, batch: list[Entry]) -> None:
        """Take just these out of the queue: others may have come during the save."""
        for _ in batch:
            self._queue.popleft()
