"""The only place that touches data files: every operation runs off the event loop and is counted.

Owns: opening, reading, writing, appending, syncing and renaming files in one data folder, and the
one vocabulary in which chatlab speaks of I/O:

    reads          a file was opened, read whole and closed
    writes         a file was replaced or appended to
    fsyncs         the operating system was told to put a file (or the folder) on the disk, and did
    bytes_read, bytes_written

Refuses to know what is in the files. Read `readers/direct.py` and `writers/truncate.py` next.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from chatlab.chat.errors import StorageError

P = ParamSpec("P")
R = TypeVar("R")

TEMPORARY_SUFFIX = ".tmp"
"""A file with this ending is counted under the name of the file that it is about to replace."""

FOLDER = "(folder)"
"""The name under which a sync of the data folder itself is counted."""

THREADS_MAX = 8


class FileIO(msgspec.Struct, frozen=True):
    """What one file has cost so far. All are counts, or bytes; none is an estimate."""

    reads: int = 0
    writes: int = 0
    fsyncs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def operations(self) -> int:
        """Reads and writes together: the figure that the training calls file operations."""
        return self.reads + self.writes

    def __add__(self, other: FileIO) -> FileIO:
        return FileIO(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, other: FileIO) -> FileIO:
        return FileIO(*(a - b for a, b in zip(_values(self), _values(other), strict=True)))


class Files:
    """The files of one data folder.

    Args:
        folder: where they lie; must exist.

    Every method raises `StorageError` when the operating system says no. A caller that is
    cancelled still waits for its operation to end: otherwise it would let go of its lock while a
    thread is writing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="chatlab-files")
        self._counts: dict[str, FileIO] = {}
        self._counts_lock = threading.Lock()

    def statistics(self) -> dict[str, FileIO]:
        """What each file has cost since the start."""
        with self._counts_lock:
            return dict(self._counts)

    async def read(self, name: str) -> bytes:
        """The whole content of a file."""
        return await self._off_loop("read", name, self._read, name)

    async def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Make a file hold just `data`: opened, cut to nothing, written.

        A crash half-way leaves a torn file. With `fsync`, the data are on the disk on return.
        """
        await self._off_loop("write", name, self._write, name, "wb", data, fsync)

    async def append(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Add `data` to the end of a file; with `fsync`, they are on the disk on return."""
        await self._off_loop("append to", name, self._write, name, "ab", data, fsync)

    async def rename(self, source: str, target: str) -> None:
        """Give a file another name; readers of `target` see the old file or the new, never half."""
        await self._off_loop(
            "rename", source, os.replace, self.folder / source, self.folder / target
        )

    async def fsync_folder(self) -> None:
        """Put the folder itself on the disk, without which a power cut can undo a rename."""
        await self._off_loop("fsync", FOLDER, self._fsync_folder)

    def close(self) -> None:
        """Let the threads go, once they have finished what is under way."""
        self._threads.shutdown(wait=True)

    async def _off_loop(
        self,
        operation: str,
        name: str,
        function: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: function(*args, **kwargs)
        )
        try:
            return await _to_the_end(work)
        except OSError as error:
            raise StorageError(operation, name, error.strerror or str(error)) from error

    def _read(self, name: str) -> bytes:
        data = (self.folder / name).read_bytes()
        self._count(name, FileIO(reads=1, bytes_read=len(data)))
        return data

    def _write(self, name: str, mode: str, data: bytes, fsync: bool) -> None:
        # Unbuffered: what is counted is what was handed over, and no error can hide in a close.
        with (self.folder / name).open(mode, buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            self._count(name, FileIO(writes=1, bytes_written=len(data)))
            if fsync:
                _fsync(file.fileno())
                self._count(name, FileIO(fsyncs=1))

    def _fsync_folder(self) -> None:
        if os.name == "nt":
            return  # Windows cannot sync a folder; NTFS journals its own renames.
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            _fsync(descriptor)
        finally:
            os.close(descriptor)
        self._count(FOLDER, FileIO(fsyncs=1))

    def _count(self, name: str, what: FileIO) -> None:
        name = name.removesuffix(TEMPORARY_SUFFIX)
        with self._counts_lock:
            self._counts[name] = self._counts.get(name, FileIO()) + what


def _values(counts: FileIO) -> tuple[int, ...]:
    return msgspec.structs.astuple(counts)


def _fsync(descriptor: int) -> None:
    # On macOS, fsync alone leaves the data in the drive's cache (Apple, fsync(2)).
    try:
        import fcntl

        full_sync = fcntl.F_FULLFSYNC  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, AttributeError):
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full_sync)


async def _to_the_end(work: Awaitable[R]) -> R:
    """Wait for work that cannot be stopped, even when the one who waits is cancelled."""
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # heard, so that asyncio does not report it as lost
        raise cancelled
    return future.result()
