"""A disk that is slower than the real one: a simulation, and labelled as one wherever it shows.

Owns how long operations take, and waits in the thread that does the work. The waits come on top:
nothing is faster than the real disk. The grammar of `slow=` stands in `simulated.py`; the sibling
of this disk is `failing.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chatlab.disk.counted import KINDS, Operation, OperationKind

PART_BYTES_MAX = 64 * 1024
"""What reading a part of a file is charged: an operation does not say how much it wants."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How long operations take on some disk, in seconds, on top of what they take here.

    Attributes:
        words: the assumptions, for people.
        waits_s: kind to seconds; a kind that is missing costs nothing by itself.
        bytes_per_s: the rate at which data are read and written.
    """

    words: str
    waits_s: Mapping[OperationKind, float] = field(default_factory=dict)
    bytes_per_s: float = float("inf")

    def wait_s(self, kind: OperationKind, size: int) -> float:
        """How long an operation over `size` bytes takes."""
        return self.waits_s.get(kind, 0.0) + size / self.bytes_per_s


DISKS: dict[str, Speed] = {
    # An assumption: half a turn at 7,200 rpm (60 / 7,200 / 2 s = 4.2 ms) and a seek of about 4 ms
    # until the bytes pass under the head; then 120 MB/s. No cache holds anything.
    "hdd": Speed("disk hdd (fsync 8 ms, 120 MB/s)", {"fsync": 0.008}, 120e6),
    # An assumption: a volume in the same data centre, one round trip and a little work for each
    # operation; 100 MB/s is about a gigabit link.
    "network": Speed(
        "disk network (each operation 2 ms, 100 MB/s)", dict.fromkeys(KINDS, 0.002), 100e6
    ),
}


class SlowDisk:
    """Makes operations take longer, one after another; a `Simulation`.

    Args:
        speed: how long they take.
        folder: the data folder, to find the size of a file that is read. JSON is read whole,
            logs and databases in parts.
        sleep: waits for some seconds.
    """

    def __init__(
        self, speed: Speed, folder: Path, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._speed = speed
        self._folder = folder
        self._sleep = sleep
        # One head, or one link, serves one request after another.
        self._busy = threading.Lock()
        self._armed = False

    @property
    def simulated(self) -> list[str]:
        return [self._speed.words]

    def arm(self) -> None:
        self._armed = True

    def before(self, operation: Operation) -> None:
        if not self._armed:
            return
        wait_s = self._speed.wait_s(operation.kind, self._size(operation))
        if wait_s > 0:
            with self._busy:
                self._sleep(wait_s)

    def after(self, operation: Operation) -> None:
        pass

    def _size(self, operation: Operation) -> int:
        if operation.kind != "read":
            return len(operation.data)
        try:
            size = (self._folder / operation.name).stat().st_size
        except OSError:
            return 0  # the read itself will report what is wrong
        return size if operation.name.endswith(".json") else min(size, PART_BYTES_MAX)
