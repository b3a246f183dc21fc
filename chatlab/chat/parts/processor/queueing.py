"""The queueing processor: messages wait a little, and are saved together.

A batch is saved when `batch_size_max` messages wait, or when the oldest has waited for
`flush_interval_s`, whichever comes first. One save serves a hundred messages.

What it costs: a crash breaks the promise of an ack that is sent on queueing, and a message waits
for its batch even when the disk is idle.

The queue itself: `queue_base.py`. The plain sibling: `immediate.py`, the better one:
`group_commit.py`.
"""

from __future__ import annotations

import asyncio

from chatlab.chat.parts.message_seams import Outcome
from chatlab.chat.parts.processor.queue_base import QueueProcessor
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings


class QueueingProcessor(QueueProcessor):
    """Saves a batch when it is full, or when its oldest message has waited long enough."""

    acks_queued = True

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        self.batch_size_max = settings.batch_size_max

    async def until_due(self) -> None:
        while not self.draining and len(self.queue) < self.batch_size_max:
            self.changed.clear()
            wait_s = None
            if (since := self.queue.accepted_at) is not None:
                waited_s = self.clock() - since
                wait_s = self.settings.flush_interval_s - waited_s
                if wait_s <= 0:
                    return
            try:
                async with asyncio.timeout(wait_s):
                    await self.changed.wait()
            except TimeoutError:
                return
