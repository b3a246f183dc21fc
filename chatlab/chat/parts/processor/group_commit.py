"""Group commit: save all messages that wait, as soon as the save before is done.

While the disk is busy, messages gather; the next save takes all of them. So the load decides the
size of the batch: one message on a quiet server, hundreds under pressure. No message waits for a
timer, and an ack can wait for the save, because the save comes at once.

Nor does the disk wait for the network: while one batch is acked and delivered, the next is saved.

Databases have done so for decades (DeWitt et al., "Implementation techniques for main memory
database systems", SIGMOD 1984).

The queue itself: `queue_base.py`. The plain sibling: `queueing.py`.
"""

from __future__ import annotations

import asyncio

from chatlab.chat.parts.message_seams import Entry, Outcome
from chatlab.chat.parts.processor.queue_base import QueueProcessor
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings


class GroupCommitProcessor(QueueProcessor):
    """Saves all that wait, at once, and acks after the save."""

    acks_queued = False
    # All that waits, up to a bound: a message waits for the batch before its own, too, and a batch
    # is encoded, acked and delivered in one go. With 1,000, a quiet client waited twice as long
    # beside flooders. With half as many, ten busy clients got a tenth less done.
    batch_size_max = 400
    batch_size_quick = 32
    # At most 256 KiB of UTF-8: a batch is delivered at once, and must fit into the send buffer of
    # a client that reads well.
    batch_chars_max = 64 * 1024

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self._handing_on: asyncio.Task[None] | None = None

    async def until_due(self) -> None:
        while not self.draining and not self.queue:
            self.changed.clear()
            await self.changed.wait()

    async def hand_on(self, batch: list[Entry]) -> None:
        # One delivery at a time keeps the order, and at most one batch undelivered.
        await self.handed_on()
        self._handing_on = asyncio.create_task(self.outcome.saved(batch))

    async def handed_on(self) -> None:
        if self._handing_on is not None:
            await self._handing_on
