"""A disk that fails on command, and works again on command: for checks of faults."""

from __future__ import annotations

import errno
import os

from chatlab.disk.counted import Operation


class FailingDisk:
    """A `Condition` that a check can turn on and off.

    Attributes:
        seen: operations that were asked for since the last `fail` or `heal`.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._first: int | None = None  # None: it works
        self._last = 0
        self._full = False

    @property
    def over(self) -> bool:
        """Whether it will not fail any more, or has not yet begun to."""
        return self._first is None or not self._first <= self.seen <= self._last

    def fail(self, first: int = 1, *, once: bool = False) -> None:
        """Answer with an I/O error from the operation of this number on, counted from now.

        Args:
            once: only that operation fails.
        """
        self.seen, self._full = 0, False
        self._first, self._last = first, first if once else 2**62

    def fill_up(self) -> None:
        """Be full: half of the data of each write still fits, and what was there stays there."""
        self.fail()
        self._full = True

    def heal(self) -> None:
        """Work again."""
        self.seen, self._first, self._full = 0, None, False

    def before(self, operation: Operation) -> int | None:
        self.seen += 1
        if self._first is None or not self._first <= self.seen <= self._last:
            return None
        if not self._full:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return len(operation.data) // 2 if operation.kind == "write" and operation.data else None

    def after(self, operation: Operation) -> None:
        pass
