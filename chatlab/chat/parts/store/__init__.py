"""What does it cost to save a batch? `rewrite.py`: the whole file, history and all. `journal.py`:
one line at the end of a log. `sqlite.py`: rows in a table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import ClassVar

from chatlab.chat.parts.lock import Lock
from chatlab.chat.parts.reader import Reader
from chatlab.chat.parts.writer import Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import FILL_AT_ONCE, Message
from chatlab.disk.files import Files


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
