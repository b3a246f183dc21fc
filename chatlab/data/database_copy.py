"""A database, read without changing a byte of it, even while a server writes to it.

SQLite changes files when it opens them: it carries the log into the database, and removes it. So
the database is copied first, and the copy is what is read; also when there is no log, for a server
that was idle may begin one at any moment.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from chatlab.data.records import Message
from chatlab.data.sqlite_database import APPLICATION, LOG, NAME, VERSION
from chatlab.disk.counted import Disk
from chatlab.errors import CorruptFile, StorageError

TRIES = 10
LOG_HEADER_BYTES = 32
ALL = "SELECT id, room_id, sender, content, timestamp FROM messages ORDER BY seq"


class DatabaseCopy:
    """The messages as they were at one moment."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def messages(self) -> Iterator[Message]:
        """All of them, in the order of saving.

        Raises:
            CorruptFile: the database is damaged.
        """
        with _told():
            for row in self._connection.execute(ALL):
                yield Message(*row)

    def check(self) -> None:
        """Look through the whole file.

        Raises:
            CorruptFile: it is damaged, or not a database of messages.
        """
        with _told():
            if self._connection.pragma("application_id") != APPLICATION:
                raise CorruptFile(NAME, "it is not a database of chatlab's messages")
            if (version := self._connection.pragma("user_version")) != VERSION:
                raise CorruptFile(NAME, f"it has format {version}, known here is {VERSION}")
            if (found := self._connection.pragma("integrity_check", 1)) != "ok":
                raise CorruptFile(NAME, " ".join(str(found).split()))


@contextmanager
def database_copy(folder: Path) -> Iterator[DatabaseCopy]:
    """The database of a folder.

    Raises:
        StorageError: it cannot be read, or never stood still.
    """
    with TemporaryDirectory() as elsewhere:
        try:
            copy_database(folder, Path(elsewhere))
        except OSError as error:
            raise StorageError.from_os("read", NAME, error) from error
        with _told():
            connection = apsw.Connection(str(Path(elsewhere) / NAME), apsw.SQLITE_OPEN_READWRITE)
        with closing(connection):
            yield DatabaseCopy(connection)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database and its log, as they were at one moment, even while a server writes.

    The log is copied last. So it holds all that a checkpoint may have written while the database
    was copied, unless it was begun anew meanwhile: then its header has changed (the salts in
    https://sqlite.org/fileformat2.html#walformat), and both are copied again.

    Args:
        source, target: data folders.

    Raises:
        StorageError: it never stood still for long enough.
        OSError: the system says no.
    """
    for _ in range(TRIES):
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


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise CorruptFile(NAME, str(error)) from error
