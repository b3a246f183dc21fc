"""How the journal lies on the disk: lines of text, each with a checksum of its own.

A journal is a row of segments, `journal-0000000000000000.log` and so on. The number is the position
at which the segment begins: positions count the bytes of the whole journal, over all segments, from
0. So a position leads to its segment and the place in it. A segment is only ever appended to, and
never changed once the next one has begun.

    5b1c2a90 # {"journal":1,"base":0,"messages":0,"rooms":{}}
    1f4e8d02 + - {"id":"...","roomId":"general","sender":"alice","content":"hi","timestamp":"..."}
    77ab03c1 = 3a {"id":"...","roomId":"general","sender":"bob","content":"hello","timestamp":"..."}

- The first eight characters are the CRC-32 of the rest of the line, in hexadecimal.
- `#` is a segment's first line, its index: how many messages came before it, and where each room's
  latest one begins. With it, a start needs to read only the last segment.
- `+` is the first message of a batch, `=` one that was saved together with the one above.
- Then comes the position (hexadecimal) of the message before in the same room, or `-`. This chain
  finds a room's latest messages without reading any other room's.

A batch is written only after the one before it was synced. So when a line is damaged, a later `+`
proves that this line had been on the disk once: that is decay, and a person must decide. Without
one, it is the torn tail that a crash leaves; nobody was told that those messages are safe, and it
can be cut off. One case stays hidden: decay in the very last batch looks like a torn tail, too.

A segment begins where the one before ends, so the sizes of the files show whether one is missing in
the middle. They do not show that the last one is missing.

A closed segment may be kept compressed, as `journal-....log.z`: see `journal_segments.py`. The
plain file is removed once the compressed one is on the disk; after a crash both may be there, and
then the plain one counts.

`chatlab data inspect` shows all this, `chatlab data inspect --tail 3` line by line.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from chatlab.data.records import Message
from chatlab.errors import CorruptFile

T = TypeVar("T", bound="FirstLine")

PATTERN = "journal-*.log"
FILLING = "journal.filling"
"""Exists while a new journal is being filled; after an interruption, the next start begins anew."""
VERSION = 1
NOWHERE = -1
HEADER, FIRST, FURTHER = b"#", b"+", b"="

# Searched at any byte, not only after a line feed: the damage may have hit that one.
_BATCH_BEGINS = re.compile(rb"(?=[0-9a-f]{8} \+ )")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


class _Version(msgspec.Struct):
    journal: int


class FirstLine(msgspec.Struct, frozen=True):
    """What the first line of a segment says, plain or compressed.

    Attributes:
        journal: the version of the format.
        base: the position at which the segment begins.
    """

    journal: int
    base: int


class Header(FirstLine, frozen=True):
    """A segment's first line.

    Attributes:
        messages: how many are in the segments before.
        rooms: where the latest message of each room begins, among those before.
    """

    messages: int
    rooms: dict[str, int]


class Record(NamedTuple):
    """A message as it lies in the journal.

    Attributes:
        position: where its line begins.
        first: whether it is the first of its batch.
        previous: where the room's message before begins; `NOWHERE` if there is none.
    """

    position: int
    first: bool
    previous: int
    message: Message


class Scan:
    """One pass through a segment, line by line.

    Args:
        name, data: of the segment, not compressed.
        is_last: whether it may end with a torn tail: in every other one, that is damage.

    Attributes:
        header: its first line.
        rooms: where the latest message of each room begins, up to here.
        messages, batches: read so far.
        size: bytes up to the end of the last whole line so far.
        torn: bytes after the last whole line, of a save that was not finished.
        damage: what is wrong, in words; empty if nothing is.
        damaged_at: the byte of the segment at which the damaged line begins; None if nothing is.

    Raises:
        CorruptFile: its first line is damaged.
    """

    def __init__(self, name: str, data: bytes, *, is_last: bool = True) -> None:
        self.header = decode_header(name, data)
        self.rooms = dict(self.header.rooms)
        self.messages = self.batches = self.torn = 0
        self.size = data.find(b"\n") + 1
        self.damage = ""
        self.damaged_at: int | None = None
        self._data = data
        self._is_last = is_last

    def records(self) -> Iterator[Record]:
        """The messages, up to the first line that is damaged; at the end, `damage` is known."""
        base = self.header.base
        while (end := self._data.find(b"\n", self.size) + 1) > 0:
            record = decode_record(self._data[self.size : end], base + self.size)
            if record is None:
                break
            room_id = record.message.room_id
            if record.previous != self.rooms.get(room_id, NOWHERE):
                self._damaged("breaks the chain of its room")
            self.rooms[room_id] = record.position
            self.messages += 1
            self.batches += record.first
            self.size = end
            yield record
        rest = len(self._data) - self.size
        if rest and (not self._is_last or has_later_batch(self._data, self.size)):
            follows = "whole ones follow" if self._is_last else "another segment follows"
            self._damaged(f"is damaged, and {follows}: it had been safely on the disk")
        else:
            self.torn = rest

    def _damaged(self, what: str) -> None:
        if not self.damage:
            self.damaged_at = self.size
            self.damage = f"the line at byte {self.size:,} {what}"


def segment_name(base: int) -> str:
    """The file of the segment that begins at position `base`."""
    return f"journal-{base:016x}.log"


def base_of(name: str) -> int:
    """Where a segment begins, compressed or not, from its file's name."""
    return int(name.removeprefix("journal-").partition(".")[0], 16)


