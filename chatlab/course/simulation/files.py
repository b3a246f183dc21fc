"""The files of a simulation: a disk in memory whose operations take virtual time.

How long each takes is drawn by the seed. So with another seed, operations that are under way
together end in another order; each such order is one that real disks and real threads can produce.
(To shuffle the event loop's own queue would find more, and would be unfair: asyncio promises that
callbacks run in the order in which they were asked for, and right code may build on it.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from chatlab.course.simulation import Story
from chatlab.disk.counted import Condition
from chatlab.disk.files import Files, to_the_end
from chatlab.disk.memory import NOWHERE, MemoryDisk
from chatlab.errors import StorageError

P = ParamSpec("P")
R = TypeVar("R")

OPERATION_S = 0.001
"""How long an operation takes when nothing else is said: the mean, in virtual seconds."""


class SimulatedFiles(Files):
    """A data folder in memory.

    Args:
        contents: name to bytes, at the beginning.
        chance: draws how long operations take; None lets each take just `operation_s`.
        story: hears of each operation.
        operation_s: virtual seconds; 0 lets an operation give way to others, and take no time.
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
        story: Story | None = None,
        operation_s: float = OPERATION_S,
        conditions: Sequence[Condition] = (),
    ) -> None:
        # Not the parent's: it would make a disk on a real folder, and threads.
        self.folder = NOWHERE
        self.disk = MemoryDisk(contents, conditions)
        self.operation_s = operation_s
        self.under_way = self.under_way_max = 0
        self._chance = chance
        self._story = story

    async def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        """Replace a file in place: while that is under way, half of the data is all there is."""
        await self._off_loop("write", name, self._write, name, data, fsync)

    def close(self) -> None:
        """Nothing: there are no threads."""

    async def _off_loop(
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
            return await to_the_end(self._take_time(function, *args, **kwargs))
        except OSError as error:
            self._tell(f"{operation} {name}: {error.strerror}")
            raise StorageError(operation, name, error.strerror or str(error)) from error
        finally:
            self.under_way -= 1

    async def _take_time(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """It happens in the middle of the time that it takes."""
        await asyncio.sleep(self._half())
        result = function(*args, **kwargs)
        # A write is torn for as long as the rest of it takes.
        later = result if isinstance(result, _Rest) else None
        await asyncio.sleep(self._half())
        if later is not None:
            later()
        return result

    def _write(self, name: str, data: bytes, fsync: bool) -> _Rest:
        self.disk.write(name, data, fsync=fsync)
        content = self.disk.content(name)
        del content[len(data) // 2 :]
        return _Rest(content, data)

    def _half(self) -> float:
        """Half of an operation's time; with chance, anything up to twice as much."""
        share = 0.5 if self._chance is None else self._chance.random()
        return self.operation_s * share

    def _tell(self, what: str) -> None:
        if self._story is not None:
            self._story.tell(what)


class _Rest:
    """The second half of a write."""

    def __init__(self, content: bytearray, data: bytes) -> None:
        self._content = content
        self._data = data

    def __call__(self) -> None:
        self._content[:] = self._data
