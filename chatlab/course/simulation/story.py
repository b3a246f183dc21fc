"""What happened in a simulation, told step by step: who did what, when, and from which line.

The lines are the learner's own: each step that begins in the learner's file names the line.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

STEPS_MAX = 2_000

_who: ContextVar[str] = ContextVar("who", default="")


class Step(NamedTuple):
    """One thing that happened.

    Attributes:
        at_s: virtual seconds.
        who: on whose behalf; empty if on nobody's.
        what: a few words, e.g. "reads chatrooms.json".
        line: of the learner's file, from which it was done; 0 if from none.
    """

    at_s: float
    who: str
    what: str
    line: int

    def __str__(self) -> str:
        text = f"{self.at_s * 1000:>9,.1f} ms  {f'{self.who}: ' if self.who else ''}{self.what}"
        return f"{text}  (line {self.line})" if self.line else text


class Story:
    """The steps so far; of a long one, the last `STEPS_MAX`.

    Args:
        clock: virtual seconds.
        work: the learner's file.
    """

    def __init__(self, clock: Callable[[], float], work: Path) -> None:
        self.steps: deque[Step] = deque(maxlen=STEPS_MAX)
        self._clock = clock
        self._work = str(work)

    def tell(self, what: str) -> None:
        """Add a step, done now by whoever is acting."""
        self.steps.append(Step(self._clock(), _who.get(), what, self.line()))

    def line(self) -> int:
        """The learner's line that is being run right now; 0 if none is."""
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._work:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return 0

    @contextmanager
    def on_behalf_of(self, who: str) -> Iterator[None]:
        """Everything done inside is this person's doing, also in tasks that are started there."""
        before = _who.set(who)
        try:
            yield
        finally:
            _who.reset(before)
