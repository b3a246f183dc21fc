"""`chatlab learn` without a terminal: what its screen shows, what can happen, what there is to do.

Frozen data, no logic. `step.py` makes the next state out of a state and an event, and says which
effects the loop has to carry out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from chatlab.course.catalog import Exercise
from chatlab.course.progress import Change, Progress, Standing
from chatlab.course.verdicts import Judged, Result

PageName = Literal["work", "task", "hints", "checks", "why", "list", "reset", "end"]
"""`work` is home; `reset` is a question; any key without a meaning of its own leaves the others."""


@dataclass(frozen=True, slots=True)
class LearnState:
    """Everything that the screen shows.

    Attributes:
        exercises: in order; empty while the course cannot be read.
        index: of the current exercise.
        progress: from the progress file.
        page: what fills the screen.
        text: of the pages `task` and `why`.
        scrolls: page to the first line shown.
        page_lines: how many lines a page had room for when it was last drawn.
        checking: whether a check is running.
        heard: the results that it has given so far.
        judged: what the latest finished check found; None before the first.
        checked_at: when it finished, as a time of day.
        read: whether the task was opened since this exercise began.
        saved: whether the file was saved since then.
        note: what the latest key did, in one sentence.
        trouble: why the course cannot be read; empty if it can.
        kept_notes: notes about the folder and the progress file.
    """

    exercises: tuple[Exercise, ...] = ()
    index: int = 0
    progress: Progress = field(default_factory=Progress)
    page: PageName = "work"
    text: str = ""
    scrolls: Mapping[str, int] = field(default_factory=dict)
    page_lines: int = 10
    checking: bool = False
    heard: tuple[Result, ...] = ()
    judged: Judged | None = None
    checked_at: str = ""
    read: bool = False
    saved: bool = False
    note: str = ""
    trouble: str = ""
    kept_notes: tuple[str, ...] = ()

    @property
    def exercise(self) -> Exercise:
        """The current one; there must be one."""
        return self.exercises[self.index]

    @property
    def standing(self) -> Standing:
        """The learner's progress with the current exercise."""
        return self.progress.of(self.exercise.name)

    @property
    def scroll(self) -> int:
        """The first line shown of this page."""
        return self.scrolls.get(self.page, 0)

    @property
    def heard_failure(self) -> Result | None:
        """The first failure that the running check has found."""
        return next((one for one in self.heard if one.verdict == "failed"), None)

    @property
    def may_see_answer(self) -> bool:
        """Whether the learner has earned the answer, or given up on it."""
        return self.standing.passed or self.standing.gave_up

    @property
    def may_go_on(self) -> bool:
        """Whether the next exercise is open; a verdict of `unsure` blocks nobody."""
        return self.standing.passed or (self.judged is not None and self.judged.unsure)

    @property
    def more_hints(self) -> bool:
        """Whether the current exercise has hints that were not shown yet."""
        return self.standing.hints < len(self.exercise.spec.hints)

    @property
    def all_passed(self) -> bool:
        """Whether the course is done."""
        return all(self.progress.of(one.name).passed for one in self.exercises)


# Events: what can happen.


class KeyPressed(msgspec.Struct, frozen=True):
    """A key was pressed: a character, or a name such as `down` or `c-c`."""

    name: str


class FileSaved(msgspec.Struct, frozen=True):
    """The learner's file has changed."""


class ResultHeard(msgspec.Struct, frozen=True):
    """The running check has given one result."""

    result: Result


class CheckEnded(msgspec.Struct, frozen=True):
    """A check has ended; `when` is ISO 8601."""

    judged: Judged
    when: str


class CheckNotRun(msgspec.Struct, frozen=True):
    """The check could not be run, which is not the learner's fault; `why` is a sentence."""

    why: str


class CourseLoaded(msgspec.Struct, frozen=True):
    """The course was read, at the start or after a change.

    Attributes:
        at: name of the exercise to begin with; empty to stay.
    """

    exercises: tuple[Exercise, ...]
    at: str = ""


class CourseBroken(msgspec.Struct, frozen=True):
    """The course cannot be read; `why` is a sentence."""

    why: str


class ProgressRead(msgspec.Struct, frozen=True):
    """The progress file was read or changed."""

    progress: Progress
    notes: tuple[str, ...]


class TextRead(msgspec.Struct, frozen=True):
    """The text of a page was read."""

    page: PageName
    text: str


class StarterRestored(msgspec.Struct, frozen=True):
    """The starter is back; `text` says where the learner's file is."""

    text: str


class NoteShown(msgspec.Struct, frozen=True):
    """Something was done, or failed: a sentence for the learner."""

    text: str


class ScreenDrawn(msgspec.Struct, frozen=True):
    """The screen was drawn.

    Attributes:
        scroll_max: the highest first line that makes sense on this page.
        page_lines: how many lines it has room for.
    """

    scroll_max: int
    page_lines: int


CheckEvent = FileSaved | ResultHeard | CheckEnded | CheckNotRun
CourseEvent = CourseLoaded | CourseBroken | ProgressRead | TextRead | StarterRestored
Event = KeyPressed | CheckEvent | CourseEvent | NoteShown | ScreenDrawn


# Effects: what the loop has to do.


class BeginCheck(msgspec.Struct, frozen=True):
    """Cancel the running check, if any, and begin one of the current exercise."""


class CancelCheck(msgspec.Struct, frozen=True):
    """Cancel the running check, if any."""


class KeepProgress(msgspec.Struct, frozen=True):
    """Change the progress file."""

    change: Change


class ReadText(msgspec.Struct, frozen=True):
    """Read the text of a page."""

    page: PageName


class RestoreStarter(msgspec.Struct, frozen=True):
    """Restore the starter of the current exercise."""


class Quit(msgspec.Struct, frozen=True):
    """End."""


Effect = BeginCheck | CancelCheck | KeepProgress | ReadText | RestoreStarter | Quit
