"""The course, itself under test: what is claimed of each exercise is tried.

- a starter can be run, and fails each graded check;
- a solution passes every check under many seeds;
- each named wrong answer fails the check that it names, and no other;
- hints, texts and reasons are there, and the points add up;
- the commands that its text shows can be run.

A wrong answer names its check in its first docstring: `Fails: single_flight`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from chatlab.course.catalog import POINTS, TEXT, WHY, WORK, Exercise
from chatlab.course.checking import judge
from chatlab.course.shown import commands_in, failing_commands
from chatlab.course.verdicts import Judged, Limits

SEEDS = 200
WRONG_MIN = 3
HINTS_MIN = 3
TEXT_MIN = 200
"""Characters; a text with less says nothing yet."""

IMPATIENT = Limits(blocked_s=2.0)
"""Of a wrong answer that blocks for ever it is known that it does."""

_FAILS = re.compile(r"^Fails: (\w+)$", re.MULTILINE)


class Problem(msgspec.Struct, frozen=True):
    """Something about an exercise that is not as it is claimed.

    Attributes:
        exercise: its name.
        where: the file concerned.
        what: a sentence.
    """

    exercise: str
    where: Path
    what: str


async def verify(
    exercise: Exercise,
    seeds: int = SEEDS,
    tell: Callable[[str], None] = lambda _: None,
    *,
    commands: bool = True,
) -> list[Problem]:
    """Try an exercise; returns what is wrong with it.

    Args:
        seeds: how many the solution must pass under.
        tell: hears what is being tried.
        commands: whether to run those that its text shows, which takes the longest.
    """
    tell(f"{exercise.name}: the starter")
    problems = [*_complete(exercise), *await _starter(exercise)]
    tell(f"{exercise.name}: the solution, under {seeds} seeds")
    problems += await _solution(exercise, seeds)
    for path in exercise.wrong:
        tell(f"{exercise.name}: the wrong answer {path.stem}")
        problems += await _wrong(exercise, path)
    if commands and exercise.text.is_file() and commands_in(exercise.text):
        tell(f"{exercise.name}: the commands in {TEXT}")
        failing = await failing_commands(exercise)
        problems += [Problem(exercise.name, exercise.text, what) for what in failing]
    return problems


def named_check(path: Path) -> str | None:
    """The check that a wrong answer says it fails; None if it says nothing, or is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    found = _FAILS.search(ast.get_docstring(tree) or "")
    return found[1] if found else None


def _complete(exercise: Exercise) -> list[Problem]:
    wanted = {
        f"it has {len(exercise.wrong)} wrong answers of {WRONG_MIN}": len(exercise.wrong)
        >= WRONG_MIN,
        f"it has {len(exercise.spec.hints)} hints of {HINTS_MIN}": len(exercise.spec.hints)
        >= HINTS_MIN,
        f"its checks are worth {exercise.points} points and not {POINTS}": exercise.points
        == POINTS,
        "it names no objectives": bool(exercise.spec.objectives),
    }
    texts = (exercise.text, exercise.answers / WHY, exercise.answers / WORK)
    wanted |= {f"{path.name} is missing, or empty": _has_text(path) for path in texts}
    return [
        Problem(exercise.name, exercise.folder, what) for what, holds in wanted.items() if not holds
    ]


def _has_text(path: Path) -> bool:
    return path.is_file() and len(path.read_text("utf-8", "replace").strip()) > TEXT_MIN


async def _starter(exercise: Exercise) -> list[Problem]:
    judged = await judge(exercise, alone=True)
    problems = _broken(judged)
    for result in judged.results:
        if result.of and result.verdict != "failed":
            what = f"the starter does not fail {result.check}: it is {result.verdict}"
            problems.append(Problem(exercise.name, judged.work, f"{what} {result.actual}".strip()))
    return problems


async def _solution(exercise: Exercise, seeds: int) -> list[Problem]:
    judged = await judge(exercise, exercise.answers / WORK, seeds=range(seeds))
    problems = _broken(judged)
    for result in judged.results:
        if result.verdict != "passed":
            what = (
                f"the solution does not pass {result.check}, with seed {result.seed}: expected "
                f"{result.expected}, found {result.actual}"
            )
            problems.append(Problem(exercise.name, judged.work, what))
    return problems


async def _wrong(exercise: Exercise, path: Path) -> list[Problem]:
    named = named_check(path)
    judged = await judge(exercise, path, limits=IMPATIENT)
    problems = _broken(judged)
    failed = [result.check for result in judged.results if result.verdict == "failed"]
    unsure = [result.check for result in judged.results if result.verdict == "unsure"]
    if named is None:
        problems.append(Problem(exercise.name, path, "its docstring does not say `Fails: CHECK`"))
    elif failed != [named] or unsure:
        what = f"it should fail {named} alone; it fails {', '.join(failed) or 'nothing'}"
        unclear = f", and nobody can tell about {', '.join(unsure)}" if unsure else ""
        problems.append(Problem(exercise.name, path, what + unclear))
    return problems


def _broken(judged: Judged) -> list[Problem]:
    if not judged.broken:
        return []
    where = f" (line {judged.line})" if judged.line else ""
    return [Problem(judged.exercise, judged.work, f"it cannot be used: {judged.broken}{where}")]
