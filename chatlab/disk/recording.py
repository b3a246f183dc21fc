"""A record of all that is done to a disk: what changed, and what was synced.

A `Recorder` is a condition between the parts and the disk. Read `power_loss.py` next: what of a
record a power cut may leave.
"""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple

from chatlab.disk.counted import Operation


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
