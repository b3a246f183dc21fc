"""Where a learner works: a folder with `exercises/` in it, found from the folder that one is in.

What is kept about the learner lies beside it in `.chatlab/`: progress, and backups of what a reset
replaced. The answers come from the workplace itself if it has any (a checkout has), else out of the
installed package.
"""

from __future__ import annotations

from pathlib import Path

from chatlab.course.catalog import EXERCISES, SOLUTIONS, SPEC, Exercise, load_all
from chatlab.errors import UsageError

STATE = ".chatlab"


class Workplace:
    """A folder in which someone does the exercises.

    Args:
        root: has `exercises/` in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def state(self) -> Path:
        """The folder for what is kept about the learner; made by whoever writes into it."""
        return self.root / STATE

    @property
    def exercises(self) -> list[Exercise]:
        """All exercises, in order, read anew each time.

        Raises:
            UsageError: there is none, or one is not as it should be.
        """
        own = self.root / SOLUTIONS
        answers = own if own.is_dir() else packaged() / SOLUTIONS
        return load_all(self.root / EXERCISES, answers)


def find_workplace(course: Path | None = None) -> Workplace:
    """The workplace in a folder, or the nearest around the current one.

    Args:
        course: the folder that the user named; None to look around.

    Raises:
        UsageError: there is none; says how to make one.
    """
    if course is not None:
        if not is_course(course):
            raise UsageError(f"{course} is no course: it has no {EXERCISES}/NN_name/{SPEC} in it")
        return Workplace(course)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if is_course(folder):
            return Workplace(folder)
    raise UsageError(
        f"there is no course in {here}, nor above it. `chatlab learn init chatlab-course` makes "
        "one; then `cd chatlab-course`, and again"
    )


def is_course(folder: Path) -> bool:
    """Whether a folder has exercises in it."""
    return any((folder / EXERCISES).glob(f"*/{SPEC}"))


def packaged() -> Path:
    """The folder of the course that came with chatlab: in the package, or around a checkout's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_course"
    return installed if installed.is_dir() else package.parent
