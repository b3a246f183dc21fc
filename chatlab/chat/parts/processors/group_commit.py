"""The group commit: save whatever waits, as soon as the save before is done.

While the disk is busy, messages gather; the next save takes all of them. So the batch is as large
as the load makes it: one message on a quiet server, hundreds under pressure. Nothing ever waits
for a timer, and an ack can wait for the save, because the save comes at once.

Databases have done so for decades (DeWitt et al., "Implementation techniques for main memory
database systems", SIGMOD 1984).

The queue itself stands in `base_queue.py`. Its plain sibling is `queueing.py`.
"""

from __future__ import annotations

from chatlab.chat.parts.processors.base_queue import QueueProcessor


class GroupCommitProcessor(QueueProcessor):
    """Saves all that waits, at once, and acks after the save."""

    acks_queued = False
    batch_size_max = 1_000
    # At most 256 KiB of UTF-8: a batch is delivered in one go, and must leave room in the send
    # buffer of a client that reads well.
    batch_chars_max = 64 * 1024

    async def until_due(self) -> None:
        while not self.draining and not self.queue:
            self.changed.clear()
            await self.changed.wait()
