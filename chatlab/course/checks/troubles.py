"""Disks that fail while they are told to, for checks."""

from __future__ import annotations

import errno
import os

from chatlab.course.checks import CheckBench
from chatlab.disk.counted import Operation


class Trouble:
    """A disk that fails while it is told to."""

    words = ""
    fails = False

    def ready(self) -> Trouble:
        """Leaving it, the disk is well again."""
        return self

    def on(self, bench: CheckBench) -> Trouble:
        """From now on it fails."""
        bench.story.tell(f"from now on, the disk has {self.words}")
        self.fails = True
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.fails = False

    def before(self, operation: Operation) -> int | None:
        raise NotImplementedError

    def after(self, operation: Operation) -> None:
        pass


class FullDisk(Trouble):
    """Half of what is written still fits."""

    words = "no space left"

    def before(self, operation: Operation) -> int | None:
        return len(operation.data) // 2 if self.fails and operation.kind == "write" else None


class BrokenDisk(Trouble):
    """What is written goes to memory, and from there no further."""

    words = "an error at each fsync"

    def before(self, operation: Operation) -> int | None:
        if self.fails and operation.kind == "fsync":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return None
