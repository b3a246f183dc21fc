"""A disk in memory, with the same operations, counts and conditions as the real one.

A simulation makes thousands of them, each with another history. What a power cut would leave on
it, `power_loss.py` tells.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from chatlab.disk.real import FOLDER, Condition, Disk, FileIO, OpenFile, Operation

NOWHERE = Path("no-such-folder-use-self.files")
"""The folder of a disk in memory: whoever opens a file in it by hand learns from its name."""


class MemoryDisk(Disk):
    """Files in memory.

    Args:
        contents: name to bytes, at the beginning.
        conditions: what stands in between, the first asked first.
    """

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
        self.content(name)[:] = data  # in place: whoever has it open sees it

    def content(self, name: str) -> bytearray:
        """A file itself, whatever it is called later; made if there is none."""
        return self._contents.setdefault(name, bytearray())

    def names(self) -> list[str]:
        return sorted(self._contents)

    def read_part(self, name: str, offset: int, size: int | None) -> bytes:
        operation = Operation("read", name)
        self.before(operation)
        whole = self._existing(name)
        data = bytes(whole[offset:] if size is None else whole[offset : offset + size])
        self.after(operation)
        self.count(name, FileIO(reads=1, bytes_read=len(data)))
        return data

    def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        operation = Operation("truncate", name)
        self.before(operation)
        self.content(name).clear()
        self.after(operation)
        opened = self.open(name)
        opened.append(data)
        if fsync:
            opened.fsync()

    def open(self, name: str) -> OpenFile:
        return _MemoryFile(self, name, self.content(name))

    def rename(self, source: str, target: str) -> None:
        operation = Operation("rename", source, target=target)
        self.before(operation)
        self._existing(source)
        self._contents[target] = self._contents.pop(source)
        self.after(operation)

    def remove(self, name: str) -> None:
        operation = Operation("remove", name)
        self.before(operation)
        self._existing(name)
        del self._contents[name]
        self.after(operation)

    def fsync_folder(self) -> None:
        operation = Operation("fsync", FOLDER)
        self.before(operation)
        self.after(operation)
        self.count(FOLDER, FileIO(fsyncs=1))

    def _existing(self, name: str) -> bytearray:
        if name not in self._contents:
            raise FileNotFoundError(2, "No such file or directory", name)
        return self._contents[name]


class _MemoryFile(OpenFile):
    """An open file of a disk in memory; it stays open over a rename, as a real one does."""

    def __init__(self, disk: MemoryDisk, name: str, content: bytearray) -> None:
        super().__init__(disk, name, io.BytesIO(), len(content))
        self._content = content

    def fsync(self) -> None:
        operation = Operation("fsync", self.name)
        self._disk.before(operation)
        self._must_be_open()
        self._disk.after(operation)
        self._disk.count(self.name, FileIO(fsyncs=1))

    def fdatasync(self) -> None:
        self.fsync()

    def truncate(self, size: int) -> None:
        operation = Operation("truncate", self.name, size)
        self._disk.before(operation)
        self._must_be_open()
        if size < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        del self._content[size:]
        self._content.extend(bytes(size - len(self._content)))
        self.size = size
        self._disk.after(operation)

    def _write(self, data: bytes) -> None:
        if data:
            self._must_be_open()
        self._content += data
        self.size += len(data)

    def _must_be_open(self) -> None:
        if self._file.closed:
            raise ValueError("I/O operation on closed file")
