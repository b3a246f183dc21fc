"""What can be wrong with a disk, on demand: for `chatlab serve --fault` and `--disk`.

Owns the words of both options. A plan is a list of these, separated by commas:

    ERROR@[OPERATION:]N[+COUNT]    the N-th operation fails, and COUNT - 1 after it
    slow=TIME[@OPERATION]          operations take so much longer: 20ms, 0.5s

    enospc@100         the 100th write finds the disk full: half of it is written
    eio@fsync:3+2      the 3rd and the 4th fsync fail
    eio@write:50+      every write from the 50th on fails, for ever (or: +forever)
    slow=20ms@fsync    each fsync takes 20 ms longer

- ERROR is the lower-case name of an errno; see `faults.ERRORS`.
- OPERATION is read, write, fsync, rename, truncate or remove. Without one, enospc and edquot count
  writes, and the other errors count every operation. Replacing a file is a truncate and a write;
  for a safe replacement come an fsync, a rename and an fsync of the folder.
- N counts from the moment when the server is ready; 1 is the first. So does everything here: a
  start and its recovery are never disturbed.

Read `faults.py` and `slow.py` next; the seam, `Condition`, stands in `parts/disk.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from chatlab.disk.failing import ERRORS, Faults, parse_fault
from chatlab.disk.real import Condition
from chatlab.disk.slow import DISKS, SlowDisk, parse_slow
from chatlab.errors import UsageError

__all__ = ["DISKS", "ERRORS", "Simulation", "describe", "simulate"]


@runtime_checkable
class Simulation(Condition, Protocol):
    """A condition that is no property of the real disk, so that people must be told of it."""

    @property
    def simulated(self) -> list[str]:
        """What is simulated, and how far it has come; one phrase for each thing."""

    def arm(self) -> None:
        """Begin: the server is ready. Before that, nothing is counted and nothing happens."""


def simulate(
    folder: Path, *, plans: Sequence[str] = (), disk: str | None = None
) -> list[Condition]:
    """The conditions that `--fault` and `--disk` ask for.

    Args:
        folder: the data folder.
        plans: each a plan as above.
        disk: a name from `DISKS`; None for the disk as it is.

    Raises:
        UsageError: a plan, or the disk, is not understood.
    """
    items = [item.strip() for plan in plans for item in plan.split(",")]
    conditions: list[Condition] = []
    if disk is not None:
        if disk not in DISKS:
            raise UsageError(f"--disk {disk!r} is not known; there are: {', '.join(DISKS)}")
        conditions.append(SlowDisk(DISKS[disk], folder))
    # Slowness first: an operation that fails has taken its time, too.
    conditions += [SlowDisk(parse_slow(item), folder) for item in items if _is_slow(item)]
    faults = [parse_fault(item) for item in items if not _is_slow(item)]
    return [*conditions, Faults(faults)] if faults else conditions


def describe(*, plans: Sequence[str] = (), disk: str | None = None) -> list[str]:
    """What these options simulate, in words, one phrase for each thing; for those who only tell.

    Raises:
        UsageError: as `simulate`.
    """
    slow = [one for one in simulate(Path(), plans=plans, disk=disk) if isinstance(one, SlowDisk)]
    items = [item.strip() for plan in plans for item in plan.split(",")]
    return [words for one in slow for words in one.simulated] + [
        item for item in items if not _is_slow(item)
    ]


def _is_slow(item: str) -> bool:
    return item.startswith("slow")
