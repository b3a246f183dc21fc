"""What lies in a data folder: looked at from outside, without changing a byte.

For people and programs that want to know, also while a server runs on the folder, or after a crash.
So it reports damage rather than raising it, and does not take the folder's lock. `journal_lines.py`
shows the journal line by line; `interchange.py` moves messages in and out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from chatlab.data import journal_compressed as packed
from chatlab.data import journal_format as form
from chatlab.data.database_copy import database_copy
from chatlab.data.journal_format import FILLING
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message
from chatlab.data.sqlite_database import LOG
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import Disk
from chatlab.errors import CorruptFile, StorageError, UsageError

SCHEMA = "chatlab.data/1"

StoreKind = Literal["json", "journal", "sqlite"]
T = TypeVar("T")

_LOOKS = 5
_BETWEEN_LOOKS_S = 0.05


class Segment(msgspec.Struct, kw_only=True):
    """A file of a journal.

    Attributes:
        number: 1 for the first.
        position: where it begins, in bytes of the whole journal.
        bytes: that it has, or had before it was compressed.
        file_bytes: on the disk.
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


class StoreContents(msgspec.Struct, kw_only=True):
    """What one store has kept; of a damaged one, what can be read.

    Attributes:
        kind: which.
        files: their names.
        rooms: messages of each, the fullest first.
        first, last: the earliest and the latest time of a message; None if there is none.
        segments: of a journal.
        unfinished: it is being filled, or that was interrupted; then the next start begins anew.
        damage: what is wrong with each file that is not as it should be, by its name.
    """

    kind: StoreKind
    files: list[str]
    bytes: int
    messages: int = 0
    rooms: dict[str, int] = {}
    first: str | None = None
    last: str | None = None
    segments: list[Segment] = []
    unfinished: bool = False
    damage: dict[str, str] = {}


class Contents(msgspec.Struct, kw_only=True):
    """What lies in a data folder.

    Attributes:
        users, rooms: in `users.json` and `chatrooms.json`; None if there is no such file.
        damage: what is wrong with each file, of the stores too.
    """

    schema: str = SCHEMA
    folder: str
    users: int | None
    rooms: int | None
    stores: list[StoreContents]
    damage: dict[str, str]

    def store(self, kind: StoreKind) -> StoreContents | None:
        """The store of a kind, if there is one."""
        return next((store for store in self.stores if store.kind == kind), None)


class Tally:
    """Counts messages as they go by."""

    def __init__(self) -> None:
        self._rooms: Counter[str] = Counter()
        self._first: str | None = None
        self._last: str | None = None

    def add(self, messages: Iterable[Message]) -> None:
        """Count some more."""
        for message in messages:
            self._rooms[message.room_id] += 1
            if self._first is None or message.timestamp < self._first:
                self._first = message.timestamp
            if self._last is None or message.timestamp > self._last:
                self._last = message.timestamp

    def into(self, store: StoreContents) -> None:
        """Write the result down."""
        store.messages, store.rooms = self._rooms.total(), dict(self._rooms.most_common())
        store.first, store.last = self._first, self._last


def inspect(folder: Path, pause: Callable[[float], None] = time.sleep) -> Contents:
    """Look at a data folder.

    Args:
        pause: between two looks at a file that a running server may be just rewriting.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    disk = Disk(folder)
    names = names_in(disk)
    users, users_damage = _look(disk, names, USERS.name, USERS.decode, pause)
    rooms, rooms_damage = _look(disk, names, CHATROOMS.name, CHATROOMS.decode, pause)
    found = [_json(disk, names, pause), _journal(disk, names), _sqlite(disk, names)]
    stores = [store for store in found if store is not None]
    damage = users_damage | rooms_damage
    for store in stores:
        damage |= store.damage
    return Contents(
        folder=str(folder),
        users=None if users is None else len(users),
        rooms=None if rooms is None else len(rooms),
        stores=stores,
        damage=damage,
    )


def names_in(disk: Disk) -> list[str]:
    """The files of a folder.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    try:
        return disk.names()
    except FileNotFoundError:
        raise UsageError(f"there is no data folder {disk.folder}") from None
    except OSError as error:
        raise UsageError(f"cannot look into {disk.folder}: {error.strerror}") from error


def said(error: StorageError) -> str:
    """What is wrong with a file, without the advice that follows in an error message."""
    return error.reason.partition("; restore")[0]


def _look(
    disk: Disk,
    names: list[str],
    name: str,
    decode: Callable[[bytes], T],
    pause: Callable[[float], None],
) -> tuple[T | None, dict[str, str]]:
    """A file's content, and its damage. A server may rewrite it in place: then, half is there."""
    if name not in names:
        return None, {}
    why = ""
    for look in range(_LOOKS):
        if look:
            pause(_BETWEEN_LOOKS_S)
        try:
            return decode(disk.read(name)), {}
        except CorruptFile as error:
            why = said(error)
        except OSError as error:
            return None, {name: f"it cannot be read: {error.strerror}"}
    return None, {name: why}


