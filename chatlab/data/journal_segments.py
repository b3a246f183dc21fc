"""The segments of a journal as files, plain or compressed: callers need not know which.

A closed segment can be kept compressed, in blocks, so that reading a few messages costs a block and
not a segment.

    90b1c25a z {"journal":1,"base":0,"bytes":8388702,"sizes":[9013,8977,...]}
    9013 bytes, 8977 bytes, ...

The first line is the index, with a checksum like every line of a journal. The blocks follow, one
after another: each is 64 KiB of the segment's own bytes (the last one less), compressed by zlib on
its own. So it can be read alone, and zlib's checksum shows whether it is damaged. `sizes` are the
compressed sizes of the blocks, `bytes` is the size of the segment. Positions stay what they are: a
division finds the block of a position, and a sum its place in the file.

`SegmentFiles` waits for the disk. What a segment itself looks like stands in `journal_format.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from chatlab.data import journal_format as form
from chatlab.disk.counted import Disk
from chatlab.errors import CorruptFile

VERSION = 1
SUFFIX = ".z"
BLOCK_BYTES = 64 * 1024
INDEX_BYTES_MAX = 64 * 1024
"""Bytes from the beginning of the file that hold the whole index."""
LEVEL = 6
_MARK = b"z"


class BlockIndex(form.FirstLine, frozen=True):
    """The first line of a compressed segment.

    Attributes:
        bytes: of the segment, not compressed.
        sizes: bytes of each block, compressed.
    """

    bytes: int
    sizes: list[int]


def compressed_name(base: int) -> str:
    """The file of the segment that begins at position `base`, once it is compressed."""
    return form.segment_name(base) + SUFFIX


def is_compressed(name: str) -> bool:
    """Whether this is the name of a compressed segment."""
    return name.endswith(SUFFIX) and form.is_segment(name.removesuffix(SUFFIX))


def is_of_a_journal(name: str) -> bool:
    """Whether this is the name of a segment, compressed or not."""
    return form.is_segment(name.removesuffix(SUFFIX))


def segments_among(names: Iterable[str]) -> list[str]:
    """The segments of a journal in their order, each once.

    After a crash a segment may be there both plain and compressed; the plain one is sure to be
    whole.
    """
    of_base: dict[int, str] = {}
    for name in sorted(filter(is_of_a_journal, names)):  # a plain name sorts before its compressed
        of_base.setdefault(form.base_of(name), name)
    return [of_base[base] for base in sorted(of_base)]


def compress(base: int, data: bytes) -> bytes:
    """The compressed form of the segment that begins at `base` and has these bytes."""
    blocks = [
        zlib.compress(data[begin : begin + BLOCK_BYTES], LEVEL)
        for begin in range(0, len(data), BLOCK_BYTES)
    ]
    index = BlockIndex(VERSION, base, len(data), [len(block) for block in blocks])
    return form.encode_line(_MARK, index) + b"".join(blocks)


def decode_index(name: str, head: bytes) -> tuple[BlockIndex, int]:
    """The index of a compressed segment, and the byte of the file at which the blocks begin.

    Args:
        head: the first bytes of the file, as many as `INDEX_BYTES_MAX` at most.

    Raises:
        CorruptFile: it is damaged, or of another version or place.
    """
    line = head[: head.find(b"\n") + 1]
    index = form.decode_line(name, line, _MARK, VERSION, BlockIndex)
    if len(index.sizes) != -(-index.bytes // BLOCK_BYTES):
        raise CorruptFile(name, f"its index has {len(index.sizes)} blocks for {index.bytes} bytes")
    return index, len(line)


def decompress(name: str, index: BlockIndex, first: int, packed: bytes) -> bytes:
    """The bytes of some blocks, one after another.

    Args:
        first: the number of the first one, from 0.
        packed: the blocks as they lie in the file.

    Raises:
        CorruptFile: one of them is damaged.
    """
    plain, begin, number = [], 0, first
    while begin < len(packed):
        end = begin + index.sizes[number]
        try:
            block = zlib.decompress(packed[begin:end])
        except zlib.error as error:
            raise CorruptFile(name, f"block {number} is damaged: {error}") from error
        if len(block) != min(BLOCK_BYTES, index.bytes - number * BLOCK_BYTES):
            raise CorruptFile(name, f"block {number} has {len(block)} bytes")
        plain.append(block)
        begin, number = end, number + 1
    return b"".join(plain)


def plain_bytes(name: str, data: bytes) -> bytes:
    """The bytes of a segment, of whatever form, from those of its file.

    Raises:
        CorruptFile: it is compressed, and damaged.
    """
    if not is_compressed(name):
        return data
    index, begin = decode_index(name, data[:INDEX_BYTES_MAX])
    if len(data) != begin + sum(index.sizes):
        raise CorruptFile(name, f"it has {len(data)} bytes, not {begin + sum(index.sizes)}")
    return decompress(name, index, 0, data[begin:])


class SegmentFiles:
    """Reads segments, and parts of them.

    Remembers the index of each compressed one that it has read, so make a new one for each request.

    Every method raises `OSError` when the operating system says no, and `CorruptFile` for a
    compressed segment that is damaged.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._indexes: dict[str, tuple[BlockIndex, int]] = {}

    def size(self, name: str) -> int:
        """Bytes of a segment, or what it had before it was compressed."""
        if is_compressed(name):
            return self._index(name)[0].bytes
        return self._disk.size(name)

    def read(self, name: str) -> bytes:
        """The whole of a segment."""
        return plain_bytes(name, self._disk.read(name))

    def read_part(self, base: int, offset: int, size: int) -> bytes:
        """Up to `size` bytes, from `offset` on, of the segment that begins at `base`."""
        try:
            return self._disk.read_part(form.segment_name(base), offset, size)
        except FileNotFoundError:  # it is compressed, perhaps since a moment ago
            return self._part_of_compressed(compressed_name(base), offset, size)

    def _part_of_compressed(self, name: str, offset: int, size: int) -> bytes:
        index, blocks_begin = self._index(name)
        first, end = offset // BLOCK_BYTES, -(-(offset + size) // BLOCK_BYTES)
        place = blocks_begin + sum(index.sizes[:first])
        blocks = self._disk.read_part(name, place, sum(index.sizes[first:end]))
        begin = offset - first * BLOCK_BYTES
        return decompress(name, index, first, blocks)[begin : begin + size]

    def _index(self, name: str) -> tuple[BlockIndex, int]:
        if name not in self._indexes:
            head = self._disk.read_part(name, 0, INDEX_BYTES_MAX)
            self._indexes[name] = decode_index(name, head)
        return self._indexes[name]
