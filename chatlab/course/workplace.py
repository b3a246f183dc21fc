"""Where a learner works: a folder with `exercises/` in it, and the fresh copies that go there.

A workplace is found from the current folder upwards. What is kept about the learner lies beside the
exercises in `.chatlab/`: progress, and backups of what a reset replaced. The answers come from the
workplace itself if it has any (a checkout has), else from the installed package.

Nothing here overwrites what a learner has written: a new course only adds files, and a reset keeps
a copy of what it replaces.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from chatlab.course.catalog import EXERCISES, SOLUTIONS, SPEC, Exercise, load_all
from chatlab.disk.counted import Disk
from chatlab.errors import UsageError

STATE, BACKUPS = ".chatlab", "backups"
GIT_TIMEOUT_S = 10.0


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
    def is_original(self) -> bool:
        """Whether it is the course that came with chatlab, in its source, and no copy of it."""
        original, here = packaged() / EXERCISES, self.root / EXERCISES
        return original.is_dir() and here.is_dir() and original.samefile(here)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the learner should know of the folder."""
        said = (
            f"this is chatlab's own source, {self.root}: `chatlab learn init` makes a copy for you"
        )
        return (said,) if self.is_original else ()

    @property
    def exercises(self) -> list[Exercise]:
        """All exercises, in order, read anew each time.

        Raises:
            UsageError: there are none, or one is not valid.
        """
        own = self.root / SOLUTIONS
        answers = own if own.is_dir() else packaged() / SOLUTIONS
        return load_all(self.root / EXERCISES, answers)


def find_workplace(course: Path | None = None) -> Workplace:
    """The workplace in a folder, or the nearest at or above the current one.

    Args:
        course: the folder that the user named; None to search.

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
        "one; then `cd chatlab-course` and try again"
    )


def is_course(folder: Path) -> bool:
    """Whether a folder has exercises in it."""
    return any((folder / EXERCISES).glob(f"*/{SPEC}"))


def packaged() -> Path:
    """The folder of the course that came with chatlab: in the package, or around a checkout's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_course"
    return installed if installed.is_dir() else package.parent


# A fresh course


def make_course(target: Path, source: Path | None = None) -> int:
    """Copy the exercises into a folder; returns how many files were added.

    Args:
        target: made if it does not exist; an existing course gets the files that it lacks.
        source: has `exercises/` in it; by default the course that came with chatlab.

    Raises:
        UsageError: the folder has something else in it, or cannot be written.
    """
    source = (source or packaged()) / EXERCISES
    if not source.is_dir():
        raise UsageError(f"this chatlab came without exercises: there is no {source}")
    try:
        if not is_course(target) and _has_content(target):
            raise UsageError(
                f"{target} has other files in it: name a new folder, such as "
                f"{target / 'chatlab-course'}"
            )
        files = [path for path in sorted(source.rglob("*")) if _belongs_to_a_course(path)]
        return sum(_add(path, target / EXERCISES / path.relative_to(source)) for path in files)
    except OSError as error:
        raise UsageError(
            f"cannot copy the exercises to {target}: {error.strerror} ({error.filename})"
        ) from error


def _belongs_to_a_course(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _add(path: Path, to: Path) -> bool:
    if to.exists():
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)  # without its permissions: the learner must be able to write the copy
    return True


def _has_content(folder: Path) -> bool:
    """Whether a folder has anything in it but hidden files: a fresh git repository has some."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder")
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


# A fresh exercise


def starter(workplace: Workplace, exercise: Exercise) -> bytes:
    """An exercise's original `work.py`.

    Raises:
        UsageError: it cannot be found.
    """
    original = packaged() / EXERCISES
    inside = exercise.work.relative_to(workplace.root).relative_to(EXERCISES)
    if workplace.is_original:
        return _committed(workplace.root, f"{EXERCISES}/{inside.as_posix()}")
    try:
        return (original / inside).read_bytes()
    except OSError as error:
        raise UsageError(
            f"the course that came with chatlab has no fresh {exercise.name}: "
            f"{error.strerror} ({original / inside})"
        ) from error


def restore_starter(workplace: Workplace, exercise: Exercise) -> Path | None:
    """Put the starter in the place of the learner's file.

    Returns the backup of the learner's file; None if there was nothing to replace.

    Raises:
        UsageError: there is no starter, or no backup can be made; then nothing has changed.
    """
    fresh = starter(workplace, exercise)
    try:
        found = exercise.work.read_bytes() if exercise.work.exists() else None
        kept = None
        if found is not None and found != fresh:
            folder = workplace.state / BACKUPS
            folder.mkdir(parents=True, exist_ok=True)
            kept = unused(folder / f"{exercise.name}-{stamp()}.py")
            Disk(folder).replace(kept.name, found, like=exercise.work.absolute())
        if found != fresh:
            Disk(exercise.folder).replace(exercise.work.name, fresh)
    except OSError as error:
        raise UsageError(
            f"{exercise.name} was not reset: {error.strerror} ({error.filename})"
        ) from error
    return kept


def _committed(root: Path, path: str) -> bytes:
    """A file of a checkout as last committed."""
    command = ["git", "-C", str(root), "show", f"HEAD:./{path}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"only git has the fresh {path} here, and git cannot run: {error}"
        ) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise UsageError(
            f"there is no fresh {path}: this is the course that came with chatlab, and git does "
            f"not have it ({said}). `chatlab learn init` with a new folder makes a fresh copy"
        )
    return done.stdout


# Names of backups


def unused(path: Path) -> Path:
    """The path, with a number at its end if such a file exists already."""
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.stem.removesuffix(f'-{number - 1}')}-{number}{path.suffix}")
    return path


def stamp() -> str:
    """Now, for a file name."""
    return datetime.now().strftime("%Y%m%d-%H%M%S")
