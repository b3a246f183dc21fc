"""What every command of the course begins with: where the exercises are, and what is kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatlab.course.catalog import Exercise, find
from chatlab.course.progress import Progress, ProgressFile, current
from chatlab.course.workplace import Workplace, find_workplace

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True, slots=True)
class OpenCourse:
    """A course, open.

    Attributes:
        exercises: all of them, in order.
        kept: the progress file.
        progress: as it was read.
    """

    workplace: Workplace
    exercises: list[Exercise]
    kept: ProgressFile
    progress: Progress

    def exercise(self, name: str | None) -> Exercise:
        """The one that is meant; without a name, the current one.

        Raises:
            UsageError: there is none of that name.
        """
        if name is None:
            return current(self.exercises, self.progress)
        return find(self.exercises, name)

    def say_notes(self) -> None:
        """Tell, on standard error, what there is to say of the progress file."""
        for note in self.kept.notes:
            print(f"note: {note}", file=sys.stderr)


def open_course(folder: Path | None) -> OpenCourse:
    """The course in a folder, or the nearest around the current one.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    workplace = find_workplace(folder)
    kept = ProgressFile(workplace.state)
    return OpenCourse(workplace, workplace.exercises, kept, kept.read())


def show(content: RenderableType, console: Console | None = None) -> None:
    """Print something of the course's: in colour on a terminal, as plain text elsewhere."""
    from rich.console import Console

    from chatlab.view.course.common import Readable

    (console or Console(highlight=False)).print(Readable(content))
