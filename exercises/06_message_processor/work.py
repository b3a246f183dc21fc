"""Your queue. Save this file, and `chatlab learn` checks it.

It works as it is: like the naive processor, it saves each message alone and at once. Let messages
wait for each other, but not for long. `README.md` beside this file tells the story.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from chatlab.chat.parts.message_seams import Entry, Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import StorageError


class MessageProcessor(Processor):
    """Saves when a batch is full, or when its oldest message has waited for the interval.

    A message travels as an `Entry`: `entry.message` is what the store keeps, and
    `entry.accepted_at` is when it came, in seconds on `self.clock()`.
    """

    # TODO: say True as soon as `submit` only puts a message into a queue. The server then
    # acknowledges it when `outcome.queued` is told, and no more when it is saved.
    acks_queued: ClassVar[bool] = False

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self._waiting: list[Entry] = []  # taken, and not yet saved
        self._flushes = self._failures = 0
        self._something_ended = asyncio.Event()  # set after each save, for the drain
        # TODO: who saves what waits? What tells it that a message has come?

    async def submit(self, entry: Entry) -> None:
        """Take charge of a message.

        The server calls it for every message, for many clients at the same time.
        """
        # TODO: put it into the queue, have it saved soon, tell `await self.outcome.queued(entry)`,
        # and return: `self.settings.flush_interval_s` is how many seconds a message may wait for
        # company, `self.settings.batch_size_max` how many messages make a full batch.
        self._waiting.append(entry)
        await self._save([entry])

    async def drain(self) -> Sequence[Entry]:
        """Save all that waits, and return: the server stops. Nobody submits anything from now on.

        Returns the messages that it leaves unsaved: none.
        """
        # TODO: this is right for a queue, too, but not quick. Save whole batches, and do not wait
        # for the interval. If a save is under way, wait for it.
        while self._waiting:
            self._something_ended.clear()
            await self._something_ended.wait()
        return []

    def statistics(self) -> ProcessorStatistics:
        """The state of the queue, for the dashboard."""
        # TODO: keep it true. `depth` counts what is taken and not yet saved, and that includes
        # the messages whose save is under way. `flushes` counts saves that succeeded.
        oldest = self._waiting[0].accepted_at if self._waiting else self.clock()
        return ProcessorStatistics(
            depth=len(self._waiting),
            limit=0,
            oldest_s=self.clock() - oldest,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _save(self, batch: list[Entry]) -> None:
        """Save a batch, and tell what became of it."""
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception as error:  # a bug in a store is a failed save, too
            self._failures += 1
            await self.outcome.failed(batch, StorageError.of(error))
        else:
            self._flushes += 1
            await self.outcome.saved(batch)
        for entry in batch:
            self._waiting.remove(entry)
        self._something_ended.set()