def is_segment(name: str) -> bool:
    """Whether this is the name of a segment that is not compressed."""
    try:
        return segment_name(base_of(name)) == name
    except ValueError:
        return False


def encode_header(header: Header) -> bytes:
    """A segment's first line."""
    return encode_line(HEADER, header)


def encode_batch(
    batch: list[Message], position: int, rooms: dict[str, int]
) -> tuple[bytes, dict[str, int]]:
    """The lines of a batch that is written at `position`.

    Args:
        rooms: where the latest message of each room begins so far; is not changed.

    Returns the bytes, and where the latest message of each room in the batch then begins.
    """
    lines: list[bytes] = []
    latest: dict[str, int] = {}
    mark, crc32, encode = b"+", zlib.crc32, _encoder.encode
    for message in batch:
        room_id = message.room_id
        previous = latest[room_id] if room_id in latest else rooms.get(room_id, NOWHERE)
        link = b"%x" % previous if previous != NOWHERE else b"-"
        rest = b"%b %b %b\n" % (mark, link, encode(message))
        lines.append(b"%08x %b" % (crc32(rest), rest))
        latest[room_id] = position
        position += len(rest) + 9
        mark = b"="
    return b"".join(lines), latest


def decode_record(line: bytes, position: int) -> Record | None:
    """Read a line, with its line feed; None if it is damaged, or no message."""
    if not _whole(line) or line[9:10] not in (FIRST, FURTHER):
        return None
    link, _, text = line[11:].partition(b" ")
    try:
        previous = NOWHERE if link == b"-" else int(link, 16)
        return Record(position, line[9:10] == FIRST, previous, _decoder.decode(text))
    except (ValueError, msgspec.MsgspecError):
        return None


def decode_header(name: str, data: bytes) -> Header:
    """The header of a segment.

    Raises:
        CorruptFile: it is damaged, or of another version or place.
    """
    return decode_line(name, data[: data.find(b"\n") + 1], HEADER, VERSION, Header)


def scan(name: str, data: bytes) -> Scan:
    """Look through the last segment.

    Raises:
        CorruptFile: a line is damaged that was safely on the disk once, or breaks a room's chain.
    """
    found = Scan(name, data)
    for _ in found.records():
        pass
    if found.damage:
        raise CorruptFile(name, found.damage)
    return found


def has_later_batch(data: bytes, begin: int) -> bool:
    """Whether a batch begins after the damaged line at `begin`."""
    for found in _BATCH_BEGINS.finditer(data, begin + 1):
        end = data.find(b"\n", found.start()) + 1
        if decode_record(data[found.start() : end], 0) is not None:
            return True
    return False


def check_row(sizes: Iterable[tuple[str, int]]) -> None:
    """Check that each segment begins where the one before ends.

    Args:
        sizes: name and size of each, in order; of a compressed one, the size that it had.

    Raises:
        CorruptFile: one is missing, or is not as long as it was.
    """
    end = 0
    for name, size in sizes:
        if wrong := misplaced(name, end):
            raise CorruptFile(name, wrong)
        end = base_of(name) + size


def misplaced(name: str, end: int) -> str:
    """Why a segment does not follow one that ends at `end`; empty if it does."""
    base = base_of(name)
    if base == end:
        return ""
    ends = "ends at" if base > end else "goes on to"
    return f"it begins at position {base:x}, but what is before it {ends} {end:x}"


def encode_line(mark: bytes, what: msgspec.Struct) -> bytes:
    """A line that is no message: its checksum, a mark, and JSON."""
    rest = mark + b" " + _encoder.encode(what) + b"\n"
    return b"%08x %b" % (zlib.crc32(rest), rest)


def decode_line(name: str, line: bytes, mark: bytes, version: int, kind: type[T]) -> T:
    """Read such a line, the first one of a file.

    Raises:
        CorruptFile: it is damaged, or of another version or place.
    """
    try:
        if not _whole(line) or line[9:10] != mark:
            raise CorruptFile(name, "its first line is damaged")
        # Alone and first: another version's index may differ in all else.
        found = msgspec.json.decode(line[11:], type=_Version).journal
        if found != version:
            raise CorruptFile(name, f"it has format {found}; this chatlab reads format {version}")
        index = msgspec.json.decode(line[11:], type=kind)
    except msgspec.MsgspecError as error:
        raise CorruptFile(name, f"its first line is no index: {error}") from error
    if index.base != base_of(name):
        raise CorruptFile(name, f"its index says that it begins at {index.base:x}")
    return index


def _whole(line: bytes) -> bool:
    """Whether a line is complete, and its checksum right."""
    return (
        len(line) > 12
        and line.endswith(b"\n")
        and line[8:9] == b" "
        and line[10:11] == b" "
        and line[:8] == b"%08x" % zlib.crc32(line[9:])
    )
