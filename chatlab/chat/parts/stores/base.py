"""The seam of the stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chatlab.chat.parts.locks.base import Lock
from chatlab.chat.parts.readers.base import Reader
from chatlab.chat.parts.writers.base import Writer
from chatlab.chat.protocol import AckLevel, Message


class Store(ABC):
    """Keeps messages.

    Args:
        reader, writer, lock: the parts that a store over plain files works with.
    """

    def __init__(self, reader: Reader, writer: Writer, lock: Lock) -> None:
        self.reader = reader
        self.writer = writer
        self.lock = lock

    @property
    @abstractmethod
    def promise(self) -> AckLevel:
        """What is true of a batch once `save` has returned."""

    @abstractmethod
    async def save(self, batch: Sequence[Message]) -> None:
        """Keep all messages of a batch, in this order, after those saved before.

        Saving a batch again after a failure is safe: no message is kept twice.

        Raises:
            StorageError: it failed. None of the batch counts as saved; those saved earlier are
                as safe as the writer makes them.
        """

    @abstractmethod
    async def history(self, room_id: str, limit: int) -> list[Message]:
        """The last `limit` (at least 1) messages of a room, oldest first; of an unknown room, none.

        Raises:
            StorageError: the messages cannot be read.
        """
