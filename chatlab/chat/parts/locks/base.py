"""The seam of the locks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager


class Lock(ABC):
    """Guards the read-modify-write of files."""

    @abstractmethod
    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """`async with lock.hold("messages.json"):` reads, changes and writes back that file.

        Waiters get in in the order of their coming. A body that raises, or is cancelled, gives
        the lock back like any other.
        """
