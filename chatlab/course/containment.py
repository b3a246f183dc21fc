"""Loads a learner's file and the checks over it, and captures what the file prints.

Only ever used in a child process; see `runner.py`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import BinaryIO

from chatlab.course.checks import Check

SHOWN_MAX = 2_000
FILE_MAX = 50_000_000
"""Bytes; a loop that prints for ever must not fill the disk."""


class CapturedOutput:
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


def divert_output() -> tuple[BinaryIO, CapturedOutput]:
    """Keep standard output for news; what is printed from now on goes to a file.

    It lies in the working folder, which the parent has made for this process and will remove.

    Returns the channel for news, and what is printed.
    """
    channel = os.fdopen(os.dup(1), "wb")
    writing = os.open("printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    return channel, CapturedOutput(Path("printed.txt").open("rb"))


MODULE = "chatlab_learners_work"


def load_work(path: Path) -> ModuleType:
    """The learner's file, freshly run. Raises whatever it raises."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses look their module up there
    exec(_compiled(path), vars(module))
    return module


@functools.cache
def _compiled(path: Path) -> CodeType:
    """Compiled once: with hundreds of seeds, that would take longer than the checks."""
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def load_checks(where: str) -> dict[str, Check]:
    """The checks of an exercise, by name.

    Args:
        where: a module's name, or the path of a file.
    """
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location("chatlab_own_checks", where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    return {one.name: one for one in vars(module).values() if isinstance(one, Check)}
