"""SQLite's files, on the one disk: what a database reads, writes and syncs is counted as well.

SQLite asks the operating system through a small table of functions, its VFS. This one passes every
call on to SQLite's own, asks the disk's conditions before it, and counts it after. So a slow disk,
a failing one and a record of all that happens work for a database as for any other file.

Refuses to know what is in the files. The store above is `chat/parts/store/sqlite.py`. What each
function must do stands in https://sqlite.org/c3ref/io_methods.html and
https://sqlite.org/c3ref/vfs.html.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import apsw

from chatlab.disk.counted import FOLDER, Disk, FileIO, Operation

_NUMBERS = count(1)
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_FOLDERS_SYNC = os.name != "nt"


class SqliteFiles(apsw.VFS):
    """Opens SQLite's files in a data folder; SQLite knows it by its `name` until `unregister`.

    Args:
        disk: asked before each operation, and told after it.

    Attributes:
        name: to open a connection with.
        trouble: what the system, or a condition, last refused; set it to None before looking.
            SQLite itself passes on no more than a number.
    """

    def __init__(self, disk: Disk) -> None:
        self.name = f"chatlab-{next(_NUMBERS)}"
        self.disk = disk
        self.trouble: OSError | None = None
        self._refused: apsw.Error | None = None  # by a condition, last
        super().__init__(self.name, "", maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if name is None:
            return apsw.VFSFile("", name, flags)  # a temporary file: not part of the data folder
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        if path.exists():
            opened = _DatabaseFile(self, path.name, name, flags)
        else:
            with self.doing(Operation("truncate", path.name), apsw.SQLITE_CANTOPEN):
                opened = _DatabaseFile(self, path.name, name, flags)
        if flags[0] & (apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL):
            self.disk.keep(path.name)
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:
        name = Path(filename).name
        with self.doing(Operation("remove", name), apsw.SQLITE_IOERR_DELETE):
            if self.disk.kept is not None:
                self.disk.kept.forget(name)
            super().xDelete(filename, False)
        if syncdir:
            try:
                self.disk.fsync_folder()
            except OSError as error:
                raise self.refusal(error, apsw.SQLITE_IOERR_DIR_FSYNC) from error

    @contextmanager
    def doing(self, operation: Operation, code: int) -> Iterator[Operation]:
        """Ask the conditions before an operation, and tell them once it has succeeded.

        Gives the operation to carry out: on a full disk, with the data that fit.

        Raises:
            apsw.Error: with this code, if a condition refuses.
        """
        try:
            if self.disk.kept is not None and operation.kind not in ("read", "write"):
                self.disk.kept.check()  # a save syncs; a look before each page would cost too much
            operation = self.disk.asked(operation)
        except OSError as error:
            raise self.refusal(error, code) from error
        try:
            yield operation
        except apsw.Error as error:
            if error is not self._refused:  # the system has, and still knows why
                number, _ = self.xGetLastError()
                self.trouble = OSError(number, os.strerror(number)) if number else None
            raise
        self.disk.after(operation)

    def refusal(self, error: OSError, code: int) -> apsw.Error:
        """What to raise, so that SQLite acts as if the system had refused."""
        self.trouble = error
        if error.errno == errno.ENOSPC and code == apsw.SQLITE_IOERR_WRITE:
            return apsw.FullError(str(error))
        refused = apsw.exception_for(code)
        assert isinstance(refused, apsw.Error)
        refused.args = (str(error),)
        self._refused = refused
        return refused


class _DatabaseFile(apsw.VFSFile):
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
        self._size = super().xFileSize()  # as far as this process knows
        self._looked = False  # at the size, since the last sync

    def xRead(self, amount: int, offset: int) -> bytes:
        with self._files.doing(Operation("read", self._name), apsw.SQLITE_IOERR_READ):
            data = super().xRead(amount, offset)
        # A short read loses the zeros at its end on the way to here: the file knows how many.
        size = len(data)
        if size < amount:
            size = min(amount, max(0, super().xFileSize() - offset))
        self._disk.count(self._name, FileIO(reads=1, bytes_read=size))
        return data

    def xWrite(self, data: bytes, offset: int) -> None:
        code = apsw.SQLITE_IOERR_WRITE
        if not self._looked:
            self._check_size()
        with self._files.doing(Operation("write", self._name, offset, data), code) as done:
            super().xWrite(done.data, offset)
        self._size = max(self._size, offset + len(done.data))
        if len(done.data) < len(data):
            no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self._files.refusal(no_space, code)
        self._disk.count(self._name, FileIO(writes=1, bytes_written=len(data)))

    def xSync(self, flags: int) -> None:
        names = [FOLDER, self._name] if self._folder_too else [self._name]
        with ExitStack() as all_of_them:
            for name in names:
                operation = Operation("fsync", name)
                all_of_them.enter_context(self._files.doing(operation, apsw.SQLITE_IOERR_FSYNC))
            super().xSync(flags)
        self._folder_too, self._looked = False, False
        for name in names:
            self._disk.count(name, FileIO(fsyncs=1))

    def xTruncate(self, newsize: int) -> None:
        operation = Operation("truncate", self._name, newsize)
        with self._files.doing(operation, apsw.SQLITE_IOERR_TRUNCATE):
            super().xTruncate(newsize)
        self._size = newsize

    def _check_size(self) -> None:
        """Another program may have cut it: what is written now would leave a hole before it."""
        if self._disk.kept is not None:
            found = min(super().xFileSize(), self._size)
            try:
                self._disk.kept.check_size(self._name, found, self._size)
            except OSError as error:
                raise self._files.refusal(error, apsw.SQLITE_IOERR_WRITE) from error
        self._looked = True
