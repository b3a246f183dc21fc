"""The journal: messages are only appended, to a log.

A save writes the batch and nothing else, then waits once for the disk. So it costs the same after a
million messages as after none, and its ack survives a power cut. The log's format, and how to tell
a torn tail from decay: `journal_format.py`.

- Memory holds one position for each room, not the messages. A chain leads from each message of a
  room to the one before.
- A failed save leaves nothing behind: what it may have written is cut off before the next one. A
  failed sync is never tried again on the same bytes, because the system may have dropped them and
  then report success (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC
  2020): they are written anew.
- A start reads the last segment only; of the others it checks the sizes.
- With `compress_segments`, a segment is compressed once the next one has begun, beside the saves.
  A history then reads a block or two of it.

Its plain sibling is `rewrite.py`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data import journal_format as form
from chatlab.data import journal_segments as packed
from chatlab.data.journal_segments import SegmentFiles
from chatlab.data.message_rule import MessageCheck
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.disk.files import Files, LogFile
from chatlab.errors import CorruptFile, StorageError

BEHIND, AHEAD = 56 * 1024, 8 * 1024
"""Bytes read around a message: mostly before it, where the chain leads next."""
LONG_MESSAGE = 128 * 1024
"""Bytes read for a message that does not fit into that; each further try reads twice as many."""


class JournalStore(Store):
    """Appends batches to a log, in segments."""

    kept_in = form.PATTERN

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        self._alone = asyncio.Lock()
        self._bases: list[int] = []  # where each segment begins, ascending
        self._rooms: dict[str, int] = {}  # where each room's latest message begins
        self._messages = 0
        self._log: LogFile | None = None
        self._good_size = 0  # of the last segment, up to the end of the last save
        self._unclean = False  # more than that may be in it, and on the disk
        # Where each closed, uncompressed segment begins; bounded by their number.
        self._closed: deque[int] = deque()
        self._compressing: asyncio.Task[None] | None = None
        self._compressing_failed = False
        self._closing = False

    @property
    def promise(self) -> AckLevel:
        return "synced"

    async def start(self, starting: Iterable[Message] = ()) -> list[str]:
        try:
            names = await self._tidy(await self.files.names())
            segments = packed.segments_among(names)
            self._bases = [form.base_of(name) for name in segments]
            if not segments:
                return await self._begin(starting, from_json=MESSAGES.name in names)
            notes = await self._recover(segments)
            self._closed.extend(form.base_of(one) for one in segments[:-1] if form.is_segment(one))
            self._compress_closed()
            return notes
        except BaseException:  # a store that has not started is not closed by anyone
            await self._end_compressing()
            if self._log is not None:
                await self._log.close()
                self._log = None
            raise

    async def close(self) -> None:
        await self._end_compressing()
        async with self._alone:
            if self._log is not None:
                try:
                    await self._cut()
                finally:
                    await self._log.close()
                    self._log = None
        if self._compressing_failed:  # once more; if it fails again, the caller hears of it
            await self._compress(self._closed[0])

    async def save(self, batch: Sequence[Message]) -> None:
        if not batch:
            return
        async with self._alone:
            await self._cut()
            if self._good_size >= self.settings.segment_bytes_max:
                await self._begin_segment()
            assert self._log is not None
            position = self._bases[-1] + self._good_size
            lines, latest = form.encode_batch(list(batch), position, self._rooms)
            self._unclean = True  # and stays so if this fails, or is cancelled
            await self._log.append(lines, fsync=True)
            self._unclean = False
            self._good_size = self._log.size
            self._rooms.update(latest)
            self._messages += len(batch)

    async def history(self, room_id: str, limit: int) -> list[Message]:
        position = self._rooms.get(room_id, form.NOWHERE)
        walk = _ChainWalk(SegmentFiles(self.files.disk), tuple(self._bases))
        return await self.files.work("read", "the journal", walk.back, room_id, position, limit)

    async def _begin(self, starting: Iterable[Message], from_json: bool) -> list[str]:
        """Begin a new journal, with the messages of `messages.json` if that exists."""
        if from_json:
            starting = MESSAGES.decode(await self.files.read(MESSAGES.name))
        await self.files.write(form.FILLING, b"", fsync=True)
        await self.files.fsync_folder()
        await self._begin_segment()
        check = MessageCheck()
        await self.fill(check.through(starting, once=True))
        await self.files.remove(form.FILLING)
        await self.files.fsync_folder()
        if not from_json:
            return []
        notes = [f"took {self._messages:,} messages from {MESSAGES.name} into a new journal"]
        return notes + check.notes(MESSAGES.name)

    async def _tidy(self, names: list[str]) -> list[str]:
        """Remove what an interrupted beginning left; none of it was promised to anyone.

        Args:
            names: the files in the folder.

        Returns those that remain.
        """
        filled = form.FILLING not in names
        left_over = [
            name
            for name in names
            if packed.is_of_a_journal(name.removesuffix(TEMPORARY_SUFFIX))
            and (
                name.endswith(TEMPORARY_SUFFIX)
                or not filled
                # Plain and compressed: the compression was interrupted, and begins anew.
                or (packed.is_compressed(name) and name.removesuffix(packed.SUFFIX) in names)
            )
        ]
        for name in left_over:
            await self.files.remove(name)
        if not filled:
            await self.files.fsync_folder()
            await self.files.remove(form.FILLING)
        return [name for name in names if name not in left_over]

    async def _recover(self, segments: list[str]) -> list[str]:
        """Read the last segment, and cut off a torn tail."""
        await self.files.work("read", "the journal", self._check_row, segments)
        name = segments[-1]
        if packed.is_compressed(name):
            raise CorruptFile(
                name, "it is compressed, and the segment that came after it is missing"
            )
        found = form.scan(name, await self.files.read(name))
        self._rooms, self._good_size = found.rooms, found.size
        self._messages = found.header.messages + found.messages
        self._log = await self.files.open_log(name)
        # Whole lines that a killed server left count from now on, and may not be on the disk yet.
        # The folder, too: the segment's name, or the end of the filling, may be only in memory.
        self._unclean = True
        await self._cut()
        await self.files.fsync_folder()
        if not found.torn:
            return []
        return [f"cut {found.torn:,} bytes of an unfinished save from the end of {name}"]

    async def _begin_segment(self) -> None:
        """Begin a segment: its index is on the disk, all or nothing, before anything follows."""
        base = self._bases[-1] + self._good_size if self._bases else 0
        name = form.segment_name(base)
        header = form.Header(form.VERSION, base, self._messages, self._rooms)
        header_line = form.encode_header(header)
        like = form.segment_name(self._bases[-1]) if self._bases else ""
        await self.files.write(name + TEMPORARY_SUFFIX, header_line, fsync=True, like=like)
        await self.files.rename(name + TEMPORARY_SUFFIX, name)
        await self.files.fsync_folder()
        log = await self.files.open_log(name)
        before, self._log, self._good_size = self._log, log, log.size
        self._bases.append(base)
        if before is not None:
            self._closed.append(self._bases[-2])
            await before.close()
            self._compress_closed()

    async def _cut(self) -> None:
        """Cut off what a failed save may have left, and try again until the disk confirms it.

        The size alone proves nothing: it may be right in memory, and wrong after a power cut.
        """
        assert self._log is not None
        if self._unclean:
            await self._log.cut(self._good_size)
            self._unclean = False

    def _check_row(self, segments: list[str]) -> None:
        files = SegmentFiles(self.files.disk)
        form.check_row((name, files.size(name)) for name in segments)
        for name in segments:  # without an older one, the later ones cannot be read either
            self.files.disk.keep(name)

    def _compress_closed(self) -> None:
        """Compress closed segments in the background, one at a time."""
        if self.settings.compress_segments and (
            self._compressing is None or self._compressing.done()
        ):
            self._compressing = asyncio.create_task(self._compress_each())

    async def _compress_each(self) -> None:
        self._compressing_failed = False
        try:
            while self._closed and not self._closing:
                await self._compress(self._closed[0])
                self._closed.popleft()
        except StorageError:  # it stays as it is; the next closed segment starts this again
            self._compressing_failed = True

    async def _compress(self, base: int) -> None:
        """Compress a closed segment; the plain one stays until the new one is on the disk."""
        plain, target = form.segment_name(base), packed.compressed_name(base)
        data = await self.files.read(plain)
        smaller = await self.files.work("compress", plain, packed.compress, base, data)
        await self.files.write(target + TEMPORARY_SUFFIX, smaller, fsync=True, like=plain)
        await self.files.rename(target + TEMPORARY_SUFFIX, target)
        await self.files.fsync_folder()
        await self.files.work("look at", target, self.files.disk.keep, target)
        await self.files.remove(plain)

    async def _end_compressing(self) -> None:
        """Finish the segment that is being compressed, and start no other."""
        self._closing = True
        if self._compressing is not None:
            await self._compressing


class _ChainWalk:
    """Follows a room's chain backwards, reading the file around each message once."""

    def __init__(self, segments: SegmentFiles, bases: tuple[int, ...]) -> None:
        self._segments = segments
        self._bases = bases
        self._block_begin = 0
        self._block = b""

    def back(self, room_id: str, position: int, limit: int) -> list[Message]:
        """Up to `limit` messages, from the one at `position` backwards; oldest first."""
        found: list[Message] = []
        while position != form.NOWHERE and len(found) < limit:
            record = form.decode_record(self._line(position), position)
            if record is None or record.message.room_id != room_id:
                raise CorruptFile(self._segment(position)[1], f"damaged at position {position:x}")
            found.append(record.message)
            position = record.previous
        return found[::-1]

    def _line(self, position: int) -> bytes:
        begin = position - self._block_begin
        if not 0 <= begin < len(self._block) or self._block.find(b"\n", begin) < 0:
            self._load(position)
            begin = position - self._block_begin
        return self._block[begin : self._block.find(b"\n", begin) + 1]

    def _load(self, position: int) -> None:
        base, _ = self._segment(position)
        behind = min(BEHIND, position - base)
        self._block_begin = position - behind
        self._block = self._segments.read_part(base, position - base - behind, behind + AHEAD)
        size = LONG_MESSAGE
        while self._block.find(b"\n", position - self._block_begin) < 0:
            self._block_begin = position
            self._block = self._segments.read_part(base, position - base, size)
            if len(self._block) < size:
                break
            size *= 2

    def _segment(self, position: int) -> tuple[int, str]:
        base = self._bases[bisect_right(self._bases, position) - 1]
        return base, form.segment_name(base)
