"""Parts for the pitfalls lab, loaded by path: two are WRONG ON PURPOSE, one is the cure."""

from __future__ import annotations

import asyncio
import bz2

from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.parts.processor.queueing import QueueingProcessor
from chatlab.chat.parts.writer.atomic import AtomicWriter


class ForgetfulProcessor(QueueingProcessor):
    """WRONG ON PURPOSE: saves each batch once, and forgets those whose save fails.

    It takes a batch out of the queue before it is saved. If the save fails, the batch is gone, and
    no sender hears of it, though all have their acks. Compare it with `_save` in
    `chatlab/chat/parts/processor/queue_base.py`, which removes a batch only once it is saved, tries
    again, and tells the senders.
    """

    async def _save(self, batch: list[Entry]) -> bool:
        self.queue.done()  # the mistake begins: nobody else has the batch
        try:
            await self.store.save([entry.message for entry in batch])
        except Exception:
            self._failures += 1  # ... and ends here: counted, and forgotten
            return False
        self._flushes += 1
        return True


class BlockingWriter(AtomicWriter):
    """WRONG ON PURPOSE: replaces a file, and compresses a copy of it in the event loop.

    To keep a compressed copy is a sensible thing to want. But compressing is computing, and
    meanwhile the event loop stands still: it reads from nobody and answers nobody.
    """

    async def replace(self, name: str, data: bytes) -> None:
        await super().replace(name, data)
        copy = bz2.compress(data)
        await self.files.write(f"{name}.bz2", copy)


class OffLoopWriter(AtomicWriter):
    """The cure: the same work, in a thread.

    The save takes as long as before. But meanwhile the event loop goes on reading and answering.
    """

    async def replace(self, name: str, data: bytes) -> None:
        await super().replace(name, data)
        copy = await asyncio.to_thread(bz2.compress, data)
        await self.files.write(f"{name}.bz2", copy)
