"""The database of messages: its table, its statements, and SQLite's refusals in plain words.

Owns the connection. Everything here waits for the disk; `stores/sqlite.py` is what a server uses:
the same, off the event loop. What reaches the disk, and is counted, stands in `sqlite_files.py`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain

import apsw
import msgspec

from chatlab.data.records import Message
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.counted import TEMPORARY_SUFFIX, Disk
from chatlab.errors import CorruptFile, StorageError

NAME = "messages.sqlite"
LOG = NAME + "-wal"
SIDE_FILES = (LOG, NAME + "-journal")
"""What belongs to a database and must never meet another one: SQLite would carry it into it."""
FILLING = NAME + TEMPORARY_SUFFIX
"""A new database has this name until it is full: one that was interrupted is begun anew."""

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

LOG_PAGES_MAX = 2_000
"""Pages of 4 KiB in the log, at which it is carried into the database."""
PAGE_BYTES = 4_096
CACHE_BYTES = 8 * 1024 * 1024
BUSY_MS = 2_000
"""How long to wait for another program that reads the database."""

SETTINGS = {
    # One server a folder: the index of the log may lie in its memory, not in a file for all. It
    # must be said first, before anything is read.
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
        with self._told("open"):
            self._connection = apsw.Connection(str(disk.folder / name), vfs=self._vfs.name)
        # Nobody but this process has it open; not even closing it may change it until it is known
        # to be whole.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.set_busy_timeout(BUSY_MS)
        self._execute: Callable[..., apsw.Cursor] = self._connection.execute

    @classmethod
    def opened(cls, disk: Disk) -> Database:
        """The database of a folder, ready to be used.

        Raises:
            CorruptFile: it is damaged, or not a database of messages; it was not changed.
        """
        database = cls(disk)
        try:
            database._begin_work()
        except BaseException:
            database.abandon()
            raise
        return database

    def insert(self, messages: Sequence[Message]) -> None:
        """Add those whose id is new, in this order. One statement a row would be slower under
        load: for each, SQLite lets go of Python's lock, and then waits its turn to get it back."""
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
        with self._told("write"):
            if self._log_pages >= log_pages_max:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._log_pages = 0
            with self._connection:  # a transaction: committed at the end, undone by an error
                self.insert(batch)

    def history(self, room_id: str, limit: int) -> list[Message]:
        """The last messages of a room, oldest first."""
        with self._told("read"):
            rows = self._execute(HISTORY, (room_id, limit)).fetchall()
        return [Message(*row) for row in reversed(rows)]

    def close(self) -> None:
        """Carry the log into the database, if the disk lets us, and let go of both.

        If it does not, nothing is lost: all that was saved is in the log, where a start finds it.
        """
        with self._told("close"):
            try:
                with suppress(apsw.IOError, apsw.FullError):
                    self._connection.close()
            finally:
                self._vfs.unregister()

    def abandon(self) -> None:
        """Let go of a database that cannot be used, and leave it as it was."""
        with suppress(apsw.Error, OSError):  # what went wrong is being told already
            self._connection.close()
            if not self._had_log and self._is_empty(self._name + "-wal"):
                self._disk.remove(self._name + "-wal")
        self._vfs.unregister()

    # Filling a new one.

    def begin_filling(self) -> None:
        """Begin a transaction that ends with `end_filling`. It needs no journal: if it is
        interrupted, the file is thrown away."""
        with self._told("write"):
            for name, value in (SETTINGS | {"journal_mode": "OFF"}).items():
                self._connection.pragma(name, value)
            self._execute("BEGIN IMMEDIATE")
            self._execute(TABLE)
            self._execute(INDEX)

    def fill(self, messages: Sequence[Message]) -> None:
        """Add messages to the new database."""
        with self._told("write"):
            self.insert(messages)

    def end_filling(self) -> int:
        """Put it on the disk and close it; returns how many messages it holds."""
        with self._told("write"):
            self._connection.pragma("application_id", APPLICATION)
            self._connection.pragma("user_version", VERSION)
            kept: int = self._execute("SELECT count(*) FROM messages").get
            self._execute("COMMIT")
        self.close()
        return kept

    # Helpers.

    def _begin_work(self) -> None:
        with self._told("open"):
            for name, value in SETTINGS.items():
                self._connection.pragma(name, value)
            self._check()
            self._connection.pragma("journal_mode", "WAL")
            self._connection.set_wal_hook(self._committed)  # instead of SQLite's own checkpoints
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)

    def _check(self) -> None:
        """Raises `CorruptFile`. Reads the whole file: half a second for a million messages."""
        if self._connection.pragma("application_id") != APPLICATION:
            raise CorruptFile(self._name, "it is not a database of chatlab's messages")
        version = self._connection.pragma("user_version")
        if version != VERSION:
            raise CorruptFile(self._name, f"it has format {version}, known here is {VERSION}")
        found = self._connection.pragma("quick_check", 1)
        if found != "ok":
            raise CorruptFile(self._name, " ".join(str(found).split()))

    def _committed(self, _connection: apsw.Connection, _schema: str, log_pages: int) -> int:
        self._log_pages = log_pages
        return apsw.SQLITE_OK

    def _is_empty(self, name: str) -> bool:
        path = self._disk.folder / name
        return path.exists() and path.stat().st_size == 0

    @contextmanager
    def _told(self, operation: str) -> Iterator[None]:
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
