"""Conditions between the parts and the disk: one that fails, one that records what is done.

A disk fails at the n-th operation of a plan, or on command; the same plan fails at the same place
again. The grammar of plans stands in `simulated.py`, beside the slow disk. What of a record a power
cut may leave: `power_loss.py`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chatlab.disk.counted import Operation, OperationKind

ERRORS = {
    "enospc": errno.ENOSPC,  # no space left on device
    "eio": errno.EIO,  # input/output error: the medium or the cable
    "edquot": errno.EDQUOT,  # this user's share of the disk is used up
    "erofs": errno.EROFS,  # read-only file system, as the kernel makes one after errors
}


def every(_operation: Operation) -> bool:
    """Any operation."""
    return True


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned error.

    Attributes:
        text: as the user wrote it.
        error: a name from `ERRORS`.
        kind: of the operations that count and fail; None for all.
        first: which of them fails first, from 1.
        count: how many fail; None for all from there on.
        which: a further condition on the operations that count and fail.
    """

    text: str
    error: str
    kind: OperationKind | None
    first: int
    count: int | None
    which: Callable[[Operation], bool] = every

    def concerns(self, operation: Operation) -> bool:
        """Whether such an operation counts."""
        return self.kind in (None, operation.kind) and self.which(operation)

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


class FailingDisk:
    """Fails operations; a `Simulation`.

    Args:
        faults: a plan, which begins with `arm`. Each fault counts by itself, and counts also the
            operations that another one fails. Where several strike at once, the first decides.

    Attributes:
        seen: operations asked for since it was armed, or since the last `fail` or `heal`.
        failed: operations that failed, ever.
    """

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()  # operations come from several threads
        self._armed = False
        self.failed = 0
        self._plan(faults)

    @property
    def simulated(self) -> list[str]:
        with self._lock:
            return [fault.words(seen) for fault, seen in zip(self._faults, self._seen, strict=True)]

    @property
    def over(self) -> bool:
        """Whether every fault is over, or has not yet begun."""
        return not any(map(Fault.strikes, self._faults, self._seen))

    def arm(self) -> None:
        self._armed = True

    def fail(
        self,
        first: int = 1,
        *,
        count: int | None = 1,
        error: str = "eio",
        kind: OperationKind | None = None,
        which: Callable[[Operation], bool] = every,
    ) -> None:
        """Fail on command, from now on, in place of every earlier plan; see `Fault`."""
        self._plan([Fault(error, error, kind, first, count, which)])
        self.arm()

    def heal(self) -> None:
        """Work again."""
        self._plan(())

    def before(self, operation: Operation) -> int | None:
        struck = self._count(operation) if self._armed else []
        return _fail(struck[0], operation) if struck else None

    def after(self, operation: Operation) -> None:
        pass

    def _plan(self, faults: Sequence[Fault]) -> None:
        with self._lock:
            self._faults, self._seen = tuple(faults), [0] * len(faults)
            self.seen = 0

    def _count(self, operation: Operation) -> list[Fault]:
        struck = []
        with self._lock:
            self.seen += 1
            for place, fault in enumerate(self._faults):
                if fault.concerns(operation):
                    self._seen[place] += 1
                    if fault.strikes(self._seen[place]):
                        struck.append(fault)
            self.failed += bool(struck)
        return struck


def _fail(fault: Fault, operation: Operation) -> int:
    """Fail with that error; returns how many bytes of a write still fit on a full disk."""
    if fault.error == "enospc" and operation.kind == "write" and operation.data:
        # A full disk leaves a torn file, and learners must see it: `counted.py` writes as much as
        # fits, then raises the error.
        return len(operation.data) // 2
    code = ERRORS[fault.error]
    raise OSError(code, os.strerror(code))


class Change(NamedTuple):
    """The operating system received a change."""

    operation: Operation


class Sync(NamedTuple):
    """A file, or the folder, was put on the disk.

    Attributes:
        name: which one.
        covers: changes before this step are on the disk; later ones had not ended when the sync
            began.
    """

    name: str
    covers: int


class Milestone(NamedTuple):
    """Something that happened outside the disk.

    Attributes:
        what: `ready` when the store had started, `sent` when a message was handed over, `acked`.
        message_id: which one; empty for `ready`.
    """

    what: Literal["ready", "sent", "acked"]
    message_id: str = ""


RecordedStep = Change | Sync | Milestone


class Recorder:
    """A `Condition` that changes nothing and writes everything down.

    Attributes:
        steps: so far.
    """

    def __init__(self) -> None:
        self.steps: list[RecordedStep] = []
        self._lock = threading.Lock()
        # By thread, as each makes one change at a time: the step of its change under way.
        self._changing: dict[int, int] = {}
        # By name, too: a database syncs its log and the folder in one go.
        self._covers: dict[tuple[int, str], int] = {}

    def before(self, operation: Operation) -> int | None:
        """Record a change as soon as it may have happened, and what a sync will cover."""
        me = threading.get_ident()
        with self._lock:
            if operation.kind == "fsync":
                self._covers[me, operation.name] = min(
                    self._changing.values(), default=len(self.steps)
                )
            elif operation.kind != "read":
                self._changing[me] = len(self.steps)
                self.steps.append(Change(operation))
        return None

    def after(self, operation: Operation) -> None:
        """Record a sync only now: before its end it promises nothing."""
        me = threading.get_ident()
        with self._lock:
            if operation.kind == "fsync":
                self.steps.append(Sync(operation.name, self._covers.pop((me, operation.name))))
            elif operation.kind != "read":
                self.steps[self._changing.pop(me)] = Change(operation)

    def note(self, what: Literal["ready", "sent", "acked"], message_id: str = "") -> None:
        """Record something that is not an operation."""
        with self._lock:
            self.steps.append(Milestone(what, message_id))
