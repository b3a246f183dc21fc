"""What the parts that store messages must do: the seams of reader, writer, lock and store.

Reader: how is a file read? Writer: how is it replaced? Lock: who may read, change and write it back
at once? Store: what does it cost to save a batch? A part is a file in the folder of its seam's
name; a plain part and its better siblings have the same shape, so that they can be compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import ClassVar, TypeVar

import msgspec

from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Clock, Settings
from chatlab.data.records import FILL_AT_ONCE, DataFile, Message
from chatlab.disk.files import Files

T = TypeVar("T")


class ReaderStatistics(msgspec.Struct, frozen=True):
    """What a cache did so far.

    Attributes:
        hits: reads answered from memory.
        misses: reads that went to the disk, or waited for another one that did.
        stale_served: reads answered with an old value because the disk failed.
    """

    hits: int = 0
    misses: int = 0
    stale_served: int = 0


class Reader(ABC):
    """Reads data files.

    Args:
        files: the data folder.
        settings: `cache_ttl_s` and `reads_at_once_max` concern readers.
        clock: seconds.
    """

    def __init__(self, files: Files, settings: Settings, clock: Clock) -> None:
        self.files = files
        self.settings = settings
        self.clock = clock

    @abstractmethod
    async def read(self, file: DataFile[T]) -> T:
        """The content of a file. Do not change it: others may hold it, too.

        Raises:
            StorageError: it cannot be read, and there is no older content.
            CorruptFile: its content makes no sense.
        """

    def at_hand(self, file: DataFile[T]) -> T | None:  # noqa: ARG002
        """The content of a file if it is in memory, without an await; None if not."""
        return None

    def written(self, file: DataFile[T], value: T) -> None:  # noqa: B027 (nothing to do is fine)
        """`file` now holds `value`: called after each successful write."""

    def statistics(self) -> ReaderStatistics:
        """Hits and misses; a reader without a cache has neither."""
        return ReaderStatistics()


class Writer(ABC):
    """Replaces the content of files.

    Attributes:
        promise: how safe the new content is once `replace` has returned.
    """

    promise: ClassVar[AckLevel]

    def __init__(self, files: Files) -> None:
        self.files = files

    @abstractmethod
    async def replace(self, name: str, data: bytes) -> None:
        """Make the file hold `data`; create it if it does not exist.

        Raises:
            StorageError: it failed. The file holds the old content, the new one, or (with a writer
                that is not atomic) neither.
        """


class Lock(ABC):
    """Guards a file that is read, changed and written back against others who do the same, and
    against readers: for a moment, a file that is being rewritten is half a file."""

    @abstractmethod
    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """`async with lock.hold("messages.json"):` reads, changes and writes back that file.

        Waiters get the lock in the order in which they came. A body that raises or is cancelled
        releases it like any other.
        """


class Store(ABC):
    """Keeps messages.

    Args:
        files: the data folder.
        reader, writer, lock: the parts that a store over whole files works with.
        settings: the sizes of its files, where they can be chosen.

    Attributes:
        kept_in: a pattern of the files in which it keeps messages; no other store's pattern
            matches them. Empty for a store without files.
    """

    kept_in: ClassVar[str]

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        self.files = files
        self.settings = settings
        self.reader = reader
        self.writer = writer
        self.lock = lock

    @property
    @abstractmethod
    def promise(self) -> AckLevel:
        """How safe a batch is once `save` has returned."""

    async def start(self, starting: Iterable[Message] = ()) -> list[str]:  # noqa: ARG002
        """Get ready, once, before any other call; returns notes for people.

        Args:
            starting: the first messages of a store that was never used; others ignore it.

        Raises:
            StorageError: its files cannot be used; they were not changed.
        """
        return []

    async def close(self) -> None:  # noqa: B027 (most stores hold nothing open)
        """Close open files; no call follows."""

    async def fill(self, messages: Iterable[Message]) -> None:
        """Keep many messages, a part at a time, so that memory does not hold them all."""
        rest = iter(messages)
        while part := list(islice(rest, FILL_AT_ONCE)):
            await self.save(part)

    @abstractmethod
    async def save(self, batch: Sequence[Message]) -> None:
        """Keep all messages of a batch, in this order, after those saved before.

        Saving a batch again after a failure is safe: no message is kept twice.

        Raises:
            StorageError: it failed. No message of the batch counts as saved; earlier ones are as
                safe as the writer keeps them.
        """

    @abstractmethod
    async def history(self, room_id: str, limit: int) -> list[Message]:
        """The last `limit` (at least 1) messages of a room, oldest first; of an unknown room, none.

        Raises:
            StorageError: the messages cannot be read.
        """
