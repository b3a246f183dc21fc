"""What can happen to `chatlab learn`, and what it can want done. Frozen data, no logic."""

from __future__ import annotations

from dataclasses import dataclass

from chatlab.course.catalog import Exercise
from chatlab.course.learn.state import Page
from chatlab.course.reached import Change, Progress
from chatlab.course.verdicts import Judged, Result


@dataclass(frozen=True, slots=True)
class Key:
    """A key was pressed: a character, or a name such as `down` or `c-c`."""

    name: str


@dataclass(frozen=True, slots=True)
class Saved:
    """The learner's file has changed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The check under way has a result for one of its questions."""

    result: Result


@dataclass(frozen=True, slots=True)
class Ended:
    """A check has ended.

    Attributes:
        when: ISO 8601.
    """

    judged: Judged
    when: str


@dataclass(frozen=True, slots=True)
class NotRun:
    """The check under way could not be run, which is nobody's fault; `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Loaded:
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
class Kept:
    """The progress file was read or changed."""

    progress: Progress
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextRead:
    """A text that a page shows is here."""

    page: Page
    text: str


@dataclass(frozen=True, slots=True)
class WasReset:
    """The starter is back; `text` says where the learner's file is."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something was done, or could not be."""

    text: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """The screen was drawn.

    Attributes:
        scroll_max: the highest first line that makes sense on this page.
        page_lines: how many it has room for.
    """

    scroll_max: int
    page_lines: int


Event = (
    Key
    | Saved
    | Heard
    | Ended
    | NotRun
    | Loaded
    | CourseBroken
    | Kept
    | TextRead
    | WasReset
    | Said
    | Drawn
)


@dataclass(frozen=True, slots=True)
class Check:
    """To do: end the check under way, if any, and begin one of this exercise."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """To do: end the check under way, if any."""


@dataclass(frozen=True, slots=True)
class Keep:
    """To do: change what is kept."""

    change: Change


@dataclass(frozen=True, slots=True)
class ReadText:
    """To do: read the text of a page."""

    page: Page


@dataclass(frozen=True, slots=True)
class PutBack:
    """To do: put the starter of this exercise back."""


@dataclass(frozen=True, slots=True)
class Quit:
    """To do: end."""


Effect = Check | Cancel | Keep | ReadText | PutBack | Quit
