"""The plain processor: each message is saved at once, alone, before its sender gets an ack.

Each message pays the full price of a save. Its better sibling is `queueing.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chatlab.chat.parts.message_seams import Entry, Outcome, Processor, ProcessorStatistics
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import StorageError


class ImmediateProcessor(Processor):
    """Saves one message at a time, for each sender."""

    acks_queued = False

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        super().__init__(store, outcome, settings, clock)
        # Bounded by the number of clients: each waits for its one message. A dict keeps the order.
        self._under_way: dict[Entry, None] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._gave_up: set[Entry] = set()  # reported as failed already
        self._flushes = self._failures = 0

    async def submit(self, entry: Entry) -> None:
        self._under_way[entry] = None
        self._idle.clear()
        try:
            await self._save(entry)
        finally:
            del self._under_way[entry]
            if not self._under_way:
                self._idle.set()

    async def drain(self) -> Sequence[Entry]:
        ends = [asyncio.ensure_future(one.wait()) for one in (self._idle, self.hurry)]
        timeout_s = self.settings.drain_timeout_s
        await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        unsaved = list(self._under_way)
        if unsaved:
            self._gave_up.update(unsaved)
            reason = "the server stopped meanwhile: it may be saved, or not"
            await self.outcome.failed(unsaved, StorageError("write", "the message", reason))
        return unsaved

    def statistics(self) -> ProcessorStatistics:
        oldest = next(iter(self._under_way), None)
        return ProcessorStatistics(
            depth=len(self._under_way),
            limit=0,
            oldest_s=self.clock() - oldest.accepted_at if oldest else 0.0,
            flushes=self._flushes,
            failures=self._failures,
        )

    async def _save(self, entry: Entry) -> None:
        try:
            await self.store.save([entry.message])
        except Exception as error:  # a bug in a store is a failed save, too
            self._failures += 1
            if entry not in self._gave_up:
                await self.outcome.failed([entry], StorageError.of(error))
        else:
            self._flushes += 1
            if entry not in self._gave_up:
                await self.outcome.saved([entry])
