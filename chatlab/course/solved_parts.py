"""What `mine` stands for: for each part, the learner's latest exercise about it whose checks pass.

Two exercises may be about one part (a queue, then a queue that loses nothing): the later one counts
as soon as it passes. `--mode mine` takes only what passes. `+reader=mine` takes what there is:
whoever asks for just that part may want to see it fail.

Knobs are read out of `work.py` without running it, as they stand in a mode's name:
`optimized+batch-size=220+flush-interval=0.075`. A file that is only read cannot do anything, so the
server can take its numbers from there at every start.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from chatlab.chat.settings import KNOBS
from chatlab.chat.user_parts import UserParts
from chatlab.course.catalog import Exercise
from chatlab.course.judge import judge
from chatlab.course.verdicts import Judged
from chatlab.course.workplace import Workplace
from chatlab.disk.text_files import NotText, check_source
from chatlab.errors import UsageError

ABOUT_KNOBS = "knobs"
"""The `part` of an exercise about knobs."""
AT_ONCE = 2
"""Exercises that are checked at the same time; each needs a processor."""


class SolvedParts(msgspec.Struct, frozen=True):
    """What `mine` stands for.

    Attributes:
        user_parts: for the servers to use.
        not_passed: exercises that are left out, and the first thing that is wrong with each.
    """

    user_parts: UserParts
    not_passed: dict[str, str]


async def find_mine(
    workplace: Workplace, tell: Callable[[str], None] = lambda _: None
) -> SolvedParts:
    """Check every exercise that is about a part.

    Args:
        tell: is called with the name of each exercise when its check begins.

    Raises:
        UsageError: the course is not valid.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def judged(exercise: Exercise) -> Judged:
        async with places:
            tell(exercise.name)
            return await judge(exercise)

    exercises = [one for one in workplace.exercises if one.spec.part]
    results = await asyncio.gather(*map(judged, exercises))
    parts: dict[str, str] = {}
    labels: dict[str, str] = {}
    solved: list[str] = []
    knobs: dict[str, str] = {}
    not_passed: dict[str, str] = {}
    for exercise, result in zip(exercises, results, strict=True):
        role = exercise.spec.part
        if not result.passed:
            not_passed[exercise.name] = _why(result)
        if role == ABOUT_KNOBS:
            knobs |= knobs_of(exercise.work) if result.passed else {}
            continue
        if result.passed or role not in parts:
            parts[role] = f"{exercise.work.resolve()}:{exercise.spec.class_name}"
            labels[role] = exercise.name
        if result.passed and role not in solved:
            solved.append(role)
    return SolvedParts(UserParts(parts, labels, solved, knobs), not_passed)


def _why(judged: Judged) -> str:
    if judged.broken:
        return judged.broken
    if judged.unsure:
        return "its checks could not tell: check it again"
    failed = judged.first_failure
    return f"it does not pass {failed.check}" if failed else "it does not pass"


CONSTANTS = {"BATCH_SIZE": "batch-size", "FLUSH_INTERVAL_S": "flush-interval"}
"""Constants at the top of a learner's file, and the knobs that they set."""


class NoPlainNumber(UsageError):
    """A constant is missing, or is not a number that can be read without running the file.

    Args:
        line: of the file, from 1; 0 where it is missing altogether.
    """

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path}{f', line {line}' if line else ''}: {what}")
        self.line = line
        self.what = what


def knobs_of(path: Path) -> dict[str, str]:
    """The knobs that a learner's file sets, as they stand in a mode's name.

    Returns:
        A knob's name to its value, e.g. {"batch-size": "220", "flush-interval": "0.075"}.

    Raises:
        NoPlainNumber: a constant is missing, is no plain number, or one that its knob cannot have;
            it is a UsageError that names the line.
        UsageError: the file cannot be read, or is no Python.
    """
    try:
        source = path.read_bytes()
        check_source(source)
        tree = ast.parse(source)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except NotText as error:
        raise UsageError(f"{path} {error}") from error
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path} is no Python: {error}") from error
    constants = dict(filter(None, map(_constant, tree.body)))  # of two, the last one counts
    knobs = {}
    for name, knob in CONSTANTS.items():
        if name not in constants:
            raise NoPlainNumber(path, 0, f"there is no {name} = ... at the top of the file")
        knobs[knob] = _plain(path, name, knob, constants[name])
    return knobs


def _constant(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name and value of `NAME = ...` or `NAME: int = ...`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, value
    return None


def _plain(path: Path, name: str, knob: str, node: ast.expr) -> str:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):  # a TypeError: {[]: 1}
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = f"{name} = {ast.unparse(node)}: write a plain number, not something to compute"
        raise NoPlainNumber(path, node.lineno, what)
    text = str(value)
    try:
        KNOBS[knob].value(text)
    except UsageError as error:
        raise NoPlainNumber(path, node.lineno, f"{name} = {text}: {error}") from error
    return text
