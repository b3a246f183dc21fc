"""The group commit: save whatever waits, as soon as the save before is done.

While the disk is busy, messages gather; the next save takes all of them. So the batch is as large
as the load makes it: one message on a quiet server, hundreds under pressure. Nothing ever waits
for a timer, and an ack can wait for the save, because the save comes at once.

Nor does the disk wait for the network: while a batch is acked and delivered, the next is saved.

Databases have done so for decades (DeWitt et al., "Implementation techniques for main memory
database systems", SIGMOD 1984).

The queue itself stands in `base_queue.py`. Its plain sibling is `queueing.py`.
"""

from __future__ import annotations

import asyncio

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processor import Outcome
from chatlab.chat.parts.processor.queue_base import QueueProcessor
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Clock, Settings


class GroupCommitProcessor(QueueProcessor):
    """Saves all that waits, at once, and acks after the save."""

    acks_queued = False
    batch_size_max = 1_000
    # At most 256 KiB of UTF-8: a batch is delivered in one go, and must leave room in the send
    # buffer of a client that reads well.
    batch_chars_max = 64 * 1024

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self._handing_on: asyncio.Task[None] | None = None

    async def until_due(self) -> None:
        while not self.draining and not self.queue:
            self.changed.clear()
            await self.changed.wait()

    async def hand_on(self, batch: list[Entry]) -> None:
        # One delivery at a time: so the order holds, and no more than one batch is behind.
        await self.handed_on()
        self._handing_on = asyncio.create_task(self.outcome.saved(batch))

    async def handed_on(self) -> None:
        if self._handing_on is not None:
            await self._handing_on
