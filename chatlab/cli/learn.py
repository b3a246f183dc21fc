"""`chatlab learn` and `chatlab learn init`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatlab.cli.options import CourseFolder

if TYPE_CHECKING:
    from chatlab.cli.course_open import OpenCourse

DEFAULT_FOLDER = Path("chatlab-course")

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

    Keep it open beside your editor. It shows what to do next, and never goes on by itself.
    """
    if context.invoked_subcommand is not None:
        return
    from chatlab.cli.course_open import open_course
    from chatlab.course.workplace import find_workplace

    if _is_a_screen():
        from chatlab.cli.learn_loop import LearnSession

        sys.exit(asyncio.run(LearnSession(find_workplace(course), at).run()))
    _once(open_course(course), at)


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder.", file_okay=False)
    ] = DEFAULT_FOLDER,
) -> None:
    """Make a copy of the exercises, to work in. Nothing that is there is ever overwritten."""
    from chatlab.course.workplace import Workplace, make_course
    from chatlab.view.course.common import many, shown_path

    added = make_course(folder)
    exercises = Workplace(folder).exercises
    points = sum(one.points for one in exercises)
    where = shown_path(folder)
    print(f"{where}: {many(len(exercises), 'exercise')}, {points} points in all")
    print(f"{many(added, 'file')} added" if added else "nothing was missing, nothing was changed")
    print("\nGo on with:")
    if folder.resolve() != Path.cwd():
        print(f'  cd "{where}"' if " " in where else f"  cd {where}")
    print("  chatlab learn")


def _is_a_screen() -> bool:
    """Whether there is a terminal that can show one screen after the other."""
    both = sys.stdin.isatty() and sys.stdout.isatty()
    return both and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _once(opened: OpenCourse, at: str | None) -> None:
    """Without a terminal there is nobody to watch with: the state, once."""
    from chatlab.cli.course import check_and_keep
    from chatlab.cli.course_open import show
    from chatlab.view.course import feedback as results
    from chatlab.view.course import listing

    exercise = opened.exercise(at)
    judged = check_and_keep(opened, exercise)
    show(listing.exercises(opened.exercises, opened.kept.read(), exercise))
    print()
    show(results.check(judged, exercise))
    print("(this is no terminal that can be drawn on, so nothing is watched)")
    opened.say_notes()
