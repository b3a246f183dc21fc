"""The course, itself under test: what is claimed of each exercise is tried.

- a starter can be run, and fails each graded check;
- a solution passes every check under many seeds;
- each named wrong answer applies to the solution, fails the check that it names, and no other;
- hints, texts and reasons are there, and the points add up;
- the commands that its text shows can be run.

Read `answers.py` for what a wrong answer looks like.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from chatlab.course.answers import read_wrong, whole_file
from chatlab.course.catalog import POINTS, TEXT, WHY, WORK, WRONG, Exercise
from chatlab.course.checking import judge
from chatlab.course.shown import commands_in, failing_commands
from chatlab.course.verdicts import Judged, Limits
from chatlab.errors import UsageError

SEEDS = 200
WRONG_MIN = 3
HINTS_MIN = 3
TEXT_MIN = 200
"""Characters; a text with less says nothing yet."""

IMPATIENT = Limits(blocked_s=2.0)
"""Of a wrong answer that blocks for ever it is known that it does."""


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
        problems += [Problem(exercise.name, path, what) for what in await _wrong(exercise, path)]
    if commands and exercise.text.is_file() and commands_in(exercise.text):
        tell(f"{exercise.name}: the commands in {TEXT}")
        failing = await failing_commands(exercise)
        problems += [Problem(exercise.name, exercise.text, what) for what in failing]
    return problems


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
    problems = [
        Problem(exercise.name, exercise.folder, what) for what, holds in wanted.items() if not holds
    ]
    whole = sorted((exercise.answers / WRONG).glob("*.py"))
    is_no_diff = "a wrong answer is a diff to the solution, with the ending .diff"
    return problems + [Problem(exercise.name, path, is_no_diff) for path in whole]


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


async def _wrong(exercise: Exercise, path: Path) -> list[str]:
    """What is wrong with a wrong answer."""
    try:
        wrong = read_wrong(path)
        code = whole_file(wrong, exercise)
    except UsageError as error:
        return [str(error)]
    with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as folder:
        work = Path(folder) / f"{wrong.name}.py"
        work.write_text(code, encoding="utf-8")
        judged = await judge(exercise, work, limits=IMPATIENT)
    if judged.broken:
        return [problem.what for problem in _broken(judged)]
    problems = []
    failed = [result.check for result in judged.results if result.verdict == "failed"]
    unsure = [result.check for result in judged.results if result.verdict == "unsure"]
    if not wrong.check:
        problems.append("it does not say `Fails: CHECK` before its diff")
    elif failed != [wrong.check] or unsure:
        what = f"it should fail {wrong.check} alone; it fails {', '.join(failed) or 'nothing'}"
        unclear = f", and nobody can tell about {', '.join(unsure)}" if unsure else ""
        problems.append(what + unclear)
    if not wrong.reason:
        problems.append("it does not say before its diff what is wrong, and why that matters")
    return problems


def _broken(judged: Judged) -> list[Problem]:
    if not judged.broken:
        return []
    where = f" (line {judged.line})" if judged.line else ""
    return [Problem(judged.exercise, judged.work, f"it cannot be used: {judged.broken}{where}")]
