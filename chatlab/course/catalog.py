"""The exercises: read from their folders, checked, and put in order.

An exercise is a folder `exercises/NN_name/` with `README.md`, `exercise.toml` and `work.py`. Its
answers lie under the same name in `solutions/`. Nothing here runs any of that code; a check is
only loaded when it runs, in a child process.

Owns the format of `exercise.toml`:

    title = "A cache in front of the files"
    part = "reader"                 # the role of the learner's class; omitted if it has none
    class = "CachingReader"         # in work.py
    goal = "One sentence: what to do."
    minutes = 40
    objectives = ["..."]
    hints = ["a nudge", "a direction", "nearly the answer"]
    see = ["chatlab compare naive naive+reader=mine"]

    [[checks]]
    name = "single_flight"          # a check of chatlab/course/checks/cache.py
    points = 2                      # 0: it must pass, but earns no points
    needs = ["reads"]               # skipped if one of these has failed
    full = 1                        # a budget, for checks that count
    zero = 20

The folder's name says where its checks are: those of `02_cache` are in
`chatlab/course/checks/cache.py`. An exercise that a teacher adds may have a `checks.py` in its own
folder instead.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from chatlab.disk.text_files import NotText, text_of
from chatlab.errors import UsageError

EXERCISES, SOLUTIONS, WRONG = "exercises", "solutions", "wrong"
SPEC, WORK, TEXT, WHY, OWN_CHECKS = "exercise.toml", "work.py", "README.md", "WHY.md", "checks.py"
POINTS = 10
"""What each exercise is worth."""

_NAME = re.compile(r"\d\d_[a-z0-9_]+")


class CheckSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of an exercise.

    Attributes:
        name: in the module of its exercise's checks.
        points: what it is worth; 0 if it only has to pass.
        needs: names of checks that must pass before it makes sense.
        full, zero: the budget of a check that counts: what earns all points, and none.
        seeds: how many it runs with; None for the default of its kind.
    """

    name: str
    points: int = 0
    needs: list[str] = []
    full: float | None = None
    zero: float | None = None
    seeds: int | None = None


class ExerciseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `exercise.toml` says; see the head of this file."""

    title: str
    goal: str
    objectives: list[str]
    hints: list[str]
    checks: list[CheckSpec]
    part: str = ""
    class_name: str = msgspec.field(name="class", default="")
    minutes: int = 30
    see: list[str] = []


class Exercise(msgspec.Struct, frozen=True):
    """An exercise and where it lies.

    Attributes:
        folder: of the learner's copy.
        answers: its folder among the solutions; may not be there.
    """

    name: str
    folder: Path
    answers: Path
    spec: ExerciseSpec

    @property
    def number(self) -> str:
        """`02`."""
        return self.name[:2]

    @property
    def topic(self) -> str:
        """`cache`, of `02_cache`."""
        return self.name[3:]

    @property
    def work(self) -> Path:
        """The file that the learner fills in."""
        return self.folder / WORK

    @property
    def text(self) -> Path:
        """The file that explains it."""
        return self.folder / TEXT

    @property
    def checks(self) -> str:
        """Where its checks are: a module's name, or the path of the folder's own `checks.py`."""
        own = self.folder / OWN_CHECKS
        return str(own.resolve()) if own.is_file() else f"chatlab.course.checks.{self.topic}"

    @property
    def wrong(self) -> list[Path]:
        """The named wrong answers, as diffs to the solution; see `answers.py`."""
        return sorted((self.answers / WRONG).glob("*.diff"))

    @property
    def points(self) -> int:
        """What it is worth."""
        return sum(check.points for check in self.spec.checks)


def load_all(exercises: Path, solutions: Path) -> list[Exercise]:
    """Every exercise in a folder, in order.

    Raises:
        UsageError: there are none, or one is not valid; says which and why.
    """
    try:
        folders = sorted(
            path for path in exercises.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)
        )
    except OSError as error:
        raise UsageError(f"cannot read {exercises}: {error.strerror}") from error
    if not folders:
        raise UsageError(
            f"{exercises} has no exercises: they are folders such as 01_measure. "
            "`chatlab learn init DIR` makes a fresh copy of the course"
        )
    return [load(folder, solutions / folder.name) for folder in folders]


def load(folder: Path, answers: Path) -> Exercise:
    """One exercise.

    Raises:
        UsageError: its `exercise.toml` cannot be read, or is not valid.
    """
    path = folder / SPEC
    try:
        spec = msgspec.toml.decode(text_of(path.read_bytes()), type=ExerciseSpec)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}{_RESTORE}") from error
    except NotText as error:
        raise UsageError(f"{path} {error}{_RESTORE}") from error
    except (msgspec.MsgspecError, ValueError) as error:  # a TOML mistake is a ValueError
        raise UsageError(f"{path}: {error}{_RESTORE}") from error
    if (mistake := _mistake(spec)) is not None:
        raise UsageError(f"{path}: {mistake}{_RESTORE}")
    return Exercise(folder.name, folder, answers, spec)


_RESTORE = "; if you did not mean to change it, `chatlab learn init DIR` makes a fresh copy"


def find(exercises: list[Exercise], text: str) -> Exercise:
    """The exercise named `02`, `2`, `cache` or `02_cache`.

    Raises:
        UsageError: there is none; says which ones there are.
    """
    wanted = text.strip().rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    for exercise in exercises:
        names = (exercise.name, exercise.topic, exercise.number, exercise.number.lstrip("0"))
        if wanted and wanted in names:
            return exercise
    there_are = ", ".join(exercise.name for exercise in exercises)
    raise UsageError(f"there is no exercise {text!r}; there are: {there_are}")


def _mistake(spec: ExerciseSpec) -> str | None:
    from chatlab.chat.modes import PARTS  # not at the top: a judge's child needs no parts

    names = [check.name for check in spec.checks]
    if not names:
        return "it has no checks"
    if len(set(names)) < len(names):
        return "two checks have the same name"
    if spec.part and spec.part not in PARTS and spec.part != "knobs":
        return f"part = {spec.part!r} is not one of {', '.join(PARTS)}, knobs"
    if spec.part in PARTS and not spec.class_name:
        return f"part = {spec.part!r}, but no class for it"
    for number, check in enumerate(spec.checks):
        unknown = set(check.needs) - set(names[:number])
        if unknown:
            return f"check {check.name!r} needs {sorted(unknown)}, which do not come before it"
        if (check.full is None) != (check.zero is None):
            return f"check {check.name!r} has full or zero, but not both"
        if check.full is not None and check.zero is not None and check.full >= check.zero:
            return f"check {check.name!r}: full = {check.full:g}, but zero is not more than that"
        if check.seeds is not None and check.seeds < 1:
            return f"check {check.name!r} runs with {check.seeds} seeds"
        if check.points < 0:
            return f"check {check.name!r} has {check.points} points"
    return None
