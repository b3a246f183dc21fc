"""What the screen of `chatlab learn` shows, what can happen to it, and what it can want done.

Frozen data. `step.py` makes the next state from a state and an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chatlab.course.catalog import Exercise
from chatlab.course.progress import Change, Progress, Standing
from chatlab.course.verdicts import Judged, Result

PageName = Literal["work", "task", "hints", "checks", "why", "list", "reset", "end"]
"""`work` is home; `reset` is a question; the others are left by any key that means nothing else."""


@dataclass(frozen=True, slots=True)
class LearnState:
    """Everything that the screen shows.

    Attributes:
        exercises: in order; empty while the course cannot be read.
        index: of the exercise that is being worked on.
        progress: as it is kept.
        page: what fills the screen.
        text: of the pages `task` and `why`.
        scrolls: page to the first line shown.
        page_lines: how many lines a page has room for, as it was drawn last.
        checking: whether a check is under way.
        heard: what it has found so far.
        judged: what the latest one has found; None before the first.
        checked_at: when that was, as a time of day.
        read: whether the task was looked at since this exercise was begun.
        saved: whether the file was saved since then.
        note: what the latest key did, in one sentence.
        trouble: why the course cannot be read; empty if it can.
        kept_notes: what is to be said of the progress file.
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
        """The one that is being worked on; there must be one."""
        return self.exercises[self.index]

    @property
    def standing(self) -> Standing:
        """What is kept about it."""
        return self.progress.of(self.exercise.name)

    @property
    def scroll(self) -> int:
        """The first line shown of this page."""
        return self.scrolls.get(self.page, 0)

    @property
    def heard_failure(self) -> Result | None:
        """The first failure that the check under way has found."""
        return next((one for one in self.heard if one.verdict == "failed"), None)

    @property
    def may_see_answer(self) -> bool:
        """Whether the answer is no secret any more."""
        return self.standing.passed or self.standing.gave_up

    @property
    def may_go_on(self) -> bool:
        """Whether the next exercise is open; what nobody can tell holds up nobody."""
        return self.standing.passed or (self.judged is not None and self.judged.unsure)

    @property
    def all_passed(self) -> bool:
        """Whether the course is done."""
        return all(self.progress.of(one.name).passed for one in self.exercises)


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed: a character, or a name such as `down` or `c-c`."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSaved:
    """The learner's file has changed."""


@dataclass(frozen=True, slots=True)
class ResultHeard:
    """The check under way has a result for one of its questions."""

    result: Result


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A check has ended.

    Attributes:
        when: ISO 8601.
    """

    judged: Judged
    when: str


@dataclass(frozen=True, slots=True)
class CheckNotRun:
    """The check under way could not be run, which is nobody's fault; `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class CourseLoaded:
    """The course was read, at the start or after a change of it.

    Attributes:
        at: name of the exercise to begin with; empty to stay.
    """

    exercises: tuple[Exercise, ...]
    at: str = ""


@dataclass(frozen=True, slots=True)
class CourseBroken:
    """The course cannot be read; `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class ProgressRead:
    """The progress file was read or changed."""

    progress: Progress
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextRead:
    """A text that a page shows is here."""

    page: PageName
    text: str


@dataclass(frozen=True, slots=True)
class StarterRestored:
    """The starter is back; `text` says where the learner's file is."""

    text: str


@dataclass(frozen=True, slots=True)
class NoteShown:
    """Something was done, or could not be."""

    text: str


@dataclass(frozen=True, slots=True)
class ScreenDrawn:
    """The screen was drawn.

    Attributes:
        scroll_max: the highest first line that makes sense on this page.
        page_lines: how many it has room for.
    """

    scroll_max: int
    page_lines: int


Event = (
    KeyPressed
    | FileSaved
    | ResultHeard
    | CheckEnded
    | CheckNotRun
    | CourseLoaded
    | CourseBroken
    | ProgressRead
    | TextRead
    | StarterRestored
    | NoteShown
    | ScreenDrawn
)


@dataclass(frozen=True, slots=True)
class BeginCheck:
    """To do: end the check under way, if any, and begin one of this exercise."""


@dataclass(frozen=True, slots=True)
class CancelCheck:
    """To do: end the check under way, if any."""


@dataclass(frozen=True, slots=True)
class KeepProgress:
    """To do: change what is kept."""

    change: Change


@dataclass(frozen=True, slots=True)
class ReadText:
    """To do: read the text of a page."""

    page: PageName


@dataclass(frozen=True, slots=True)
class RestoreStarter:
    """To do: put the starter of this exercise back."""


@dataclass(frozen=True, slots=True)
class Quit:
    """To do: end."""


Effect = BeginCheck | CancelCheck | KeepProgress | ReadText | RestoreStarter | Quit
