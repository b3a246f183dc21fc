"""What a learner has reached: data, and how each event changes it, as pure functions.

Read `progress.py` for the file that it is kept in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged

SCHEMA = "chatlab.progress/1"
RACES_MAX = 100
"""The first one is kept for good: it is the "before"."""


class Failure(msgspec.Struct, frozen=True):
    """A check that failed, and the seed with which it did."""

    check: str
    seed: int


class Standing(msgspec.Struct, frozen=True):
    """How far someone is with one exercise.

    Attributes:
        passed: once is enough, whatever becomes of the file later.
        points: the most that were earned.
        hints: how many were shown.
        gave_up: whether the answer was looked at before it passed.
        failure: the latest; None if nothing has failed yet.
        passed_at: ISO 8601, when it passed first; empty if it has not.
        checks: how often it was checked.
    """

    passed: bool = False
    points: float = 0.0
    hints: int = 0
    gave_up: bool = False
    failure: Failure | None = None
    passed_at: str = ""
    checks: int = 0


class RaceMode(msgspec.Struct, frozen=True):
    """What a comparison found of one mode.

    Attributes:
        median, low, high: messages delivered per second; the last two are the 95% interval, None
            with too few rounds.
        clean: whether the audit found nothing lost, doubled, reordered or damaged.
    """

    median: float
    low: float | None = None
    high: float | None = None
    clean: bool = True


class Race(msgspec.Struct, frozen=True):
    """A `chatlab compare` with the learner's own code in it.

    Attributes:
        when: ISO 8601.
        scenario: its name.
        history: messages in the data folder before it.
        rounds: of each mode.
        measurement: False for a demonstration, from which nothing can be concluded.
        modes: name as it was typed to what was found, the baseline first.
    """

    when: str
    scenario: str
    history: int
    rounds: int
    measurement: bool
    modes: dict[str, RaceMode]


class Progress(msgspec.Struct, frozen=True):
    """All that is kept: exercise name to standing, and races, oldest first."""

    schema: str = SCHEMA
    exercises: dict[str, Standing] = {}
    races: list[Race] = []

    def of(self, exercise: str) -> Standing:
        """The standing of one exercise."""
        return self.exercises.get(exercise, Standing())


Change = Callable[[Progress], Progress]


def checked(progress: Progress, judged: Judged, when: str) -> Progress:
    """After a check of all of an exercise."""
    before = progress.of(judged.exercise)
    failed = judged.first_failure
    first = judged.passed and not before.passed
    return _with(
        progress,
        judged.exercise,
        passed=before.passed or judged.passed,
        points=max(before.points, judged.points),
        failure=Failure(failed.check, failed.seed or 0) if failed else before.failure,
        passed_at=when if first else before.passed_at,
        checks=before.checks + 1,
    )


def hinted(progress: Progress, exercise: str, shown: int) -> Progress:
    """After that many hints have been shown."""
    return _with(progress, exercise, hints=max(progress.of(exercise).hints, shown))


def gave_up(progress: Progress, exercise: str) -> Progress:
    """After the answer was shown; before it has passed, that counts as giving up."""
    before = progress.of(exercise)
    return _with(progress, exercise, gave_up=before.gave_up or not before.passed)


def raced(progress: Progress, race: Race) -> Progress:
    """After a comparison."""
    races = [*progress.races, race]
    if len(races) > RACES_MAX:
        del races[1]
    return msgspec.structs.replace(progress, races=races)


def current(exercises: Sequence[Exercise], progress: Progress) -> Exercise:
    """The first exercise that has not passed; the last one if all have."""
    left = (one for one in exercises if not progress.of(one.name).passed)
    return next(left, exercises[-1])


def _with(progress: Progress, exercise: str, **fields: object) -> Progress:
    standing = msgspec.structs.replace(progress.of(exercise), **fields)
    return msgspec.structs.replace(progress, exercises={**progress.exercises, exercise: standing})
