"""Who may read, change and write back a file at once? `none.py`: everyone. `per_file.py`: one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager


class Lock(ABC):
    """Guards a file that is read, changed and written back against others who do the same, and
    against readers: for a moment, a file that is being rewritten is half a file."""

    @abstractmethod
    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """`async with lock.hold("messages.json"):` reads, changes and writes back that file.

        Waiters get the lock in the order in which they came. A body that raises or is cancelled
        releases it like any other.
        """
