"""One reader for each kind of store: names its files, reads its messages in order, reports damage.

Readers look from outside and change nothing. They use none of the server's parts, so that the audit
of a run does not believe the store that it audits; they go on after damage, so that an inspection
shows what is left. `journal_format.py`, `journal_segments.py` and `sqlite_database.py` know
the formats.

A store of a learner's own, in a format of its own, is read by `bench/saved_by_store.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal, TypeVar

import apsw
import msgspec

from chatlab.data import journal_format as form
from chatlab.data.folder import read_list
from chatlab.data.journal_segments import (
    SegmentFiles,
    is_compressed,
    is_of_a_journal,
    segments_among,
)
from chatlab.data.records import ALL_FILES, CHATROOMS, MESSAGES, USERS, DataFile, Message
from chatlab.data.sqlite_database import ALL, LOG, check, copy_database
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import Disk
from chatlab.errors import CorruptFile, StorageError

StoreKind = Literal["json", "journal", "sqlite"]
Keep = Callable[[Message], bool]
T = TypeVar("T")


class StoreReader(ABC):
    """Reads what one store has saved.

    Args:
        disk: with the data folder.
        names: the files in it.
        pause: waits for some seconds before another look at a file that a running server may just
            be rewriting; None where no server runs.

    Attributes:
        kind, words: of the store.
        files: the names of its files; empty if the folder has no such store.
        unfinished: its first start has not ended, or was interrupted: then the next begins anew.
        damage: what is wrong with each damaged file, once `messages` has ended.
        torn_bytes: at the end, of a save that was not finished.
    """

    kind: ClassVar[StoreKind]
    words: ClassVar[str]

    def __init__(
        self, disk: Disk, names: list[str], pause: Callable[[float], None] | None = None
    ) -> None:
        self.files = self._files_among(names)
        self.unfinished = False
        self.damage: dict[str, StorageError] = {}
        self.torn_bytes = 0
        self._disk = disk
        self._pause = pause

    @abstractmethod
    def messages(self) -> Iterator[Message]:
        """Every message that can be read, in the order of saving."""

    def undamaged(self) -> Iterator[Message]:
        """The same.

        Raises:
            StorageError: as soon as something turns out to be damaged.
        """
        for message in self.messages():
            if self.damage:
                break
            yield message
        for error in self.damage.values():
            raise error

    @property
    def reading(self) -> str:
        """The file from which the latest message came."""
        return self.files[0]

    @abstractmethod
    def _files_among(self, names: list[str]) -> list[str]: ...


class JsonReader(StoreReader):
    """Reads `messages.json`."""

    kind = "json"
    words = MESSAGES.name

    def messages(self) -> Iterator[Message]:
        try:
            yield from read_list(self._disk, MESSAGES, self._pause)
        except StorageError as error:
            self.damage[MESSAGES.name] = error

    def _files_among(self, names: list[str]) -> list[str]:
        return [name for name in names if name == MESSAGES.name]


class SqliteReader(StoreReader):
    """Reads a copy of the database.

    SQLite changes files when it opens them: it carries the log into the database, and removes it.
    A copy is needed also when there is no log, for a server may begin one at any moment.
    """

    kind = "sqlite"
    words = "the database"

    def messages(self) -> Iterator[Message]:
        try:
            with TemporaryDirectory() as elsewhere:
                copy_database(self._disk.folder, Path(elsewhere))
                path, flags = str(Path(elsewhere) / DATABASE), apsw.SQLITE_OPEN_READWRITE
                with closing(apsw.Connection(path, flags)) as connection:
                    try:
                        check(connection, DATABASE, "integrity_check")
                    except CorruptFile as damage:
                        self.damage[DATABASE] = damage
                    for row in connection.execute(ALL):
                        yield Message(*row)
        except StorageError as error:
            self.damage.setdefault(DATABASE, error)
        except OSError as error:
            self.damage.setdefault(DATABASE, StorageError.from_os("read", DATABASE, error))
        except apsw.Error as error:
            self.damage.setdefault(DATABASE, CorruptFile(DATABASE, str(error)))

    def _files_among(self, names: list[str]) -> list[str]:
        return [name for name in (DATABASE, LOG) if name in names] if DATABASE in names else []


class Segment(msgspec.Struct, kw_only=True):
    """A file of a journal.

    Attributes:
        number: 1 for the first.
        position: where it begins, in bytes of the whole journal.
        bytes: of the segment; before compression.
        file_bytes: of the file.
        compressed: whether it is.
        messages, batches: that can be read.
        torn_bytes: at its end, of a save that was not finished; the next start cuts them off.
        damaged_at: the byte of the file at which it is damaged; None if it is not, or as a whole.
        damage: what is wrong, in words; empty if nothing is.
    """

    number: int
    name: str
    position: int
    bytes: int
    file_bytes: int = 0
    compressed: bool = False
    messages: int = 0
    batches: int = 0
    torn_bytes: int = 0
    damaged_at: int | None = None
    damage: str = ""


class JournalReader(StoreReader):
    """Reads a journal from its first segment to its last, and checks all that it says.

    Attributes:
        segments: read so far.
    """

    kind = "journal"
    words = "the journal"

    def __init__(
        self, disk: Disk, names: list[str], pause: Callable[[float], None] | None = None
    ) -> None:
        super().__init__(disk, names, pause)
        self.unfinished = form.FILLING in names
        self.segments: list[Segment] = []
        self._segment_files = SegmentFiles(disk)
        self._end = 0
        self._messages = 0
        self._rooms: dict[str, int] = {}
        self._known = True  # whether these three are: not after damage, until the next index

    def messages(self) -> Iterator[Message]:
        for number, name in enumerate(self.files, 1):
            segment = Segment(
                number=number,
                name=name,
                position=form.base_of(name),
                bytes=0,
                compressed=is_compressed(name),
            )
            self.segments.append(segment)
            try:
                yield from self._read(segment)
            except StorageError as error:
                self._damaged(segment, error)
            except OSError as error:
                self._damaged(segment, StorageError.from_os("read", name, error))
            self._known = not segment.damage
            self._end = segment.position + segment.bytes

    @property
    def reading(self) -> str:
        return self.segments[-1].name

    def _read(self, segment: Segment) -> Iterator[Message]:
        segment.file_bytes = segment.bytes = self._disk.size(segment.name)
        segment.bytes = self._segment_files.size(segment.name)
        data = self._segment_files.read(segment.name)
        scan = form.Scan(segment.name, data, is_last=segment.number == len(self.files))
        if wrong := self._wrong_with(segment.name, scan.header):
            self._damaged(segment, CorruptFile(segment.name, wrong))
        for record in scan.records():
            yield record.message
        segment.messages, segment.batches = scan.messages, scan.batches
        segment.torn_bytes = self.torn_bytes = scan.torn
        if scan.damage and not segment.damage:
            segment.damaged_at = scan.damaged_at
            self._damaged(segment, CorruptFile(segment.name, scan.damage))
        self._messages, self._rooms = scan.header.messages + scan.messages, scan.rooms

    def _wrong_with(self, name: str, header: form.Header) -> str:
        """What in an index does not agree with the segments before."""
        if wrong := form.misplaced(name, self._end):
            return wrong
        if self._known and header.messages != self._messages:
            return (
                f"its index says that {header.messages:,} messages came before, there are "
                f"{self._messages:,}"
            )
        if self._known and header.rooms != self._rooms:
            return "its index leads to other places than those where the rooms' messages are"
        return ""

    def _damaged(self, segment: Segment, error: StorageError) -> None:
        segment.damage = error.finding
        self.damage[segment.name] = error

    def _files_among(self, names: list[str]) -> list[str]:
        return segments_among(names)


READERS: dict[StoreKind, type[StoreReader]] = {
    reader.kind: reader for reader in (JsonReader, JournalReader, SqliteReader)
}


class SavedMessages(msgspec.Struct, frozen=True):
    """What lies in a data folder.

    Attributes:
        messages: in the order of the file; what can be read of it, if it is damaged.
        damaged: files that do not hold what they should.
        why: what is damaged, in words; empty if nothing is, or if there are no words for it.
    """

    messages: list[Message]
    damaged: int
    why: str = ""


def read_saved(folder: Path, keep: Keep = lambda _message: True) -> SavedMessages:
    """Read the data files of a server that does not run.

    Messages are looked for in a journal, else in a database, else in `messages.json`. A torn tail
    counts as damage: the server had time to stop in good order.

    Args:
        folder: the data folder.
        keep: which messages are wanted: of a long history, memory need not hold the rest.
    """
    disk = Disk(folder)
    names = disk.names()
    readers = [make(disk, names) for make in (JournalReader, SqliteReader, JsonReader)]
    reader = next((one for one in readers if one.files), readers[-1])
    messages = list(filter(keep, reader.messages()))
    damaged = damaged_lists(folder) + len(reader.damage) + (reader.torn_bytes > 0)
    return SavedMessages(messages, damaged)


def damaged_lists(folder: Path) -> int:
    """How many of the files of users and rooms are missing or damaged."""
    damaged, disk = 0, Disk(folder)
    files: tuple[DataFile[Any], ...] = (USERS, CHATROOMS)
    for file in files:
        try:
            read_list(disk, file)
        except StorageError:
            damaged += 1
    return damaged


def is_data_file(name: str) -> bool:
    """Whether a file of a data folder has this name."""
    lists = {file.name for file in ALL_FILES}
    return name in lists or name.startswith(DATABASE) or is_of_a_journal(name)
