"""When is a message saved? `immediate.py`: now, alone. `queueing.py`: soon, in a batch.
`group_commit.py`: with whatever else waits. Here: the seam, and the listener it reports to.
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
    """Hears what becomes of each message; it sends the acks and has the messages delivered."""

    async def queued(self, entry: Entry) -> None:
        """It is in memory and will be saved."""

    async def saved(self, batch: Sequence[Entry]) -> None:
        """These are saved, as safely as the store promises."""

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        """Saving failed; they stay queued and are tried again in so many seconds."""

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        """Saving failed for good: they are not kept."""


class ProcessorStatistics(msgspec.Struct, frozen=True):
    """The state of the queue.

    Attributes:
        depth: messages accepted and not yet saved.
        limit: messages; how many there may be. 0: as many as there are clients.
        oldest_s: seconds that the oldest of them has waited; 0 when there is none.
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
        outcome: who is told.
        settings: `batch_size_max`, `flush_interval_s`, `queue_limit` and the retry times.
        clock: seconds.

    Attributes:
        acks_queued: whether it takes charge of a message before saving it, so that an ack can
            promise `queued` at the earliest; otherwise the first thing to promise is the save.
    """

    acks_queued: ClassVar[bool]

    def __init__(self, store: Store, outcome: Outcome, settings: Settings, clock: Clock) -> None:
        self.store = store
        self.outcome = outcome
        self.settings = settings
        self.clock = clock

    @abstractmethod
    async def submit(self, entry: Entry) -> None:
        """Take charge of a message. Messages of one sender are saved in the order of submission.

        Raises:
            Overloaded: there is no room; the message was not taken.
        """

    @abstractmethod
    async def drain(self) -> Sequence[Entry]:
        """Save all that was submitted, and stop; nothing may be submitted from now on.

        Tries for `drain_timeout_s`; a save that is then under way is waited for. Returns the
        messages that could not be saved, of each of which `outcome.failed` has heard.
        """

    @abstractmethod
    def statistics(self) -> ProcessorStatistics:
        """The state of the queue, now."""
