"""What lies in a data folder, for people: an overview, and the lines of a journal taken apart.

It may be asked at any time, also while a server runs on the folder or after a crash: it changes
nothing, takes no lock, and reports damage rather than raising it. `readers.py` reads the stores;
`chat/interchange.py` moves messages in and out.
"""

from __future__ import annotations

import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from chatlab.data import journal_format as form
from chatlab.data.folder import read_list
from chatlab.data.journal_segments import SegmentFiles, segments_among
from chatlab.data.message_rule import MessageCheck
from chatlab.data.readers import READERS, JournalReader, Segment, StoreKind, StoreReader
from chatlab.data.records import CHATROOMS, USERS, DataFile
from chatlab.disk.counted import Disk
from chatlab.errors import StorageError, UsageError

SCHEMA = "chatlab.data/1"

T = TypeVar("T")


class StoreContents(msgspec.Struct, kw_only=True):
    """What one store holds; of a damaged one, what can be read.

    Attributes:
        kind: which.
        files: their names.
        rooms: messages of each, the fullest first.
        first, last: the earliest and the latest time of a message; None if there is none.
        segments: of a journal.
        unfinished: its first start has not ended, or was interrupted: then the next begins anew.
        damage: what is wrong with each damaged file, by its name; or with the first of its messages
            that breaks the rule of messages, if that is all.
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


def inspect(folder: Path, pause: Callable[[float], None] = time.sleep) -> Contents:
    """Look at a data folder.

    Args:
        pause: waits before another look at a file that a running server may be rewriting.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    disk = Disk(folder)
    names = names_in(disk)
    damage: dict[str, str] = {}

    def count(file: DataFile[list[T]]) -> int | None:
        try:
            return len(read_list(disk, file, pause)) if file.name in names else None
        except StorageError as error:
            damage[file.name] = error.finding
            return None

    users, rooms = count(USERS), count(CHATROOMS)
    readers = [make(disk, names, pause) for make in READERS.values()]
    stores = [_contents(disk, reader) for reader in readers if reader.files]
    for store in stores:
        damage |= store.damage
    return Contents(folder=str(folder), users=users, rooms=rooms, stores=stores, damage=damage)


def names_in(disk: Disk) -> list[str]:
    """The files of a folder.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    try:
        return disk.names()
    except FileNotFoundError:
        raise UsageError(
            f"there is no data folder {disk.folder}; `chatlab serve` makes one"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot look into {disk.folder}: {error.strerror}") from error


def _contents(disk: Disk, reader: StoreReader) -> StoreContents:
    rooms: Counter[str] = Counter()
    first: str | None = None
    last: str | None = None
    check, breaks_the_rule = MessageCheck(), ""
    for message in check.through(reader.messages()):
        if check.broken and not breaks_the_rule:
            breaks_the_rule = reader.reading
        rooms[message.room_id] += 1
        first = message.timestamp if first is None else min(first, message.timestamp)
        last = message.timestamp if last is None else max(last, message.timestamp)
    damage = {name: error.finding for name, error in reader.damage.items()}
    if breaks_the_rule:
        damage.setdefault(breaks_the_rule, check.words)
    return StoreContents(
        kind=reader.kind,
        files=reader.files,
        bytes=_size(disk, reader.files),
        messages=rooms.total(),
        rooms=dict(rooms.most_common()),
        first=first,
        last=last,
        segments=reader.segments if isinstance(reader, JournalReader) else [],
        unfinished=reader.unfinished,
        damage=damage,
    )


def _size(disk: Disk, names: Iterable[str]) -> int:
    size = 0
    for name in names:
        with suppress(FileNotFoundError):  # a server that stops removes the log of its database
            size += disk.size(name)
    return size


_MARKS = {form.HEADER, form.FIRST, form.FURTHER}


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a segment; an unfinished one at the end, without a line feed, counts too.

    Attributes:
        position: where it begins, in bytes of the whole journal.
        bytes: with its line feed.
        checksum: as written in the line; empty if there is none.
        right_checksum: of its bytes.
        mark: `#`, `+` or `=`; empty if it is something else.
        link: where the room's message before begins; None if there is none.
        room: of a message.
        text: what follows mark and link; of a damaged line, all of it.
        ended: whether it has its line feed.
        whole: whether it can be read.
    """

    position: int
    bytes: int
    checksum: str
    right_checksum: str
    mark: str
    link: int | None
    room: str
    text: str
    ended: bool
    whole: bool


class JournalLines(msgspec.Struct, frozen=True, kw_only=True):
    """The last lines of a segment.

    Attributes:
        segment: its number, 1 for the first.
        total: lines in the segment.
    """

    segment: int
    name: str
    total: int
    last: list[JournalLine]


def read_lines(folder: Path, count: int, segment: int | None = None) -> JournalLines:
    """The last `count` lines of a segment.

    Args:
        segment: 1 for the first; None for the last.

    Raises:
        UsageError: there is no such folder, journal or segment.
        StorageError: it cannot be read.
    """
    disk = Disk(folder)
    names = segments_among(names_in(disk))
    if not names:
        raise UsageError(f"{folder} has no journal, and no other store has lines to show")
    number = len(names) if segment is None else segment
    if not 1 <= number <= len(names):
        raise UsageError(f"there is no segment {number}: the journal has {len(names)}, from 1 on")
    name = names[number - 1]
    try:
        data = SegmentFiles(disk).read(name)
    except OSError as error:
        raise StorageError.from_os("read", name, error) from error
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    position, last = form.base_of(name) + len(data), []
    for line in reversed(lines[-count:]):
        position -= len(line)
        last.append(_taken_apart(position, line))
    return JournalLines(segment=number, name=name, total=len(lines), last=last[::-1])


def _taken_apart(position: int, line: bytes) -> JournalLine:
    record = form.decode_record(line, position)
    checksum = line[:8] if line[8:9] == b" " else b""
    right_checksum = b"%08x" % zlib.crc32(line[9:])
    is_index = line[9:10] == form.HEADER and checksum == right_checksum
    text = line[11:] if record or is_index else line
    return JournalLine(
        position=position,
        bytes=len(line),
        checksum=checksum.decode("utf-8", "replace"),
        right_checksum=right_checksum.decode(),
        mark=line[9:10].decode("ascii") if line[9:10] in _MARKS else "",
        link=record.previous if record and record.previous != form.NOWHERE else None,
        room=record.message.room_id if record else "",
        text=(text.partition(b" ")[2] if record else text).decode("utf-8", "replace").rstrip("\n"),
        ended=line.endswith(b"\n"),
        whole=record is not None or is_index,
    )
