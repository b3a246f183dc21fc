"""The database of messages: its table, its statements, and SQLite's errors in plain words.

Owns the connection. Everything here waits for the disk; `chat/parts/store/sqlite.py` is what a
server uses: the same, off the event loop. `sqlite_files.py` counts what reaches the disk.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

import apsw
import msgspec

from chatlab.data.records import FILL_AT_ONCE, Message
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.counted import TEMPORARY_SUFFIX, Disk
from chatlab.errors import CorruptFile, StorageError

NAME = "messages.sqlite"
LOG = NAME + "-wal"
SIDE_FILES = (LOG, NAME + "-journal")
"""They belong to a database and must never meet another one: SQLite would carry them into it."""
FILLING = NAME + TEMPORARY_SUFFIX
"""The name of a new database until it is full; an interrupted one is begun anew."""

APPLICATION = 0x6368_6C62
"""Says in the file whose database it is: "chlb" (https://sqlite.org/pragma.html#application_id)."""
VERSION = 1

TABLE = """
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,  -- in the order of saving
    id TEXT NOT NULL UNIQUE,
    room_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    content TEXT NOT NULL,
    timestamp TEXT NOT NULL
)"""
INDEX = "CREATE INDEX room_and_time ON messages (room_id, seq)"

INSERT = """
INSERT OR IGNORE INTO messages (id, room_id, sender, content, timestamp) VALUES (?, ?, ?, ?, ?)"""
ROWS_AT_ONCE = (100, 10, 1)
_INSERTS = [(rows, INSERT + ", (?, ?, ?, ?, ?)" * (rows - 1)) for rows in ROWS_AT_ONCE]

HISTORY = """
SELECT id, room_id, sender, content, timestamp FROM messages
WHERE room_id = ? ORDER BY seq DESC LIMIT ?"""

ALL = "SELECT id, room_id, sender, content, timestamp FROM messages ORDER BY seq"
COPY_TRIES = 10
LOG_HEADER_BYTES = 32

LOG_PAGES_MAX = 2_000
"""Pages of 4 KiB in the log at which a checkpoint carries it into the database."""
PAGE_BYTES = 4_096
CACHE_BYTES = 8 * 1024 * 1024
BUSY_MS = 2_000
"""How long to wait for another program that reads the database, in milliseconds."""

SETTINGS = {
    # One server a folder: the index of the log may lie in its memory, not in a shared file. This
    # must come first, before anything is read.
    "locking_mode": "EXCLUSIVE",
    "page_size": PAGE_BYTES,
    "cache_size": -CACHE_BYTES // 1024,
    "mmap_size": 0,  # what SQLite reads past the VFS is not counted
    "temp_store": 2,  # in memory
    "synchronous": "FULL",
    # On macOS, fsync alone leaves the data in the drive's cache; elsewhere, these do nothing.
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
}


class Database:
    """The connection to a database; called by one thread at a time.

    Args:
        disk: with its folder.
        name: of the file there; made if there is none.

    Everything raises `StorageError`, with the system's reason.
    """

    def __init__(self, disk: Disk, name: str = NAME) -> None:
        self._disk = disk
        self._name = name
        self._vfs = SqliteFiles(disk)
        self._log_pages = 0
        self._had_log = name + "-wal" in disk.names()
        with self._storage_errors("open"):
            self._connection = apsw.Connection(str(disk.folder / name), vfs=self._vfs.name)
        # Nobody but this process has it open; until it is known to be whole, not even closing it
        # may change it.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.set_busy_timeout(BUSY_MS)
        self._execute: Callable[..., apsw.Cursor] = self._connection.execute

    @classmethod
    def opened(cls, disk: Disk) -> Database:
        """The database of a folder, ready for use.

        Raises:
            CorruptFile: it is damaged, or not a database of messages; it was not changed.
        """
        database = cls(disk)
        try:
            database._begin_work()
        except BaseException:
            database._abandon()
            raise
        return database

    @classmethod
    def fill_new(cls, disk: Disk, messages: Iterable[Message]) -> int:
        """Make the database `FILLING`, with these messages, and put it on the disk.

        Returns how many it holds: those with an id of their own.
        """
        database, rest = cls(disk, FILLING), iter(messages)
        execute, pragma = database._execute, database._connection.pragma
        try:
            with database._storage_errors("write"):
                # No rollback journal: if this is interrupted, the file is thrown away.
                for name, value in (SETTINGS | {"journal_mode": "OFF"}).items():
                    pragma(name, value)
                for statement in ("BEGIN IMMEDIATE", TABLE, INDEX):
                    execute(statement)
                while part := list(islice(rest, FILL_AT_ONCE)):
                    database.insert(part)
                pragma("application_id", APPLICATION)
                pragma("user_version", VERSION)
                kept: int = execute("SELECT count(*) FROM messages").get
                execute("COMMIT")
            database.close()
        except BaseException:
            database._abandon()
            raise
        return kept

    def insert(self, messages: Sequence[Message]) -> None:
        """Add those whose id is new, in this order. One statement a row would be slower under
        load: for each, SQLite releases Python's lock, and then waits its turn to get it back."""
        begin = 0
        for rows, statement in _INSERTS:
            while len(messages) - begin >= rows:
                some = messages[begin : begin + rows]
                values = tuple(chain.from_iterable(map(msgspec.structs.astuple, some)))
                self._execute(statement, values)
                begin += rows

    def save(self, batch: Sequence[Message], log_pages_max: int = LOG_PAGES_MAX) -> None:
        """Keep a batch: all of it is on the disk on return, or none if it fails.

        The checkpoint comes before the transaction, not after it as SQLite's own: when it fails,
        nothing has been saved, as the error says.
        """
        with self._storage_errors("write"):
            if self._log_pages >= log_pages_max:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._log_pages = 0
            with self._connection:  # a transaction: committed at the end, undone by an error
                self.insert(batch)

    def history(self, room_id: str, limit: int) -> list[Message]:
        """The last messages of a room, oldest first."""
        with self._storage_errors("read"):
            rows = self._execute(HISTORY, (room_id, limit)).fetchall()
        return [Message(*row) for row in reversed(rows)]

    def close(self) -> None:
        """Carry the log into the database, if the disk lets us, and close both.

        If it does not, nothing is lost: all that was saved is in the log, where a start finds it.
        """
        with self._storage_errors("close"):
            try:
                with suppress(apsw.IOError, apsw.FullError):
                    self._connection.close()
            finally:
                self._vfs.unregister()

    def _begin_work(self) -> None:
        with self._storage_errors("open"):
            for name, value in SETTINGS.items():
                self._connection.pragma(name, value)
            # Reads the whole file: half a second for a million messages.
            check(self._connection, self._name, "quick_check")
            self._connection.pragma("journal_mode", "WAL")
            self._connection.set_wal_hook(self._committed)  # instead of SQLite's own checkpoints
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)

    def _committed(self, _connection: apsw.Connection, _schema: str, log_pages: int) -> int:
        self._log_pages = log_pages
        return apsw.SQLITE_OK

    def _abandon(self) -> None:
        """Close a database that cannot be used, and leave it as it was."""
        with suppress(apsw.Error, OSError):  # the caller raises what went wrong
            self._connection.close()
            log = self._name + "-wal"
            if not self._had_log and log in self._disk.names() and not self._disk.size(log):
                self._disk.remove(log)
        self._vfs.unregister()

    @contextmanager
    def _storage_errors(self, operation: str) -> Iterator[None]:
        self._vfs.trouble = None
        try:
            yield
        except apsw.Error as error:
            raise self._in_words(operation, error) from error

    def _in_words(self, operation: str, error: apsw.Error) -> StorageError:
        if isinstance(error, apsw.NotADBError | apsw.CorruptError):
            return CorruptFile(self._name, str(error))
        if isinstance(error, apsw.BusyError):
            reason = "another program is using it; close that one first"
        elif isinstance(error, apsw.FullError):
            reason = os.strerror(errno.ENOSPC)
        elif self._vfs.trouble is not None:
            reason = self._vfs.trouble.strerror or str(self._vfs.trouble)
        else:
            reason = str(error)
        return StorageError(operation, self._name, reason)


