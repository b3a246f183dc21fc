"""The disk, one operation at a time: the only place that opens data files, and it counts them.

Owns opening, reading, writing, appending, cutting, syncing and renaming files in one data folder,
and the one vocabulary in which chatlab speaks of I/O:

    reads          a file, or a part of it, was read
    writes         a file was replaced, appended to, or (by a database) written to at some place
    fsyncs         the operating system was told to put a file (or the folder) on the disk, and did
    bytes_read, bytes_written

Everything here waits for the disk. `files.py` is what the parts use: the same, off the event loop.
A slow disk, a failing one and a record of all that happens are each a `Condition` in between.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol, Self, get_args

import msgspec

from chatlab.disk import replacement
from chatlab.disk.kept import KeptFiles
from chatlab.disk.replacement import TEMPORARY_SUFFIX as TEMPORARY_SUFFIX

FOLDER = "(folder)"
"""The name under which a sync of the data folder itself is counted."""

OperationKind = Literal["read", "write", "truncate", "fsync", "rename", "remove"]
KINDS: tuple[OperationKind, ...] = get_args(OperationKind)


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
        mine, its = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return FileIO(*(a - b for a, b in zip(mine, its, strict=True)))


class Operation(NamedTuple):
    """One thing asked of the disk.

    Attributes:
        kind: what; a `truncate` cuts the file off at `offset`, and makes it if there is none.
        name: of which file; `FOLDER` for a sync of the folder.
        offset: bytes; where a write goes, or where a file is cut off.
        data: of a write.
        target: of a rename.
    """

    kind: OperationKind
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
        """Hear that it succeeded."""


class Disk:
    """The files of one data folder.

    Args:
        folder: where they lie; must exist.
        conditions: what stands in between, the first asked first.
        kept: what must stay as it is; looked at before every change. None where nobody minds.

    Every method raises `OSError` when the operating system, or a condition, says no.
    """

    def __init__(
        self, folder: Path, conditions: Sequence[Condition] = (), kept: KeptFiles | None = None
    ) -> None:
        self.folder = folder
        self.kept = kept
        self._conditions = tuple(conditions)
        self._counts: dict[str, FileIO] = {}
        self._counts_lock = threading.Lock()
        self._renamed_in: set[Path] = set()  # other folders, which links lead to

    def statistics(self) -> dict[str, FileIO]:
        """What each file has cost since the start."""
        with self._counts_lock:
            return dict(self._counts)

    def names(self) -> list[str]:
        """The files in the folder, sorted."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    def size(self, name: str) -> int:
        """Bytes of a file; not counted, as nothing of it is read."""
        return (self.folder / name).stat().st_size

    def read(self, name: str) -> bytes:
        """The whole content of a file."""
        return self.read_part(name, 0, None)

    def read_part(self, name: str, offset: int, size: int | None) -> bytes:
        """Up to `size` bytes of a file from `offset` on; all of them if None."""
        with self.doing(Operation("read", name)):
            data = self._read(name, offset, size)
        self.count(name, FileIO(reads=1, bytes_read=len(data)))
        return data

    def write(self, name: str, data: bytes, *, fsync: bool = False, like: str | Path = "") -> None:
        """Make a file hold just `data`: opened, cut to nothing, written.

        Args:
            like: the file whose mode and owner a new one gets, if that exists. A temporary file is
                like the one that it is about to replace.
        """
        with self.doing(Operation("truncate", name)):
            opened = self._open(name, cut=True, like=like)
        with opened:
            opened.append(data)
            if fsync:
                opened.fsync()

    def append(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Add `data` to the end of a file."""
        with self._open(name) as opened:
            opened.append(data)
            if fsync:
                opened.fsync()

    def replace(self, name: str, data: bytes, *, like: str | Path = "") -> None:
        """Replace a file in one step; a crash leaves the old content or the new one, on the disk.

        Safe also when several processes replace the file at once. When it fails before the last
        step, the old content is still there. What it keeps of the old file: `replacement.py`.

        Args:
            like: as for `write`.
        """
        temporary = f"{name}.{os.getpid()}{TEMPORARY_SUFFIX}"
        try:
            self.write(temporary, data, fsync=True, like=like)
            self.rename(temporary, name)
        except OSError:
            with suppress(OSError):  # the first error is the one to report
                self.remove(temporary)
            raise
        self.fsync_folder()

    def open(self, name: str) -> OpenFile:
        """A file to append to, more than once; made if there is none. It must stay: see `keep`."""
        opened = self._open(name)
        self.keep(name)
        return opened

    def keep(self, name: str) -> None:
        """A file on which others depend: while it is missing, nothing can be changed."""
        if self.kept is not None:
            self.kept.keep(name)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, in place of the file that has it."""
        with self.doing(Operation("rename", source, target=target)):
            kept = self._forget(source, target)
            self._rename(source, target)
        if kept:
            self.keep(target)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self.doing(Operation("remove", name)):
            self._forget(name)
            self._remove(name)

    def fsync_folder(self) -> None:
        """Put the folder itself on the disk, without which a power cut can undo a rename."""
        if self._folder_syncs:
            with self.doing(Operation("fsync", FOLDER)):
                self._fsync_folder()
            self.count(FOLDER, FileIO(fsyncs=1))

    def count(self, name: str, what: FileIO) -> None:
        """Add to what a file has cost."""
        name = name.removesuffix(TEMPORARY_SUFFIX)
        with self._counts_lock:
            self._counts[name] = self._counts.get(name, FileIO()) + what

    @contextmanager
    def doing(self, operation: Operation) -> Iterator[Operation]:
        """Ask the conditions before an operation, and tell them once it has succeeded.

        Gives the operation to carry out; see `asked`.
        """
        if self.kept is not None and operation.kind not in ("read", "fsync"):
            self.kept.check()
        operation = self.asked(operation)
        try:
            yield operation
        except FileNotFoundError as error:
            if self.kept is not None and (lost := self.kept.trouble()):
                raise OSError(errno.ESTALE, lost) from error
            raise
        self.after(operation)

    def asked(self, operation: Operation) -> Operation:
        """Ask every condition; returns the operation, of a write on a full disk what fits."""
        fits = [condition.before(operation) for condition in self._conditions]
        least = min((size for size in fits if size is not None), default=None)
        return operation if least is None else operation._replace(data=operation.data[:least])

    def after(self, operation: Operation) -> None:
        """Tell every condition."""
        for condition in self._conditions:
            condition.after(operation)

    def _forget(self, *names: str) -> bool:
        """Whether any of these files had to stay; now they may go."""
        had_to = [name for name in names if self.kept is not None and self.kept.forget(name)]
        return bool(had_to)

    # The system calls, which a disk in memory replaces.

    _folder_syncs = os.name != "nt"  # Windows cannot sync a folder; NTFS journals its own renames.

    def _read(self, name: str, offset: int, size: int | None) -> bytes:
        # Unbuffered: a buffer would read more than was asked for, and more than is counted.
        with self._place(name).open("rb", buffering=0) as file:
            if offset:
                file.seek(offset)
            return file.read() if size is None else file.read(size)

    def _open(self, name: str, *, cut: bool = False, like: str | Path = "") -> OpenFile:
        path, replaced = self._place(name), replacement.replaced_by(name)
        if cut and (like or replaced != name):
            file = replacement.create(path, self.folder / (like or replaced))
        else:
            file = path.open("wb" if cut else "ab", buffering=0)
        return OpenFile(self, name, file, 0 if cut else file.tell())

    def _rename(self, source: str, target: str) -> None:
        moved = replacement.move(self._place(source), self.folder / target)
        if moved != self.folder / target:
            self._renamed_in.add(moved.parent)

    def _remove(self, name: str) -> None:
        self._place(name).unlink()

    def _fsync_folder(self) -> None:
        # What links point to may lie elsewhere, and was renamed there.
        for folder in {self.folder, *self._renamed_in}:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                full_sync(descriptor)
            finally:
                os.close(descriptor)

    def _place(self, name: str) -> Path:
        return replacement.place(self.folder, name)


class OpenFile:
    """A file that is open for appending, and knows its size; a context manager that closes it."""

    def __init__(self, disk: Disk, name: str, file: BinaryIO, size: int) -> None:
        self.name = name
        self.size = size
        self._disk = disk
        self._file = file

    def append(self, data: bytes) -> None:
        """Add to the end. When it fails half-way, a part of `data` may be in the file."""
        with self._disk.doing(Operation("write", self.name, self.size, data)) as done:
            self._write(done.data)
        if len(done.data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._disk.count(self.name, FileIO(writes=1, bytes_written=len(data)))

    def fsync(self) -> None:
        """Put the file on the disk, with all that is needed to find it again."""
        self._synced(data_only=False)

    def fdatasync(self) -> None:
        """Put its data on the disk, without such things as its time stamp, where that is possible.

        The new size of a file that has grown is among what is put there (POSIX, fdatasync).
        """
        self._synced(data_only=True)

    def truncate(self, size: int) -> None:
        """Cut it off after `size` bytes."""
        with self._disk.doing(Operation("truncate", self.name, size)):
            self._truncate(size)
        self.size = size

    def close(self) -> None:
        """Close it. Says nothing about what is on the disk."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _synced(self, *, data_only: bool) -> None:
        with self._disk.doing(Operation("fsync", self.name)):
            self._sync(data_only)
        self._disk.count(self.name, FileIO(fsyncs=1))

    def _sync(self, data_only: bool) -> None:
        if self._disk.kept is not None:
            self._disk.kept.check_open(self.name, self._file.fileno(), self.size)
        if data_only and hasattr(os, "fdatasync"):
            os.fdatasync(self._file.fileno())
        else:
            full_sync(self._file.fileno())

    def _truncate(self, size: int) -> None:
        if self._disk.kept is not None:  # a file that another has cut must not be filled with zeros
            found = os.fstat(self._file.fileno()).st_size
            self._disk.kept.check_size(self.name, min(found, size), size)
        self._file.truncate(size)

    def _write(self, data: bytes) -> None:
        # Unbuffered: what is counted is what was handed over, and no error can hide in a close.
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self.size += written
            rest = rest[written:]


def full_sync(descriptor: int) -> None:
    """fsync, in earnest: on macOS, fsync alone leaves the data in the drive's cache (fsync(2))."""
    try:
        import fcntl

        f_fullfsync = fcntl.F_FULLFSYNC  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, AttributeError):
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, f_fullfsync)
