"""What a learner's code prints: kept apart from the news of a child process, and bounded."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

SHOWN_MAX = 2_000
FILE_MAX = 50_000_000
"""Bytes; a loop that prints for ever must not fill the disk."""


class Printed:
    """The file into which this process prints.

    Args:
        file: open for reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._streams = (sys.stdout, sys.stderr)  # the learner's code may put others in their place

    def bound(self) -> None:
        """Cut it off when it has become too long."""
        if os.fstat(1).st_size > FILE_MAX:
            os.ftruncate(1, 0)

    def so_far(self) -> str:
        """What was printed since the last call, the end of it."""
        for stream in self._streams:
            with suppress(ValueError, OSError):  # closed by the learner's code
                stream.flush()
        begin, end = self._file.tell(), os.fstat(self._file.fileno()).st_size
        if begin > end:  # it was cut off meanwhile
            begin = 0
        self._file.seek(max(begin, end - SHOWN_MAX))
        return self._file.read(end - self._file.tell()).decode("utf-8", "replace")


def divert_output() -> tuple[BinaryIO, Printed]:
    """Keep standard output for news; what is printed from now on goes to a file.

    It lies in the working folder, which the parent has made for this process and will remove.

    Returns the channel for news, and what is printed.
    """
    channel = os.fdopen(os.dup(1), "wb")
    writing = os.open("printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    return channel, Printed(Path("printed.txt").open("rb"))