def _json(disk: Disk, names: list[str], pause: Callable[[float], None]) -> StoreContents | None:
    messages, damage = _look(disk, names, MESSAGES.name, MESSAGES.decode, pause)
    if messages is None and not damage:
        return None
    files = [MESSAGES.name]
    store = StoreContents(kind="json", files=files, bytes=_size(disk, files), damage=damage)
    tally = Tally()
    tally.add(messages or [])
    tally.into(store)
    return store


def _sqlite(disk: Disk, names: list[str]) -> StoreContents | None:
    if DATABASE not in names:
        return None
    files = [name for name in (DATABASE, LOG) if name in names]
    store, tally = StoreContents(kind="sqlite", files=files, bytes=_size(disk, files)), Tally()
    try:
        with database_copy(disk.folder) as database:
            database.check()
            tally.add(database.messages())
    except StorageError as error:
        store.damage = {DATABASE: said(error)}
    tally.into(store)
    return store


def _journal(disk: Disk, names: list[str]) -> StoreContents | None:
    files = packed.segments_among(names)
    if not files:
        return None
    walk = _Walk(disk)
    for name in files:
        walk.through(name, is_last=name == files[-1])
    store = StoreContents(
        kind="journal",
        files=files,
        bytes=sum(segment.file_bytes for segment in walk.segments),
        segments=walk.segments,
        unfinished=FILLING in names,
        damage={one.name: one.damage for one in walk.segments if one.damage},
    )
    walk.tally.into(store)
    return store


class _Walk:
    """Goes through a journal from its first segment to its last, and checks all that it says."""

    def __init__(self, disk: Disk) -> None:
        self.segments: list[Segment] = []
        self.tally = Tally()
        self._disk = disk
        self._end = 0
        self._messages = 0
        self._rooms: dict[str, int] = {}
        self._known = True  # whether these three are: not after damage, until the next index

    def through(self, name: str, *, is_last: bool) -> None:
        """Look at the next segment."""
        segment = Segment(
            number=len(self.segments) + 1,
            name=name,
            position=form.base_of(name),
            bytes=0,
            compressed=packed.is_compressed(name),
        )
        self.segments.append(segment)
        try:
            data = self._disk.read(name)
            segment.bytes = segment.file_bytes = len(data)
            if segment.compressed:
                segment.bytes = packed.decode_index(name, data[: packed.INDEX_BYTES_MAX])[0].bytes
                data = packed.plain_bytes(name, data)
            header = form.decode_header(name, data)
        except OSError as error:
            segment.damage = f"it cannot be read: {error.strerror}"
        except CorruptFile as error:
            segment.damage = said(error)
        else:
            segment.damage = self._wrong_with(header)
            self._end, self._messages = header.base, header.messages
            self._rooms = dict(header.rooms)
            self._records(segment, data, is_last)
        self._known = not segment.damage
        self._end = segment.position + segment.bytes

    def _wrong_with(self, header: form.Header) -> str:
        """What in an index does not agree with the segments before."""
        if header.base != self._end:
            return (
                f"it begins at position {header.base:x}, but what is before it ends at "
                f"{self._end:x}"
            )
        if self._known and header.messages != self._messages:
            return (
                f"its index says that {header.messages:,} messages came before, there are "
                f"{self._messages:,}"
            )
        if self._known and header.rooms != self._rooms:
            return "its index leads to other places than those where the rooms' messages are"
        return ""

    def _records(self, segment: Segment, data: bytes, is_last: bool) -> None:
        end = data.find(b"\n") + 1
        for record in form.records(segment.name, data):
            room_id = record.message.room_id
            if record.previous != self._rooms.get(room_id, form.NOWHERE):
                self._damaged(segment, end, "breaks the chain of its room")
            self._rooms[room_id] = record.position
            segment.messages += 1
            segment.batches += record.first
            self.tally.add([record.message])
            end = data.find(b"\n", record.position - segment.position) + 1
        self._messages += segment.messages
        rest = len(data) - end
        if rest and (not is_last or form.has_later_batch(data, end)):
            self._damaged(segment, end, "is damaged, and it had been safely on the disk")
        else:
            segment.torn_bytes = rest

    def _damaged(self, segment: Segment, byte: int, what: str) -> None:
        if not segment.damage:
            segment.damaged_at, segment.damage = byte, f"the line at byte {byte:,} {what}"


def _size(disk: Disk, names: list[str]) -> int:
    size = 0
    for name in names:
        with suppress(FileNotFoundError):  # a server that stops removes the log of its database
            size += (disk.folder / name).stat().st_size
    return size
