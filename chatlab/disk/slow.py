"""A disk that is slower than the one at hand: a simulation, and labelled as one wherever it shows.

Owns how long operations take, and waits for so long, in the thread that does the work. Nothing is
faster than the real disk: the waits come on top. The grammar of `slow=` stands in `__init__.py`.
Its sibling is `faults.py`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from chatlab.disk.real import Kind, Operation
from chatlab.errors import UsageError

KINDS: tuple[Kind, ...] = get_args(Kind)
WAIT_MAX_S = 60.0
PART_BYTES_MAX = 64 * 1024
"""What a read of a part of a file is charged: an operation does not tell how much is wanted."""
EXAMPLE = "an example: --fault slow=20ms@fsync"


@dataclass(frozen=True, slots=True)
class Speed:
    """How long operations take on some disk, in seconds, on top of what they take here.

    Attributes:
        words: the assumptions, for people.
        waits_s: kind to seconds; a kind that is missing costs nothing by itself.
        bytes_per_s: at which data are read and written.
    """

    words: str
    waits_s: Mapping[Kind, float] = field(default_factory=dict)
    bytes_per_s: float = float("inf")

    def wait_s(self, kind: Kind, size: int) -> float:
        """How long an operation over `size` bytes takes."""
        return self.waits_s.get(kind, 0.0) + size / self.bytes_per_s


DISKS: dict[str, Speed] = {
    # An assumption: half a turn at 7,200 rpm (60 / 7,200 / 2 s = 4.2 ms) and a seek of about 4 ms
    # until the bytes pass under the head; 120 MB/s then. Nothing is taken to be in any cache.
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
        folder: the data folder, to know how large a file is that is read. JSON is read whole,
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
            return 0  # the read itself will tell what is the matter
        return size if operation.name.endswith(".json") else min(size, PART_BYTES_MAX)


def parse_slow(text: str) -> Speed:
    """Read `slow=TIME[@OPERATION]`.

    Raises:
        UsageError: what was found, what is possible, and an example.
    """
    found = re.fullmatch(r"slow=([0-9]+(?:\.[0-9]+)?)(ms|s)(?:@(.*))?", text)
    if found is None:
        raise UsageError(
            f"--fault {text!r}: slowness is slow=TIME or slow=TIME@OPERATION, with a TIME like "
            f"20ms or 0.5s; {EXAMPLE}"
        )
    number, unit, named = found.groups()
    wait_s = float(number) * (0.001 if unit == "ms" else 1.0)
    if not 0 < wait_s <= WAIT_MAX_S:
        raise UsageError(
            f"--fault {text!r}: TIME is more than 0 and at most {WAIT_MAX_S:g}s; {EXAMPLE}"
        )
    kinds = [kind for kind in KINDS if named in (None, kind)]
    if not kinds:
        raise UsageError(
            f"--fault {text!r}: {named!r} is no operation; there are: {', '.join(KINDS)}; {EXAMPLE}"
        )
    words = f"each {named or 'operation'} {float(number):g} {unit} slower"
    return Speed(words, dict.fromkeys(kinds, wait_s))
