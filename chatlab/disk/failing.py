"""Errors of the disk at the n-th operation, by plan: the same plan fails at the same place again.

Owns counting and failing, and the words of one fault. The grammar stands in `__init__.py`. Its
sibling is `slow.py`.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from chatlab.disk.real import Kind, Operation
from chatlab.errors import UsageError

ERRORS = {
    "enospc": errno.ENOSPC,  # no space left on device
    "eio": errno.EIO,  # input/output error: the medium or the cable
    "edquot": errno.EDQUOT,  # this user's share of the disk is used up
    "erofs": errno.EROFS,  # read-only file system, as the kernel makes one after errors
}
KINDS: tuple[Kind, ...] = get_args(Kind)
EXAMPLE = "an example: --fault enospc@100,eio@fsync:3+2"

_OF_WRITES = {"enospc", "edquot"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One error, planned.

    Attributes:
        text: as it was asked for.
        error: a name from `ERRORS`.
        kind: of which operations; None for all.
        first: which of them fails first, from 1.
        count: how many fail; None for all from there on.
    """

    text: str
    error: str
    kind: Kind | None
    first: int
    count: int | None

    def concerns(self, operation: Operation) -> bool:
        """Whether such an operation is counted."""
        return self.kind in (None, operation.kind)

    def strikes(self, number: int) -> bool:
        """Whether the operation of this number, from 1, fails."""
        return number >= self.first and (self.count is None or number < self.first + self.count)

    def words(self, seen: int) -> str:
        """How far it has come after `seen` operations."""
        if seen < self.first:
            what = self.kind or "operation"
            return f"{self.text} ({seen:,} {what}{'' if seen == 1 else 's'} so far)"
        failed = seen - self.first + 1
        if self.count is None:
            return f"{self.text} ({failed:,} failed so far)"
        over = failed >= self.count
        return f"{self.text} ({'over' if over else f'{failed:,} of {self.count:,} failed'})"


class Faults:
    """Lets operations fail by plan; a `Simulation`.

    Args:
        faults: each counts by itself, also the operations that another one lets fail. Where
            several strike at once, the first decides.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)
        self._lock = threading.Lock()  # operations come from several threads
        self._armed = False

    @property
    def simulated(self) -> list[str]:
        with self._lock:
            return [fault.words(seen) for fault, seen in zip(self._faults, self._seen, strict=True)]

    def arm(self) -> None:
        self._armed = True

    def before(self, operation: Operation) -> int | None:
        struck = self._count(operation) if self._armed else []
        return _fail(struck[0], operation) if struck else None

    def after(self, operation: Operation) -> None:
        pass

    def _count(self, operation: Operation) -> list[Fault]:
        struck = []
        with self._lock:
            for place, fault in enumerate(self._faults):
                if fault.concerns(operation):
                    self._seen[place] += 1
                    if fault.strikes(self._seen[place]):
                        struck.append(fault)
        return struck


def parse_fault(text: str) -> Fault:
    """Read `ERROR@[OPERATION:]N[+COUNT]`.

    Raises:
        UsageError: what was found, what is possible, and an example.
    """
    error, at, rest = text.partition("@")
    if error not in ERRORS:
        raise _mistake(
            text, f"{error!r} is no error; there are: {', '.join(ERRORS)}, and slow=TIME"
        )
    if not at:
        raise _mistake(text, "it does not say at which operation: write @N, and 1 is the first")
    kind, colon, when = rest.rpartition(":")
    if colon and kind not in KINDS:
        raise _mistake(text, f"{kind!r} is no operation; there are: {', '.join(KINDS)}")
    number, plus, count = when.partition("+")
    if not _is_count(number):
        raise _mistake(text, f"{number!r} is no number of an operation: 1 is the first")
    if plus and count not in ("", "forever") and not _is_count(count):
        raise _mistake(
            text, f"{count!r} is no count of operations: write +2, or + or +forever for all"
        )
    planned: Kind | None = next((each for each in KINDS if each == kind), None)
    if not colon and error in _OF_WRITES:
        planned = "write"
    how_many = (int(count) if _is_count(count) else None) if plus else 1
    return Fault(text, error, planned, int(number), how_many)


def _fail(fault: Fault, operation: Operation) -> int:
    """Fail as that error does; returns how many bytes still fit if a part of a write does."""
    if fault.error == "enospc" and operation.kind == "write" and operation.data:
        # Who learns from a full disk must see the torn file that it leaves; `disk.py` writes as
        # much as fits, then raises the error.
        return len(operation.data) // 2
    code = ERRORS[fault.error]
    raise OSError(code, os.strerror(code))


def _is_count(text: str) -> bool:
    return re.fullmatch(r"0*[1-9][0-9]{0,11}", text) is not None


def _mistake(text: str, what: str) -> UsageError:
    return UsageError(f"--fault {text!r}: {what}; {EXAMPLE}")
