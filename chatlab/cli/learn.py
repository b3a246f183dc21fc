"""`chatlab learn` and `chatlab learn init`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from chatlab.cli.course import open_course, show
from chatlab.cli.options import CourseFolder
from chatlab.course.workplace import Workplace, find_workplace, make_course
from chatlab.view.course import feedback, listing
from chatlab.view.course.common import many, shown_path

NEW_COURSE = Path("chatlab-course")

app = typer.Typer(invoke_without_command=True)


@app.callback()
def learn(
    context: typer.Context,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="NAME",
            help="Begin with this exercise.  \\[default: the first that has not passed]",
        ),
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Do the course: checks your file each time you save it. `chatlab learn init` makes a copy.

    Keep it open beside your editor. It shows what to do next, and never moves on by itself.
    """
    if context.invoked_subcommand is not None:
        return
    if _is_interactive():
        from chatlab.cli.learn_loop import LearnSession

        sys.exit(asyncio.run(LearnSession(find_workplace(course), at).run()))
    _check_once(course, at)


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder.", file_okay=False)
    ] = NEW_COURSE,
) -> None:
    """Copy the exercises into a folder, to work in. Existing files are never overwritten."""
    added = make_course(folder)
    exercises = Workplace(folder).exercises
    points = sum(one.points for one in exercises)
    where = shown_path(folder)
    print(f"{where}: {many(len(exercises), 'exercise')}, {points} points in all")
    print(f"{many(added, 'file')} added" if added else "nothing was missing, nothing was changed")
    print("\nNext:")
    if folder.resolve() != Path.cwd():
        print(f'  cd "{where}"' if " " in where else f"  cd {where}")
    print("  chatlab learn")


def _is_interactive() -> bool:
    """Whether a person sits at a terminal that can draw full screens."""
    both = sys.stdin.isatty() and sys.stdout.isatty()
    return both and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _check_once(course: Path | None, at: str | None) -> None:
    """Without a terminal: check one exercise once, and show where the learner stands."""
    opened = open_course(course)
    exercise = opened.exercise(at)
    judged = opened.check(exercise)
    show(listing.exercises(opened.exercises, opened.kept.read(), exercise))
    print()
    show(feedback.check(judged, exercise))
    print("(this is not a terminal to draw on, so your file is not watched)")
    opened.say_notes()
