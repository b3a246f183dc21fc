"""A disk that fails on command, and remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Callable

from chatlab.disk.counted import Operation
from chatlab.disk.failing import FailingDisk


class Unlucky(FailingDisk):
    """A disk that fails on command; see there.

    Attributes:
        operations: all that were asked for, those that failed too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def before(self, operation: Operation) -> int | None:
        self.operations.append(operation)
        return super().before(operation)


def kinds(*names: str) -> Callable[[Operation], bool]:
    """Operations of several kinds."""
    return lambda operation: operation.kind in names
