"""The lines of a journal as they lie on the disk, each taken apart. For learners, and after damage.

What the pieces mean stands in `journal_format.py`.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from chatlab.data import journal_compressed as packed
from chatlab.data import journal_format as form
from chatlab.data.inspection import names_in
from chatlab.data.segment_files import SegmentFiles
from chatlab.disk.counted import Disk
from chatlab.errors import StorageError, UsageError

_MARKS = {form.HEADER, form.FIRST, form.FURTHER}


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a segment; what does not end with a line feed counts as one, too.

    Attributes:
        position: where it begins, in bytes of the whole journal.
        bytes: with its line feed.
        checksum: the one that it says; empty if there is none.
        right_checksum: the one that its bytes have.
        mark: `#`, `+` or `=`; empty if there is another.
        link: where the room's message before begins; None if it leads nowhere.
        room: of a message.
        text: what stands after mark and link; of a damaged line, all of it.
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
    names = packed.segments_among(names_in(disk))
    if not names:
        raise UsageError(f"{folder} has no journal: only that one consists of lines to show")
    number = len(names) if segment is None else segment
    if not 1 <= number <= len(names):
        raise UsageError(f"there is no segment {number}: the journal has {len(names)}, from 1 on")
    name = names[number - 1]
    try:
        data = SegmentFiles(disk).read(name)
    except OSError as error:
        raise StorageError("read", name, error.strerror or str(error)) from error
    return take_apart(number, name, data, count)


def take_apart(number: int, name: str, data: bytes, count: int) -> JournalLines:
    """The same, of a segment's bytes."""
    lines, begin = [], 0
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        lines.append((begin, data[begin:end]))
        begin = end
    base = form.base_of(name)
    last = [_line(base + begin, line) for begin, line in lines[-count:]]
    return JournalLines(segment=number, name=name, total=len(lines), last=last)


def _line(position: int, line: bytes) -> JournalLine:
    record = form.decode_record(line, position)
    checksum = line[:8] if line[8:9] == b" " else b""
    index = line[9:10] == form.HEADER and checksum == b"%08x" % zlib.crc32(line[9:])
    return JournalLine(
        position=position,
        bytes=len(line),
        checksum=checksum.decode("utf-8", "replace"),
        right_checksum=f"{zlib.crc32(line[9:]):08x}",
        mark=line[9:10].decode("ascii") if line[9:10] in _MARKS else "",
        link=record.previous if record and record.previous != form.NOWHERE else None,
        room=record.message.room_id if record else "",
        text=_text(line, record is not None, index).decode("utf-8", "replace").rstrip("\n"),
        ended=line.endswith(b"\n"),
        whole=record is not None or index,
    )


def _text(line: bytes, is_message: bool, is_index: bool) -> bytes:
    if is_message:
        return line[11:].partition(b" ")[2]
    return line[11:] if is_index else line
