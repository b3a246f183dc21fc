"""When is a message saved? `immediate.py`: now, alone. `queueing.py`: soon, in a batch.
`group_commit.py`: together with all that wait. Here: the seam, and the listener it reports to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.store import Store
from chatlab.chat.settings import Clock, Settings
from chatlab.errors import StorageError


class Outcome(Protocol):
    """Hears what happens to each message, and sends acks, errors and the messages themselves."""

    async def queued(self, entry: Entry) -> None:
        """It is in memory and will be saved."""

    async def saved(self, batch: Sequence[Entry]) -> None:
        """These are saved, as safely as the store promises."""

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        """Saving failed; they stay queued, and the next try is in `retry_in_s` seconds."""

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        """Saving failed for good: the processor drops them."""


class ProcessorStatistics(msgspec.Struct, frozen=True):
    """The state of the queue.

    Attributes:
        depth: messages accepted and not yet saved.
        limit: the largest depth, in messages; 0: as many as there are clients.
        oldest_s: seconds that the oldest of them has waited; 0 if there is none.
        flushes: batches saved so far.
        failures: batches whose saving failed so far.
    """

    depth: int
    limit: int
    oldest_s: float
    flushes: int
    failures: int


class Processor(ABC):
    """Decides when a message is saved.

    Args:
        store: where to.
        outcome: hears what happens.
        settings: `batch_size_max`, `flush_interval_s`, `queue_limit` and the retry times.
        clock: seconds.

    Attributes:
        acks_queued: whether it takes a message before saving it, so that an ack can promise
            `queued`; otherwise acks come after the save.
    """

    acks_queued: ClassVar[bool]

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        self.store = store
        self.outcome = outcome
        self.settings = settings
        self.clock = clock

    @abstractmethod
    async def submit(self, entry: Entry) -> None:
        """Take a message. Saves each sender's messages in the order of submission.

        Raises:
            Overloaded: the queue is full; the message was not taken.
        """

    @abstractmethod
    async def drain(self) -> Sequence[Entry]:
        """Save all submitted messages, and stop; no submission follows.

        Tries for `drain_timeout_s`, then waits for a save in progress. Returns the messages that
        could not be saved, after reporting each to `outcome.failed`.
        """

    @abstractmethod
    def statistics(self) -> ProcessorStatistics:
        """The state of the queue, now."""
