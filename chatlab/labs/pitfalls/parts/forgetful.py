"""WRONG ON PURPOSE: a queueing processor without error handling.

It takes a batch out of the queue before it is saved. If the save fails, the batch is gone, and no
sender hears of it, though all have their acks. Compare it with `_save` in
`chatlab/chat/parts/processor/queue_base.py`, which removes a batch only once it is saved, tries
again, and tells the senders.
"""

from __future__ import annotations

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processor.queueing import QueueingProcessor


class ForgetfulProcessor(QueueingProcessor):
    """Saves each batch once, and forgets those whose save fails."""

    async def _save(self, batch: list[Entry]) -> bool:
        for _ in batch:
            self.queue.popleft()  # the mistake begins: nobody else has the batch
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception:
            self._failures += 1  # ... and ends here: counted, and forgotten
            return False
        self._flushes += 1
        return True
