"""Bad luck on order: stands between the parts and the disk, and makes things go wrong."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from chatlab.disk.real import Operation


class Unlucky:
    """A condition that refuses operations, or lets half of a write through.

    Attributes:
        seen: all operations that were asked for, refused ones too.
        fired: how many were refused.
    """

    def __init__(self) -> None:
        self.seen: list[Operation] = []
        self.fired = 0
        self.well()

    def well(self) -> None:
        """From now on, all goes well."""
        self._left = 0
        self._countdown = 0

    def fail(
        self,
        nth: int = 1,
        *,
        times: int = 1,
        half: bool = False,
        which: Callable[[Operation], bool] = lambda _operation: True,
    ) -> None:
        """Refuse operations from the `nth` one on, 1 being the next.

        Args:
            times: how many; after that, all goes well again.
            half: of a write, let half of the bytes through first.
            which: the operations that are counted and refused.
        """
        self._countdown, self._left, self._half, self._which = nth, times, half, which

    def before(self, operation: Operation) -> int | None:
        self.seen.append(operation)
        if not self._left or not self._which(operation):
            return None
        self._countdown -= 1
        if self._countdown > 0:
            return None
        self._left -= 1
        self.fired += 1
        if self._half and operation.kind == "write":
            return len(operation.data) // 2
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def after(self, operation: Operation) -> None:
        pass


def kind(*kinds: str) -> Callable[[Operation], bool]:
    """Operations of these kinds."""
    return lambda operation: operation.kind in kinds
