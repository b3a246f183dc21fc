"""A disk that is slow or fails on demand: the options `--fault` and `--disk` of `chatlab serve`.

Owns the slow disk, and the grammar of both options. Waits come on top, in the thread that does the
work: nothing is faster than the real disk. People see that it is a simulation wherever it shows.
A plan is a list of these, separated by commas:

    ERROR@[OPERATION:]N[+COUNT]    the N-th operation fails, and COUNT - 1 after it
    slow=TIME[@OPERATION]          operations take TIME longer: 20ms, 0.5s

    enospc@100         the 100th write finds the disk full: half of it is written
    eio@fsync:3+2      the 3rd and the 4th fsync fail
    eio@write:50+      every write from the 50th on fails, for ever (or: +forever)
    slow=20ms@fsync    each fsync takes 20 ms longer

- ERROR is the lower-case name of an errno; see `conditions.ERRORS`.
- OPERATION is read, write, fsync, rename, truncate or remove. Without one, enospc and edquot count
  writes, and the other errors count every operation. Replacing a file is a truncate and a write;
  a safe replacement adds an fsync, a rename and an fsync of the folder.
- N counts from 1, and from the moment when the server is ready: no plan disturbs a start and its
  recovery.

Read `conditions.py` next; the seam, `Condition`, stands in `counted.py`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from chatlab.disk.conditions import ERRORS, FailingDisk, Fault
from chatlab.disk.counted import KINDS, Condition, Operation, OperationKind
from chatlab.errors import UsageError

WAIT_MAX_S = 60.0

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

_OF_WRITES = {"enospc", "edquot"}
_COUNT = re.compile(r"0*[1-9][0-9]{0,11}")


@runtime_checkable
class Simulation(Condition, Protocol):
    """A condition that the real disk does not have, so that people must be told."""

    @property
    def simulated(self) -> list[str]:
        """What is simulated, and how far it has come; one phrase for each thing."""

    def arm(self) -> None:
        """Begin: the server is ready. Before that, nothing counts and nothing happens."""


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


def simulate(
    folder: Path, *, plans: Sequence[str] = (), disk: str | None = None
) -> list[Condition]:
    """The conditions that `--fault` and `--disk` ask for.

    Args:
        folder: the data folder.
        plans: each a plan as above.
        disk: a name from `DISKS`; None for the real disk.

    Raises:
        UsageError: a plan, or the disk, is not understood.
    """
    speeds, faults = _parsed(plans, disk)
    # Slowness first: an operation that fails has taken its time, too.
    conditions: list[Condition] = [SlowDisk(speed, folder) for speed in speeds]
    return [*conditions, FailingDisk(faults)] if faults else conditions


def describe(*, plans: Sequence[str] = (), disk: str | None = None) -> list[str]:
    """What these options simulate, in words, one phrase for each thing.

    Raises:
        UsageError: as `simulate`.
    """
    speeds, faults = _parsed(plans, disk)
    return [speed.words for speed in speeds] + [fault.text for fault in faults]


def parse_fault(text: str) -> Fault:
    """Read `ERROR@[OPERATION:]N[+COUNT]`.

    Raises:
        UsageError: what was found, what is possible, and an example.
    """
    error, at, rest = text.partition("@")
    if error not in ERRORS:
        raise _mistake(text, f"{error!r} is not an error; choose {', '.join(ERRORS)} or slow=TIME")
    if not at:
        raise _mistake(text, "it does not say which operation fails: write @N; 1 is the first")
    kind, colon, when = rest.rpartition(":")
    number, plus, count = when.partition("+")
    if not _COUNT.fullmatch(number):
        raise _mistake(text, f"{number!r} is not the number of an operation: 1 is the first")
    if plus and count not in ("", "forever") and not _COUNT.fullmatch(count):
        raise _mistake(text, f"{count!r} is not a count: write +2, or + or +forever for all")
    if colon:
        planned: OperationKind | None = _kind(text, kind)
    else:
        planned = "write" if error in _OF_WRITES else None
    how_many = (int(count) if _COUNT.fullmatch(count) else None) if plus else 1
    return Fault(text, error, planned, int(number), how_many)


def parse_slow(text: str) -> Speed:
    """Read `slow=TIME[@OPERATION]`.

    Raises:
        UsageError: what was found, what is possible, and an example.
    """
    found = re.fullmatch(r"slow=([0-9]+(?:\.[0-9]+)?)(ms|s)(?:@(.*))?", text)
    if found is None:
        raise _mistake(
            text, "write slow=TIME or slow=TIME@OPERATION, with a TIME like 20ms or 0.5s"
        )
    number, unit, named = found.groups()
    wait_s = float(number) * (0.001 if unit == "ms" else 1.0)
    if not 0 < wait_s <= WAIT_MAX_S:
        raise _mistake(text, f"TIME must be more than 0 and at most {WAIT_MAX_S:g}s")
    kinds = KINDS if named is None else (_kind(text, named),)
    words = f"each {named or 'operation'} {float(number):g} {unit} slower"
    return Speed(words, dict.fromkeys(kinds, wait_s))


def _parsed(plans: Sequence[str], disk: str | None) -> tuple[list[Speed], list[Fault]]:
    if disk is not None and disk not in DISKS:
        raise UsageError(f"--disk {disk!r} is not known; there are: {', '.join(DISKS)}")
    items = [item.strip() for plan in plans for item in plan.split(",")]
    slow = [parse_slow(item) for item in items if item.startswith("slow")]
    faults = [parse_fault(item) for item in items if not item.startswith("slow")]
    return [*([] if disk is None else [DISKS[disk]]), *slow], faults


def _kind(text: str, name: str) -> OperationKind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise _mistake(text, f"{name!r} is not an operation; choose {', '.join(KINDS)}")


def _mistake(text: str, what: str) -> UsageError:
    example = "slow=20ms@fsync" if text.startswith("slow") else "enospc@100,eio@fsync:3+2"
    return UsageError(f"--fault {text!r}: {what}; an example: --fault {example}")
