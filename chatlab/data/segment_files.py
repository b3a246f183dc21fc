"""The segments of a journal as files, compressed or not: whoever asks need not know which.

Waits for the disk. What the files hold is told in `journal_format.py` and `journal_compressed.py`.
"""

from __future__ import annotations

from chatlab.data import journal_compressed as packed
from chatlab.data import journal_format as form
from chatlab.disk.counted import Disk


class SegmentFiles:
    """Reads segments, and parts of them.

    Remembers the index of each compressed one that it has read, so that it should not live longer
    than one question does.

    Every method raises `OSError` when the operating system says no, and `CorruptFile` for a
    compressed segment that is damaged.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._indexes: dict[str, tuple[packed.BlockIndex, int]] = {}

    def size(self, name: str) -> int:
        """Bytes of a segment, or what it had before it was compressed."""
        if packed.is_compressed(name):
            return self._index(name)[0].bytes
        return (self._disk.folder / name).stat().st_size

    def read(self, name: str) -> bytes:
        """The whole of a segment."""
        return packed.plain_bytes(name, self._disk.read(name))

    def read_part(self, base: int, offset: int, size: int) -> bytes:
        """Up to `size` bytes, from `offset` on, of the segment that begins at `base`."""
        try:
            return self._disk.read_part(form.segment_name(base), offset, size)
        except FileNotFoundError:  # it is compressed, perhaps since a moment ago
            return self._part_of_compressed(packed.compressed_name(base), offset, size)

    def _part_of_compressed(self, name: str, offset: int, size: int) -> bytes:
        index, blocks_begin = self._index(name)
        first, end = offset // packed.BLOCK_BYTES, -(-(offset + size) // packed.BLOCK_BYTES)
        place = blocks_begin + sum(index.sizes[:first])
        blocks = self._disk.read_part(name, place, sum(index.sizes[first:end]))
        begin = offset - first * packed.BLOCK_BYTES
        return packed.decompress(name, index, first, blocks)[begin : begin + size]

    def _index(self, name: str) -> tuple[packed.BlockIndex, int]:
        if name not in self._indexes:
            head = self._disk.read_part(name, 0, packed.INDEX_BYTES_MAX)
            self._indexes[name] = packed.decode_index(name, head)
        return self._indexes[name]
