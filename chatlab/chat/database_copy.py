"""A database, read without changing a byte of it, even while a server writes to it.

SQLite changes files when it opens them: it carries the log into the database, and removes it. So a
database that has a log is copied first, and the copy is what is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from chatlab.chat.errors import CorruptFile, StorageError
from chatlab.chat.parts.sqlite_database import APPLICATION, LOG, NAME, VERSION
from chatlab.chat.protocol import Message

TRIES = 10
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
        StorageError: it cannot be read, or was carried on with at each of many looks.
    """
    with TemporaryDirectory() as elsewhere:
        path = Path(elsewhere) / NAME
        try:
            uri = _still(folder, path)
        except OSError as error:
            raise StorageError("read", NAME, error.strerror or str(error)) from error
        with _told():
            connection = apsw.Connection(uri, apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE)
        with closing(connection):
            yield DatabaseCopy(connection)


def _still(folder: Path, copy: Path) -> str:
    """Where to read the database: at its own place if it has no log, else from a copy.

    The log is copied first. If a checkpoint then changes the database, both are copied anew.
    """
    for _ in range(TRIES):
        log = folder / LOG
        try:
            if not log.stat().st_size:
                raise FileNotFoundError
            before = _state(folder / NAME)
            shutil.copyfile(log, copy.with_name(LOG))
        except FileNotFoundError:
            return f"{(folder / NAME).absolute().as_uri()}?immutable=1"
        shutil.copyfile(folder / NAME, copy)
        if _state(folder / NAME) == before:
            return copy.as_uri()
    raise StorageError("read", NAME, "it changes all the time; stop the server, then try again")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise CorruptFile(NAME, str(error)) from error