def check(connection: apsw.Connection, name: str, pragma: str) -> None:
    """Look through a whole database.

    Args:
        pragma: how thoroughly: `quick_check` or `integrity_check`.

    Raises:
        CorruptFile: it is damaged, or not a database of messages.
    """
    if connection.pragma("application_id") != APPLICATION:
        raise CorruptFile(name, "it is not a database of chatlab's messages")
    if (version := connection.pragma("user_version")) != VERSION:
        raise CorruptFile(name, f"it has format {version}; this chatlab reads format {VERSION}")
    if (found := connection.pragma(pragma, 1)) != "ok":
        raise CorruptFile(name, " ".join(str(found).split()))


def copy_database(source: Path, target: Path) -> None:
    """Copy a database and its log, as they were at one moment, even while a server writes.

    The log is copied last. So it holds all that a checkpoint may have written while the database
    was copied, unless it was begun anew meanwhile: then its header has changed (the salts in
    https://sqlite.org/fileformat2.html#walformat), and both are copied again.

    Args:
        source, target: data folders.

    Raises:
        StorageError: the database kept changing.
        OSError: the system says no.
    """
    for _ in range(COPY_TRIES):
        before = _log_header(source)
        shutil.copyfile(source / NAME, target / NAME)
        (target / LOG).unlink(missing_ok=True)
        if before:
            try:
                shutil.copyfile(source / LOG, target / LOG)
            except FileNotFoundError:
                continue
        if before == _log_header(source) == _log_header(target):
            return
    raise StorageError("copy", NAME, "it changes too fast; stop the server, then try again")


def _log_header(folder: Path) -> bytes:
    try:
        return Disk(folder).read_part(LOG, 0, LOG_HEADER_BYTES)
    except FileNotFoundError:
        return b""
