"""What `chatlab learn` does with files: sees that they change, reads texts, puts a starter back."""

from __future__ import annotations

from pathlib import Path

from chatlab.course import workplace as fresh
from chatlab.course.answers import solution_text
from chatlab.course.catalog import SPEC, Exercise
from chatlab.course.learn.state import Event, NoteShown, PageName, StarterRestored, TextRead
from chatlab.course.workplace import Workplace
from chatlab.errors import UsageError
from chatlab.view.course.common import shown_path

Signature = tuple[int, int] | None
"""Time of change in nanoseconds, and size in bytes; None if the file cannot be seen."""


def signature(path: Path) -> Signature:
    """Changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def signatures(exercise: Exercise) -> tuple[Signature, Signature]:
    """Of the learner's file, and of `exercise.toml`."""
    return signature(exercise.work), signature(exercise.folder / SPEC)


def text_of(exercise: Exercise, page: PageName) -> Event:
    """The text of the page `task` or `why`, or why there is none."""
    try:
        if page == "why":
            return TextRead(page, solution_text(exercise))
        return TextRead(page, exercise.text.read_text(encoding="utf-8"))
    except OSError as error:
        return NoteShown(f"cannot read {shown_path(Path(error.filename))}: {error.strerror}")
    except UnicodeDecodeError as error:
        return NoteShown(f"cannot read it as UTF-8: {error.reason}")
    except UsageError as error:
        return NoteShown(str(error))


def put_back(workplace: Workplace, exercise: Exercise) -> Event:
    """Put the starter back; says where the learner's file is now, or why nothing was done."""
    try:
        kept = fresh.reset(workplace, exercise)
    except UsageError as error:
        return NoteShown(str(error))
    where = f"; yours is {shown_path(kept)}" if kept else ""
    return StarterRestored(f"the starter is back{where}")
