"""A disk in memory, with the same operations, counts and conditions as the real one.

A simulation makes thousands of them, each with another history. What a power cut would leave on
one stands in `power_loss.py`.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from chatlab.disk.counted import Condition, Disk, OpenFile

NOWHERE = Path("no-such-folder-use-self.files")
"""The folder of a disk in memory: its name tells whoever opens a file in it by hand."""


class MemoryDisk(Disk):
    """Files in memory.

    Args:
        contents: name to bytes, at the beginning.
        conditions: what stands in between, the first asked first.
    """

    _folder_syncs = True

    def __init__(
        self, contents: Mapping[str, bytes] | None = None, conditions: Sequence[Condition] = ()
    ) -> None:
        super().__init__(NOWHERE, conditions)
        self._contents = {name: bytearray(data) for name, data in (contents or {}).items()}

    @property
    def contents(self) -> dict[str, bytes]:
        """What each file holds now."""
        return {name: bytes(data) for name, data in self._contents.items()}

    def put(self, name: str, data: bytes) -> None:
        """Change a file as another program would: uncounted, and past every condition."""
        self.content(name)[:] = data  # in place: an open file sees it

    def content(self, name: str) -> bytearray:
        """A file itself, whatever it is called later; made if there is none."""
        return self._contents.setdefault(name, bytearray())

    def names(self) -> list[str]:
        return sorted(self._contents)

    def size(self, name: str) -> int:
        return len(self._existing(name))

    def _read(self, name: str, offset: int, size: int | None) -> bytes:
        return bytes(self._existing(name)[offset : None if size is None else offset + size])

    def _open(self, name: str, *, cut: bool = False) -> OpenFile:
        content = self.content(name)
        if cut:
            content.clear()
        return _MemoryFile(self, name, content)

    def _rename(self, source: str, target: str) -> None:
        self._existing(source)
        self._contents[target] = self._contents.pop(source)

    def _remove(self, name: str) -> None:
        self._existing(name)
        del self._contents[name]

    def _fsync_folder(self) -> None:
        pass

    def _existing(self, name: str) -> bytearray:
        if name not in self._contents:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._contents[name]


class _MemoryFile(OpenFile):
    """An open file of a disk in memory; it stays open over a rename, as a real one does."""

    def __init__(self, disk: MemoryDisk, name: str, content: bytearray) -> None:
        super().__init__(disk, name, io.BytesIO(), len(content))
        self._content = content

    def _sync(self, data_only: bool) -> None:  # noqa: ARG002 (in memory, both are the same)
        self._must_be_open()

    def _truncate(self, size: int) -> None:
        self._must_be_open()
        if size < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        del self._content[size:]
        self._content.extend(bytes(size - len(self._content)))

    def _write(self, data: bytes) -> None:
        if data:
            self._must_be_open()
        self._content += data
        self.size += len(data)

    def _must_be_open(self) -> None:
        if self._file.closed:
            raise ValueError("I/O operation on closed file")
