"""The disk, one operation at a time: the only place that opens data files, and it counts them.

Owns opening, reading, writing, appending, cutting, syncing and renaming files in one data folder,
and the one vocabulary in which chatlab speaks of I/O:

    reads          a file, or a part of it, was read
    writes         a file was replaced, appended to, or (by a database) written to at some place
    fsyncs         the operating system was told to put a file (or the folder) on the disk, and did
    bytes_read, bytes_written

Everything here waits for the disk. `files.py` is what the parts use: the same, off the event loop.
Whoever wants a slow disk, a broken one or a record of all that happens puts a `Condition` between.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, NamedTuple, Protocol, Self

import msgspec

TEMPORARY_SUFFIX = ".tmp"
"""A file with this ending is counted under the name of the file that it is about to replace."""

FOLDER = "(folder)"
"""The name under which a sync of the data folder itself is counted."""

Kind = Literal["read", "write", "truncate", "fsync", "rename", "remove"]


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
        return FileIO(  # written out, because it is done for each operation
            self.reads + other.reads,
            self.writes + other.writes,
            self.fsyncs + other.fsyncs,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )

    def __sub__(self, other: FileIO) -> FileIO:
        return FileIO(*(a - b for a, b in zip(_values(self), _values(other), strict=True)))


class Operation(NamedTuple):
    """One thing asked of the disk.

    Attributes:
        kind: what; a `truncate` cuts the file off at `offset`, and makes it if there is none.
        name: of which file; `FOLDER` for a sync of the folder.
        offset: bytes; where a write goes, or where a file is cut off.
        data: of a write.
        target: of a rename.
    """

    kind: Kind
    name: str
    offset: int = 0
    data: bytes = b""
    target: str = ""


class Condition(Protocol):
    """Stands between the parts and the disk; called in the thread that does the work."""

    def before(self, operation: Operation) -> int | None:
        """Hear of an operation, and perhaps take time, or refuse it.

        Returns how many bytes of a write still fit on a disk that is full; None if all do.

        Raises:
            OSError: the operation does not happen.
        """

    def after(self, operation: Operation) -> None:
        """Hear that it was done."""


class Disk:
    """The files of one data folder.

    Args:
        folder: where they lie; must exist.
        conditions: what stands in between, the first asked first.

    Every method raises `OSError` when the operating system, or a condition, says no.
    """

    def __init__(self, folder: Path, conditions: Sequence[Condition] = ()) -> None:
        self.folder = folder
        self._conditions = tuple(conditions)
        self._counts: dict[str, FileIO] = {}
        self._counts_lock = threading.Lock()

    def statistics(self) -> dict[str, FileIO]:
        """What each file has cost since the start."""
        with self._counts_lock:
            return dict(self._counts)

    def names(self) -> list[str]:
        """The files that there are."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    def read(self, name: str) -> bytes:
        """The whole content of a file."""
        return self.read_part(name, 0, None)

    def read_part(self, name: str, offset: int, size: int | None) -> bytes:
        """Up to `size` bytes of a file from `offset` on; all of them if None."""
        with _Doing(self, Operation("read", name)), (self.folder / name).open("rb") as file:
            if offset:
                file.seek(offset)
            data = file.read() if size is None else file.read(size)
        self.count(name, FileIO(reads=1, bytes_read=len(data)))
        return data

    def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Make a file hold just `data`: opened, cut to nothing, written."""
        with _Doing(self, Operation("truncate", name)):
            file = (self.folder / name).open("wb", buffering=0)
        with OpenFile(self, name, file, 0) as opened:
            opened.append(data)
            if fsync:
                opened.fsync()

    def append(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Add `data` to the end of a file."""
        with self.open(name) as opened:
            opened.append(data)
            if fsync:
                opened.fsync()

    def open(self, name: str) -> OpenFile:
        """A file to append to, more than once; made if there is none."""
        file = (self.folder / name).open("ab", buffering=0)
        return OpenFile(self, name, file, file.tell())

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, in place of whatever has it."""
        with _Doing(self, Operation("rename", source, target=target)):
            os.replace(self.folder / source, self.folder / target)  # noqa: PTH105

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _Doing(self, Operation("remove", name)):
            (self.folder / name).unlink()

    def fsync_folder(self) -> None:
        """Put the folder itself on the disk, without which a power cut can undo a rename."""
        if os.name == "nt":
            return  # Windows cannot sync a folder; NTFS journals its own renames.
        with _Doing(self, Operation("fsync", FOLDER)):
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                full_sync(descriptor)
            finally:
                os.close(descriptor)
        self.count(FOLDER, FileIO(fsyncs=1))

    def count(self, name: str, what: FileIO) -> None:
        """Add to what a file has cost."""
        name = name.removesuffix(TEMPORARY_SUFFIX)
        with self._counts_lock:
            self._counts[name] = self._counts.get(name, FileIO()) + what

    def before(self, operation: Operation) -> int | None:
        """Ask every condition; see there."""
        fits = [condition.before(operation) for condition in self._conditions]
        return min((size for size in fits if size is not None), default=None)

    def after(self, operation: Operation) -> None:
        """Tell every condition."""
        for condition in self._conditions:
            condition.after(operation)


class OpenFile:
    """A file that is open for appending, and knows its size; a context manager that closes it."""

    def __init__(self, disk: Disk, name: str, file: BinaryIO, size: int) -> None:
        self.name = name
        self.size = size
        self._disk = disk
        self._file = file

    def append(self, data: bytes) -> None:
        """Add to the end. When it fails half-way, a part of `data` may be in the file."""
        operation = Operation("write", self.name, self.size, data)
        fits = self._disk.before(operation)
        if fits is not None and fits < len(data):
            part = data[:fits]
            self._write(part)
            self._disk.after(operation._replace(data=part))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._write(data)
        self._disk.after(operation)
        self._disk.count(self.name, FileIO(writes=1, bytes_written=len(data)))

    def fsync(self) -> None:
        """Put the file on the disk, with all that is needed to find it again."""
        with _Doing(self._disk, Operation("fsync", self.name)):
            full_sync(self._file.fileno())
        self._disk.count(self.name, FileIO(fsyncs=1))

    def fdatasync(self) -> None:
        """Put its data on the disk, without such things as its time stamp, where that is possible.

        The new size of a file that has grown is among what is put there (POSIX, fdatasync).
        """
        with _Doing(self._disk, Operation("fsync", self.name)):
            if hasattr(os, "fdatasync"):
                os.fdatasync(self._file.fileno())
            else:
                full_sync(self._file.fileno())
        self._disk.count(self.name, FileIO(fsyncs=1))

    def truncate(self, size: int) -> None:
        """Cut it off after `size` bytes."""
        with _Doing(self._disk, Operation("truncate", self.name, size)):
            self._file.truncate(size)
        self.size = size

    def close(self) -> None:
        """Let go of it. Says nothing of what is on the disk."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        # Unbuffered: what is counted is what was handed over, and no error can hide in a close.
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self.size += written
            rest = rest[written:]


class _Doing:
    """Asks the conditions before an operation, and tells them after it has succeeded."""

    def __init__(self, disk: Disk, operation: Operation) -> None:
        self._disk = disk
        self._operation = operation

    def __enter__(self) -> None:
        self._disk.before(self._operation)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._disk.after(self._operation)


def full_sync(descriptor: int) -> None:
    """fsync, in earnest: on macOS, fsync alone leaves the data in the drive's cache (fsync(2))."""
    try:
        import fcntl

        f_fullfsync = fcntl.F_FULLFSYNC  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, AttributeError):
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, f_fullfsync)


def _values(counts: FileIO) -> tuple[int, ...]:
    return msgspec.structs.astuple(counts)
