"""What must stay as it is under a running server: its folder, its lock, the files it adds to.

An open file can be written to long after somebody has deleted or moved it, and nobody can read what
is written. So a server looks before it changes anything, and refuses to go on once they are not
those that it knew; a file that is put back is the same again. The folder's time of change tells
cheaply that no name in it has changed: then one look is enough.

On Windows, open files can be neither deleted nor moved; there is little to notice there.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode: the same under every name."""

TICK_NS = 50_000_000
"""Two changes may carry the same time if less than this lies between them: systems look at their
clock up to 100 times a second."""
COARSE_TICK_NS = 3_000_000_000
"""The same where the file system keeps whole seconds only: FAT keeps every other one."""


class KeptFiles:
    """The identities of a folder and of files in it.

    Args:
        folder: where they lie.
        lock: the name of the file that keeps other servers off; it is kept if it exists.
        watched: names of files that only have to exist, for `trouble`.
        now_ns: tells nanoseconds since 1970, by the clock that files are dated with.
    """

    def __init__(
        self,
        folder: Path,
        lock: str = "",
        watched: Iterable[str] = (),
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._folder = folder
        self._lock = lock
        self._now_ns = now_ns
        self._watched = [name for name in watched if _found(folder / name) is not None]
        self._known = _identity(_found(folder))
        self._files: dict[str, Identity] = {}  # a journal has one a segment, a database two
        self._unchanged_since = -1  # when the folder changed last, once all names were found right
        if lock:
            self.keep(lock)

    def keep(self, name: str) -> None:
        """From now on this file must stay, if it exists."""
        if (identity := _identity(_found(self._folder / name))) is not None:
            self._files[name] = identity

    def forget(self, name: str) -> bool:
        """It may go; returns whether it had to stay. Call this before it goes."""
        return self._files.pop(name, None) is not None

    def check(self) -> None:
        """Look whether all are still there.

        Raises:
            OSError: what is not, and what to do.
        """
        found = _found(self._folder)
        if found is None or _identity(found) != self._known:
            raise _stale(
                f"the folder {self._folder.name} was moved, deleted or replaced: put it back, or "
                "stop this server"
            )
        if found.st_mtime_ns == self._unchanged_since:
            return
        for name, identity in list(self._files.items()):
            if _identity(_found(self._folder / name)) != identity:
                raise _stale(self._loss(name))
        coarse = found.st_mtime_ns % 1_000_000_000 == 0
        if self._now_ns() - found.st_mtime_ns > (COARSE_TICK_NS if coarse else TICK_NS):
            self._unchanged_since = found.st_mtime_ns

    def check_open(self, name: str, descriptor: int, size: int) -> None:
        """Look whether an open file has a name, and the size that this process gave it.

        Raises:
            OSError: what is wrong, and what to do.
        """
        found = os.fstat(descriptor)
        if found.st_nlink == 0 and name in self._files:
            raise _stale(self._loss(name))
        self.check_size(name, found.st_size, size)

    def check_size(self, name: str, found: int, expected: int) -> None:
        """Raises `OSError` if a file has not as many bytes as this process gave it."""
        if found != expected:
            raise _stale(
                f"{name} was changed by another program: it has {found:,} bytes, not {expected:,}; "
                "stop this server, and look at the folder with: chatlab data inspect"
            )

    def trouble(self) -> str:
        """What is wrong now; empty if nothing is."""
        self._unchanged_since = -1
        try:
            self.check()
            missing = [name for name in self._watched if _found(self._folder / name) is None]
        except OSError as error:
            return error.strerror or str(error)
        return f"{missing[0]} was deleted or moved: put it back" if missing else ""

    def _loss(self, name: str) -> str:
        if name == self._lock:
            return f"{name} was deleted: another server may use the folder; restart this one"
        return f"{name} was deleted, moved or replaced: put it back, or stop this server"


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(found: os.stat_result | None) -> Identity | None:
    return None if found is None else (found.st_dev, found.st_ino)


def _stale(text: str) -> OSError:
    return OSError(errno.ESTALE, text)
