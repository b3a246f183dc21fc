"""The disk, for the parts: every operation runs off the event loop, and is awaited.

What is done and counted stands in `counted.py`. Refuses to know what is in the files.
Read `chat/parts/reader/direct.py` and `chat/parts/writer/truncate.py` next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from chatlab.disk.counted import FOLDER, Condition, Disk, FileIO, OpenFile
from chatlab.disk.kept import KeptFiles
from chatlab.errors import StorageError

P = ParamSpec("P")
R = TypeVar("R")

THREADS_MAX = 8


class Files:
    """The files of one data folder.

    Args:
        folder: where they lie; must exist.
        conditions: what stands between them and the disk; see `counted.py`.
        disk: another disk than the real one in that folder.
        kept: as for `Disk`.

    Every method raises `StorageError` when the operating system says no. A caller that is
    cancelled still waits for its operation to end: otherwise it would release its lock while a
    thread is writing.

    To run operations in another way than in threads, override `perform`.
    """

    def __init__(
        self,
        folder: Path,
        conditions: Sequence[Condition] = (),
        *,
        disk: Disk | None = None,
        kept: KeptFiles | None = None,
    ) -> None:
        self.folder = folder
        self.disk = disk or Disk(folder, conditions, kept)
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="chatlab-files")

    def statistics(self) -> dict[str, FileIO]:
        """What each file has cost since the start."""
        return self.disk.statistics()

    async def names(self) -> list[str]:
        """The files in the folder, sorted."""
        return await self.work("list", FOLDER, self.disk.names)

    async def read(self, name: str) -> bytes:
        """The whole content of a file."""
        return await self.work("read", name, self.disk.read, name)

    async def write(self, name: str, data: bytes, *, fsync: bool = False, like: str = "") -> None:
        """Make a file hold just `data`: opened, cut to nothing, written.

        A crash half-way leaves a torn file. With `fsync`, the data are on the disk on return. A new
        temporary file has the mode and the owner of `like`, or of the file that it will replace.
        """
        await self.work("write", name, self.disk.write, name, data, fsync=fsync, like=like)

    async def append(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Add `data` to the end of a file; with `fsync`, they are on the disk on return."""
        await self.work("append to", name, self.disk.append, name, data, fsync=fsync)

    async def open_log(self, name: str) -> LogFile:
        """A file to append to again and again; made if there is none."""
        opened = await self.work("open", name, self.disk.open, name)
        return LogFile(self, opened)

    async def rename(self, source: str, target: str) -> None:
        """Give a file another name; readers of `target` see the old file or the new, never half."""
        await self.work("rename", source, self.disk.rename, source, target)

    async def remove(self, name: str) -> None:
        """Remove a file."""
        await self.work("remove", name, self.disk.remove, name)

    async def fsync_folder(self) -> None:
        """Put the folder itself on the disk, without which a power cut can undo a rename."""
        await self.work("fsync", FOLDER, self.disk.fsync_folder)

    async def work(
        self, operation: str, name: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a function that waits for the disk: one of those above, or a database's.

        Args:
            operation, name: what the error says if it fails.
            function: may raise `OSError`; the caller handles anything else.
        """
        try:
            return await self.perform(partial(function, *args, **kwargs))
        except OSError as error:
            raise StorageError.from_os(operation, name, error) from error

    async def perform(self, call: Callable[[], R]) -> R:
        """Run a call that waits for the disk, and return what it returns: here in a thread."""
        return await to_the_end(asyncio.get_running_loop().run_in_executor(self._threads, call))

    def close(self) -> None:
        """End the threads, once they have finished their work."""
        self._threads.shutdown(wait=True)


class LogFile:
    """A file that stays open, to be appended to.

    Attributes:
        size: bytes; after a failed append, with the part of it that is in the file.
    """

    def __init__(self, files: Files, opened: OpenFile) -> None:
        self._files = files
        self._opened = opened

    @property
    def size(self) -> int:
        return self._opened.size

    async def append(self, data: bytes, *, fsync: bool = False) -> None:
        """Add `data` to the end; with `fsync`, they are on the disk on return.

        When it fails, a part of `data` may be in the file: `cut` it off again.
        """
        await self._files.work("append to", self._opened.name, self._append, data, fsync)

    async def cut(self, size: int) -> None:
        """Cut off everything after `size` bytes, and put that on the disk."""
        await self._files.work("cut", self._opened.name, self._cut, size)

    async def close(self) -> None:
        """Close the file."""
        await self._files.work("close", self._opened.name, self._opened.close)

    def _append(self, data: bytes, fsync: bool) -> None:
        self._opened.append(data)
        if fsync:
            self._opened.fdatasync()

    def _cut(self, size: int) -> None:
        self._opened.truncate(size)
        self._opened.fsync()


async def to_the_end(work: Awaitable[R]) -> R:
    """Wait for work that cannot be stopped, even when the waiting task is cancelled."""
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # retrieved, so that asyncio does not report it as lost
        raise cancelled
    return future.result()
