"""SQLite's files, on the one disk: what a database reads, writes and syncs is counted as well.

SQLite asks the operating system through a small table of functions, its VFS. This one passes every
call on to SQLite's own, asks the disk's conditions before it, and counts it after. So a slow disk,
a broken one and a record of all that happens work for a database as for any other file.

Refuses to know what is in the files. The store above is `stores/sqlite.py`. What each function has
to do stands in https://sqlite.org/c3ref/io_methods.html and https://sqlite.org/c3ref/vfs.html.
"""

from __future__ import annotations

import errno
import os
from itertools import count
from pathlib import Path

import apsw

from chatlab.disk.counted import FOLDER, Disk, FileIO, Operation

_NUMBERS = count(1)
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_FOLDERS_SYNC = os.name != "nt"

READ_ERROR = apsw.SQLITE_IOERR_READ
WRITE_ERROR = apsw.SQLITE_IOERR_WRITE
SYNC_ERROR = apsw.SQLITE_IOERR_FSYNC
TRUNCATE_ERROR = apsw.SQLITE_IOERR_TRUNCATE
REMOVE_ERROR = apsw.SQLITE_IOERR_DELETE


class SqliteFiles(apsw.VFS):
    """Opens SQLite's files in a data folder; SQLite knows it by its `name` until `unregister`.

    Args:
        disk: asked before each operation, and told after it.

    Attributes:
        name: to open a connection with.
        trouble: what the system, or a condition, last refused; None it back before looking. SQLite
            itself passes on no more than a number.
    """

    def __init__(self, disk: Disk) -> None:
        self.name = f"chatlab-{next(_NUMBERS)}"
        self.disk = disk
        self.trouble: OSError | None = None
        super().__init__(self.name, "", maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if name is None:
            return apsw.VFSFile("", name, flags)  # a temporary file: no part of the data folder
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if path.exists():
            return _File(self, path.name, name, flags)
        made = Operation("truncate", path.name)
        self.before(made, apsw.SQLITE_CANTOPEN)
        file = _File(self, path.name, name, flags)
        self.disk.after(made)
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        removed = Operation("remove", Path(filename).name)
        self.before(removed, REMOVE_ERROR)
        super().xDelete(filename, False)
        self.disk.after(removed)
        if syncdir:
            try:
                self.disk.fsync_folder()
            except OSError as error:
                raise self.refusal(error, apsw.SQLITE_IOERR_DIR_FSYNC) from error

    def before(self, operation: Operation, code: int) -> int | None:
        """Ask the conditions; see there.

        Raises:
            apsw.Error: with this code, if a condition refuses.
        """
        try:
            return self.disk.before(operation)
        except OSError as error:
            raise self.refusal(error, code) from error

    def refusal(self, error: OSError, code: int) -> apsw.Error:
        """What to raise, so that SQLite does as if the system had refused."""
        self.trouble = error
        if error.errno == errno.ENOSPC and code == WRITE_ERROR:
            return apsw.FullError(str(error))
        told = apsw.exception_for(code)
        assert isinstance(told, apsw.Error)
        told.args = (str(error),)
        return told

    def remember(self) -> None:
        """Keep why the system itself has just refused, while it still knows."""
        number, _ = self.xGetLastError()
        self.trouble = OSError(number, os.strerror(number)) if number else None


class _File(apsw.VFSFile):
    """An open file of a database: the database itself, its log, or its rollback journal.

    Args:
        files: which has opened it.
        name: in the data folder.
        full_name, flags: from SQLite.
    """

    def __init__(
        self,
        files: SqliteFiles,
        name: str,
        full_name: str | apsw.URIFilename,
        flags: list[int],
    ) -> None:
        super().__init__("", full_name, flags)
        self._files = files
        self._disk = files.disk
        self._name = name
        # SQLite syncs the folder, too, when it first syncs a log (os_unix.c, UNIXFILE_DIRSYNC).
        asked = flags[0]
        creates = bool(asked & _JOURNALS and asked & apsw.SQLITE_OPEN_CREATE)
        self._folder_too = creates and _FOLDERS_SYNC

    def xRead(self, amount: int, offset: int) -> bytes:
        operation = Operation("read", self._name)
        self._files.before(operation, READ_ERROR)
        try:
            data = super().xRead(amount, offset)
        except apsw.Error:
            self._files.remember()
            raise
        self._disk.after(operation)
        # A short read loses the zeros at its end on the way to here: the file knows how many.
        size = len(data)
        if size < amount:
            size = min(amount, max(0, super().xFileSize() - offset))
        self._disk.count(self._name, FileIO(reads=1, bytes_read=size))
        return data

    def xWrite(self, data: bytes, offset: int) -> None:
        operation = Operation("write", self._name, offset, data)
        fits = self._files.before(operation, WRITE_ERROR)
        full = fits is not None and fits < len(data)
        if full:
            data = data[:fits]
            operation = operation._replace(data=data)
        try:
            super().xWrite(data, offset)
        except apsw.Error:
            self._files.remember()
            raise
        self._disk.after(operation)
        if full:
            no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self._files.refusal(no_space, WRITE_ERROR)
        self._disk.count(self._name, FileIO(writes=1, bytes_written=len(data)))

    def xSync(self, flags: int) -> None:
        names = [self._name, FOLDER] if self._folder_too else [self._name]
        operations = [Operation("fsync", name) for name in names]
        for operation in operations:
            self._files.before(operation, SYNC_ERROR)
        try:
            super().xSync(flags)
        except apsw.Error:
            self._files.remember()
            raise
        self._folder_too = False
        for operation in operations:
            self._disk.after(operation)
            self._disk.count(operation.name, FileIO(fsyncs=1))

    def xTruncate(self, newsize: int) -> None:
        operation = Operation("truncate", self._name, newsize)
        self._files.before(operation, TRUNCATE_ERROR)
        try:
            super().xTruncate(newsize)
        except apsw.Error:
            self._files.remember()
            raise
        self._disk.after(operation)
