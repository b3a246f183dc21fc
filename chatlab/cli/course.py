"""`chatlab check`, `reset`, `replay` and `list`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatlab import exit_codes
from chatlab.cli.options import CourseFolder, ExerciseName, check_writable

if TYPE_CHECKING:
    from chatlab.cli.course_open import OpenCourse
    from chatlab.course.catalog import Exercise
    from chatlab.course.progress import Standing
    from chatlab.course.verdicts import Judged

TO_STDOUT = Path("-")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def check(
    name: ExerciseName = None,
    course: CourseFolder = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the result to FILE; - prints it."),
    ] = None,
) -> None:
    """Check your file of an exercise, and say what to look at next.

    Exit code: 0 when it has passed, 1 when it has not, 2 for a mistake in the command.
    """
    from chatlab.cli.course_open import open_course, show

    if json != TO_STDOUT:
        check_writable("--json", json)
    opened = open_course(course)
    exercise = opened.exercise(name)
    judged = check_and_keep(opened, exercise)
    if json is not None:
        from chatlab.course.verdicts import encode

        _write(json, encode(judged, exercise))
    if json != TO_STDOUT:
        from chatlab.view.course import feedback as results

        show(results.check(judged, exercise))
    opened.say_notes()
    sys.exit(exit_codes.of(judged.passed))


def reset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="02, cache or 02_cache.")],
    yes: Yes = False,
    course: CourseFolder = None,
) -> None:
    """Put the starter of an exercise back. Your file is kept in .chatlab/backups."""
    from chatlab.cli.course_open import open_course
    from chatlab.course import workplace as fresh
    from chatlab.view.course.common import shown_path

    opened = open_course(course)
    exercise = opened.exercise(name)
    file = shown_path(exercise.work)
    changed = exercise.work.exists() and (
        fresh.starter(opened.workplace, exercise) != exercise.work.read_bytes()
    )
    if changed and not yes and sys.stdin.isatty():
        typer.confirm(f"Put the starter back into {file}? Yours is kept", abort=True)
    kept = fresh.reset(opened.workplace, exercise)
    if kept is not None:
        print(f"your file is now {shown_path(kept)}")
    print(f"{file} is as it was in the beginning")
    opened.say_notes()


def replay(
    name: ExerciseName = None,
    check: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECK",
            help="Which check.  \\[default: the one that failed last]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Which order of events.  \\[default: the one that failed last]"
        ),
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Run one check again, just as it failed, and tell the whole story.

    Exit code: 0 when it passes now, 1 when it still does not, 2 for a mistake in the command.
    """
    from chatlab.cli.course_open import open_course, show
    from chatlab.course.judge import judge
    from chatlab.view.course import feedback as view

    opened = open_course(course)
    exercise = opened.exercise(name)
    check, seed = _what_to_replay(exercise, opened.progress.of(exercise.name), check, seed)
    seeds = () if seed is None else (seed,)
    judged = _run(judge(exercise, only=[check], seeds=seeds, whole_story=True))
    show(view.replay(judged, exercise, check, seed))
    opened.say_notes()
    sys.exit(exit_codes.of(judged.passed))


def list_exercises(course: CourseFolder = None) -> None:
    """List all exercises: points, what has passed, and which one is next."""
    from chatlab.cli.course_open import open_course, show
    from chatlab.view.course import listing

    opened = open_course(course)
    show(listing.exercises(opened.exercises, opened.progress))
    opened.say_notes()


def check_and_keep(opened: OpenCourse, exercise: Exercise) -> Judged:
    """Check all of an exercise, and record what came out."""
    from chatlab.course.judge import judge
    from chatlab.course.progress import checked, moment

    judged = _run(judge(exercise))
    opened.kept.update(lambda progress: checked(progress, judged, moment()))
    return judged


def _what_to_replay(
    exercise: Exercise, standing: Standing, check: str | None, seed: int | None
) -> tuple[str, int | None]:
    """The check and its seed, from what failed last where they are left out.

    Raises:
        UsageError: nothing is known to have failed, or there is no such check.
    """
    from chatlab.errors import UsageError

    names = [one.name for one in exercise.spec.checks]
    last = standing.failure
    if check is None:
        if last is None or last.check not in names:
            raise UsageError(
                f"nothing of {exercise.name} is known to have failed: `chatlab check "
                f"{exercise.name}` tries it. Or name a check: {', '.join(names)}"
            )
        check = last.check
    if check not in names:
        raise UsageError(f"{exercise.name} has no check {check!r}; it has: {', '.join(names)}")
    if seed is None and last is not None and last.check == check:
        seed = last.seed
    return check, seed


def _run(judging: Coroutine[Any, Any, Judged]) -> Judged:
    try:
        return asyncio.run(judging)
    except KeyboardInterrupt:
        print("stopped: nothing was recorded", file=sys.stderr)
        sys.exit(exit_codes.INTERRUPTED)


def _write(path: Path, data: bytes) -> None:
    if path == TO_STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        path.write_bytes(data)
