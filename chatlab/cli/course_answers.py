"""`chatlab hint` and `solution`."""

from __future__ import annotations

from typing import Annotated

import typer

from chatlab.cli.options import CourseFolder, ExerciseName


def hint(
    name: ExerciseName = None,
    stage: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Show the first N.  \\[default: one more than last time]"
        ),
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Show a hint; each call shows one more: a nudge, a direction, nearly the answer."""
    from rich.console import Group
    from rich.text import Text

    from chatlab.cli.course_open import open_course, show
    from chatlab.course.progress import hinted
    from chatlab.view.course import listing

    opened = open_course(course)
    exercise = opened.exercise(name)
    total = len(exercise.spec.hints)
    shown = min(stage or opened.progress.of(exercise.name).hints + 1, total)
    opened.kept.update(lambda progress: hinted(progress, exercise.name, shown))
    after = f"One more: chatlab hint {exercise.name}"
    if opened.kept.notes and shown < total:
        after += f" --stage {shown + 1}"
    if shown >= total:
        after = f"That was the last one. The answer: chatlab solution {exercise.name} --give-up"
    show(
        Group(
            listing.hint_heading(exercise),
            Text(),
            listing.hints(exercise, shown) if total else Text("It has no hints.\n"),
            Text(after, style="dim"),
        )
    )
    opened.say_notes()


def solution(
    name: ExerciseName = None,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Show it before you have passed; that is recorded.")
    ] = False,
    course: CourseFolder = None,
) -> None:
    """Show a solution, why it works and what it costs: the reward for having passed."""
    from chatlab.cli.course_open import open_course, show
    from chatlab.course.answers import solution_text
    from chatlab.course.progress import gave_up
    from chatlab.errors import UsageError
    from chatlab.view.course.texts import MarkdownText

    opened = open_course(course)
    exercise = opened.exercise(name)
    standing = opened.progress.of(exercise.name)
    if not (standing.passed or standing.gave_up or give_up):
        raise UsageError(
            f"{exercise.name} has not passed yet: `chatlab hint {exercise.name}` helps on. "
            f"`chatlab solution {exercise.name} --give-up` shows it all the same; that is recorded"
        )
    text = solution_text(exercise)
    if not standing.passed:
        opened.kept.update(lambda progress: gave_up(progress, exercise.name))
    show(MarkdownText(text))
    opened.say_notes()
