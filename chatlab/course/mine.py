"""What `mine` is: for each part, the learner's latest exercise about it whose checks pass.

Two exercises may be about one part (a queue, then a queue that loses nothing): the later one counts
as soon as it passes. `--mode mine` takes only what passes. `+reader=mine` takes what there is: who
asks for just that part may want to see it fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from chatlab.chat.user_parts import UserParts
from chatlab.course.catalog import Exercise
from chatlab.course.checking import judge
from chatlab.course.knobs import knobs_of
from chatlab.course.verdicts import Judged
from chatlab.course.workplace import Workplace

KNOBS = "knobs"
"""What an exercise is about that is not about a part."""
AT_ONCE = 2
"""Exercises that are checked at the same time; each needs a processor."""


class Mine(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        own: what `mine` stands for.
        not_passed: exercises that are not taken, and the first thing that is wrong with each.
    """

    own: UserParts
    not_passed: dict[str, str]


async def find_mine(workplace: Workplace, tell: Callable[[str], None] = lambda _: None) -> Mine:
    """Check every exercise that is about a part.

    Args:
        tell: hears the name of each exercise when it is checked.

    Raises:
        UsageError: the course is not as it should be.
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
        if role == KNOBS:
            knobs |= knobs_of(exercise.work) if result.passed else {}
            continue
        if result.passed or role not in parts:
            parts[role] = f"{exercise.work.resolve()}:{exercise.spec.class_name}"
            labels[role] = exercise.name
        if result.passed and role not in solved:
            solved.append(role)
    return Mine(UserParts(parts, labels, solved, knobs), not_passed)


def _why(judged: Judged) -> str:
    if judged.broken:
        return judged.broken
    if judged.unsure:
        return "nobody can tell: check it again"
    failed = judged.first_failure
    return f"it does not pass {failed.check}" if failed else "it does not pass"
