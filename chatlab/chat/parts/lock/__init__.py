"""Who may read, change and write back at once? `none.py`: everyone. `per_file.py`: one a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager


class Lock(ABC):
    """Guards files that are read, changed and written back, from those who do the same and from
    those who only read: a file that is being written over is, for a moment, half a file."""

    @abstractmethod
    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """`async with lock.hold("messages.json"):` reads, changes and writes back that file.

        Waiters get in in the order of their coming. A body that raises, or is cancelled, gives
        the lock back like any other.
        """
