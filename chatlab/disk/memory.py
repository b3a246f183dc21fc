"""A disk in memory, with the same operations, counts and conditions as the real one; and its files.

A simulation makes thousands of them, each with another history. What a power cut would leave on
one stands in `power_loss.py`.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from chatlab.disk.counted import Condition, Disk, FileIO, OpenFile
from chatlab.disk.files import Files, to_the_end
from chatlab.errors import StorageError

P = ParamSpec("P")
R = TypeVar("R")

OPERATION_S = 0.001
"""Mean duration of an operation of `SimulatedFiles` by default, in seconds of the event loop."""
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

    def _open(self, name: str, *, cut: bool = False, like: str | Path = "") -> OpenFile:  # noqa: ARG002
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


class SimulatedFiles(Files):
    """The files of a disk in memory, whose operations take time on the event loop, and no thread.

    How long each takes is drawn by a seed. So with another seed, operations that run together end
    in another order; each such order is one that real disks and real threads can produce. (To
    shuffle the event loop's own queue would find more, and would be unfair: asyncio promises that
    callbacks run in the order in which they were scheduled, and right code may build on it.)

    Args:
        contents: name to bytes, at the beginning.
        chance: draws how long operations take; None lets each take just `operation_s`.
        tell: hears of each operation, and of each that fails.
        operation_s: seconds; at 0, an operation lets others run, and takes no time.
        conditions: what stands between the parts and the disk.

    Attributes:
        under_way, under_way_max: operations that run now, and the most that ever did at once.
    """

    disk: MemoryDisk

    def __init__(
        self,
        contents: Mapping[str, bytes] | None = None,
        *,
        chance: random.Random | None = None,
        tell: Callable[[str], None] = lambda _what: None,
        operation_s: float = OPERATION_S,
        conditions: Sequence[Condition] = (),
    ) -> None:
        super().__init__(NOWHERE, disk=MemoryDisk(contents, conditions))
        self.operation_s = operation_s
        self.under_way = self.under_way_max = 0
        self._chance = chance
        self._tell = tell

    def total(self) -> FileIO:
        """What all files together have cost so far."""
        return sum(self.statistics().values(), FileIO())

    async def write(
        self,
        name: str,
        data: bytes,
        *,
        fsync: bool = False,
        like: str = "",  # noqa: ARG002
    ) -> None:
        """Replace a file in place; half-way through, half of the data is all there is."""
        await self.work("write", name, self._tear, name, data, fsync)  # all files are alike here

    async def perform(self, call: Callable[[], R]) -> R:
        return await to_the_end(self._take_time(call))

    async def work(
        self,
        operation: str,
        name: str,
        function: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        self._tell(f"{operation} {name}")
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        try:
            return await super().work(operation, name, function, *args, **kwargs)
        except StorageError as error:
            self._tell(f"{operation} {name}: {error.reason}")
            raise
        finally:
            self.under_way -= 1

    async def _take_time(self, call: Callable[[], R]) -> R:
        """It happens in the middle of the time that it takes; a write is torn for the rest."""
        await asyncio.sleep(self._half_s())
        result = call()
        await asyncio.sleep(self._half_s())
        if isinstance(result, partial):
            result()
        return result

    def _tear(self, name: str, data: bytes, fsync: bool) -> partial[None]:
        """Write half of the data; returns how to add the rest, whatever the file is called then."""
        self.disk.write(name, data, fsync=fsync)
        content = self.disk.content(name)
        del content[len(data) // 2 :]
        return partial(content.__setitem__, slice(None), data)

    def _half_s(self) -> float:
        """Half of an operation's time; with chance, anything up to twice as much."""
        return self.operation_s * (0.5 if self._chance is None else self._chance.random())
