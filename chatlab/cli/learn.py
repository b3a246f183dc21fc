"""`chatlab learn` and `chatlab learn init`, and the terminal: its screen, its keys, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from prompt_toolkit.input import Input, create_input
from rich.console import Console
from rich.live import Live

from chatlab import signals
from chatlab.cli.app import tell
from chatlab.cli.course import open_course, show
from chatlab.cli.keys import CTRL_C, Pressed, typed
from chatlab.cli.learn_loop import LearnSession
from chatlab.cli.options import COURSE, argument, option
from chatlab.course.workplace import Workplace, find_workplace, make_course
from chatlab.view.console import TextConsole
from chatlab.view.course import feedback, listing
from chatlab.view.course.common import shown_path
from chatlab.view.dashboard.live import drawn_at_once
from chatlab.view.words import many

NEW_COURSE = Path("chatlab-course")

app = typer.Typer(invoke_without_command=True)


@app.callback()
def learn(
    context: typer.Context,
    at: str | None = option(
        None, "NAME", "Begin with this exercise.  \\[default: the first that has not passed]"
    ),
    course: Path | None = COURSE,
) -> None:
    """Do the course: checks your file each time you save it. `chatlab learn init` makes a copy.

    Keep it open beside your editor. It shows what to do next, and never moves on by itself.
    """
    if context.invoked_subcommand is not None:
        return
    if _is_interactive():
        sys.exit(signals.run(LearnSession(find_workplace(course), terminal, at).run()))
    _check_once(course, at)


@app.command()
def init(
    folder: Path = argument(NEW_COURSE, "DIR", "A new folder.", file_okay=False),
) -> None:
    """Copy the exercises into a folder, to work in. Existing files are never overwritten."""
    added = make_course(folder)
    exercises = Workplace(folder).exercises
    points = sum(one.points for one in exercises)
    where = shown_path(folder)
    tell(f"{where}: {many(len(exercises), 'exercise')}, {points} points in all", sys.stdout)
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


# The terminal


@contextlib.contextmanager
def terminal(
    pressed: Pressed, console: Console | None = None, keys: Input | None = None
) -> Iterator[Live]:
    """A screen to draw on while the block runs; afterwards the terminal is as before.

    Args:
        pressed: is called in the event loop with each key.
        console: to draw on; by default standard output.
        keys: their source; by default the terminal.
    """
    screen = drawn_at_once(console or TextConsole(), full_screen=True)
    with screen as live, typed(keys or create_input(), pressed), _told_to_stop(pressed):
        yield live


@contextlib.contextmanager
def _told_to_stop(pressed: Pressed) -> Iterator[None]:
    """A SIGTERM leaves the terminal clean, too."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows has no such thing
        loop.add_signal_handler(signal.SIGTERM, pressed, CTRL_C)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.remove_signal_handler(signal.SIGTERM)
