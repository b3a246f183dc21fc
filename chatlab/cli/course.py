"""`chatlab check`, `replay`, `reset`, `list`, `hint` and `solution`: one exercise at a time."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import RenderableType
from rich.text import Text

from chatlab import signals
from chatlab.bench.documents import Documents
from chatlab.cli.app import tell
from chatlab.cli.options import COURSE, EXERCISE, argument, flag, option
from chatlab.course.answers import solution_text
from chatlab.course.catalog import Exercise, find
from chatlab.course.judge import judge
from chatlab.course.progress import (
    Progress,
    ProgressFile,
    Standing,
    checked,
    current,
    gave_up,
    hinted,
    moment,
)
from chatlab.course.verdicts import Judged, encode
from chatlab.course.workplace import Workplace, find_workplace, restore_starter, starter
from chatlab.errors import ExitCode, UsageError
from chatlab.view.console import TextConsole
from chatlab.view.course import feedback, listing
from chatlab.view.course.common import Readable, shown_path
from chatlab.view.words import QUIET


@dataclass(frozen=True, slots=True)
class OpenCourse:
    """A course and the learner's progress in it: what every command begins with.

    Attributes:
        exercises: all of them, in order.
        kept: the progress file.
        progress: as read at the start.
    """

    workplace: Workplace
    exercises: list[Exercise]
    kept: ProgressFile
    progress: Progress

    def exercise(self, name: str | None) -> Exercise:
        """The named exercise; without a name, the first that has not passed.

        Raises:
            UsageError: there is no exercise of that name.
        """
        if name is None:
            return current(self.exercises, self.progress)
        return find(self.exercises, name)

    def check(self, exercise: Exercise) -> Judged:
        """Run all checks of an exercise, and record the result."""
        judged = _run(judge(exercise))
        self.kept.update(lambda progress: checked(progress, judged, moment()))
        return judged

    def say_notes(self) -> None:
        """Print the notes about the folder and the progress file on standard error."""
        for note in (*self.workplace.notes, *self.kept.notes):
            tell(f"note: {note}")


def open_course(folder: Path | None) -> OpenCourse:
    """The course in a folder, or the nearest around the current one.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    workplace = find_workplace(folder)
    kept = ProgressFile(workplace.state)
    return OpenCourse(workplace, workplace.exercises, kept, kept.read())


def show(content: RenderableType, to: TextIO | None = None) -> None:
    """Print something: in colour on a terminal, as plain text elsewhere.

    Args:
        to: where, if not to standard output.
    """
    TextConsole(file=to).print(Readable(content))


def check(
    name: str | None = EXERCISE,
    course: Path | None = COURSE,
    json: Path | None = option(None, "FILE", "Write the result to FILE; - prints it."),
) -> None:
    """Check your file of an exercise, and show what to look at next.

    Exit code: 0 if it passes, 1 if it does not, 2 for a mistake in the command, 73 if FILE could
    not be written.
    """
    documents = Documents({"--json": json})
    opened = open_course(course)
    exercise = opened.exercise(name)
    judged = opened.check(exercise)
    try:
        show(feedback.check(judged, exercise), documents.people)
        opened.say_notes()
    finally:  # a screen that is gone costs no document
        documents.write({"--json": lambda: encode(judged, exercise)})
    sys.exit(ExitCode.of(judged.passed))


def reset(
    name: str = argument(..., "NAME", "02, cache or 02_cache."),
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody can answer.")
    ] = False,
    course: Path | None = COURSE,
) -> None:
    """Restore the starter of an exercise. Your file is kept in .chatlab/backups.

    Asks first if you have changed it. In a pipe or a script, `--yes` must answer.
    """
    opened = open_course(course)
    exercise = opened.exercise(name)
    file = shown_path(exercise.work)
    changed = exercise.work.exists() and (
        starter(opened.workplace, exercise) != exercise.work.read_bytes()
    )
    if changed and not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                f"you have changed {file}, and nobody is here to ask: "
                f"`chatlab reset {exercise.name} --yes` restores the starter, and "
                "keeps your file in .chatlab/backups"
            )
        typer.confirm(f"Restore the starter in {file}? Your file is kept", abort=True)
    kept = restore_starter(opened.workplace, exercise)
    if kept is not None:
        tell(f"your file is now {shown_path(kept)}", sys.stdout)
    tell(f"{file} is the starter again", sys.stdout)
    opened.say_notes()


def replay(
    name: str | None = EXERCISE,
    check: str | None = argument(
        None, "CHECK", "Which check.  \\[default: the one that failed last]"
    ),
    seed: int | None = option(
        None, "N", "Which order of events.  \\[default: the one that failed last]"
    ),
    course: Path | None = COURSE,
) -> None:
    """Run a check again, just as it failed, and tell its story.

    Exit code: 0 if it passes now, 1 if it still fails, 2 for a mistake in the command.
    """
    opened = open_course(course)
    exercise = opened.exercise(name)
    check, seed = _what_to_replay(exercise, opened.progress.of(exercise.name), check, seed)
    seeds = () if seed is None else (seed,)
    judged = _run(judge(exercise, only=[check], seeds=seeds, whole_story=True))
    show(feedback.replay(judged, exercise, check, seed))
    opened.say_notes()
    sys.exit(ExitCode.of(judged.passed))


def _what_to_replay(
    exercise: Exercise, standing: Standing, check: str | None, seed: int | None
) -> tuple[str, int | None]:
    """The check and its seed; what is left out comes from the latest failure.

    Raises:
        UsageError: no failure is known.
    """
    last = standing.failure
    if check is None and last is None:
        names = ", ".join(one.name for one in exercise.spec.checks)
        raise UsageError(
            f"no failed check of {exercise.name} is known: run `chatlab check {exercise.name}`, "
            f"or name a check: {names}"
        )
    if last is not None and check in (None, last.check):
        return last.check, last.seed if seed is None else seed
    return str(check), seed


def list_exercises(course: Path | None = COURSE) -> None:
    """List the exercises: points, what has passed, and what is next."""
    opened = open_course(course)
    show(listing.exercises(opened.exercises, opened.progress))
    if not all(opened.progress.of(one.name).passed for one in opened.exercises):
        show(Text("Next: chatlab learn", QUIET))
    opened.say_notes()


def hint(
    name: str | None = EXERCISE,
    stage: int | None = option(
        None, "N", "Show the first N hints.  \\[default: one more than last time]", min=1
    ),
    course: Path | None = COURSE,
) -> None:
    """Show a hint; each call shows one more. A nudge, a direction, nearly the answer."""
    opened = open_course(course)
    exercise = opened.exercise(name)
    total = len(exercise.spec.hints)
    shown = min(stage or opened.progress.of(exercise.name).hints + 1, total)
    opened.kept.update(lambda progress: hinted(progress, exercise.name, shown))
    after = f"One more: chatlab hint {exercise.name}"
    if opened.kept.notes:  # the next call will not know how many were shown
        after += f" --stage {shown + 1}"
    if shown >= total:
        after = f"That was the last one. The answer: chatlab solution {exercise.name} --give-up"
    show(listing.hint_page(exercise, shown, after))
    opened.say_notes()


def solution(
    name: str | None = EXERCISE,
    give_up: bool = flag("--give-up", "Show it before you have passed; this is recorded."),
    course: Path | None = COURSE,
) -> None:
    """Show a solution, why it works and what it costs. It is the reward for passing."""
    from chatlab.view.course.texts import MarkdownText

    opened = open_course(course)
    exercise = opened.exercise(name)
    standing = opened.progress.of(exercise.name)
    if not (standing.passed or standing.gave_up or give_up):
        raise UsageError(
            f"{exercise.name} has not passed yet: `chatlab hint {exercise.name}` helps. "
            f"`chatlab solution {exercise.name} --give-up` shows the solution now; this is recorded"
        )
    text = solution_text(exercise)
    if not standing.passed:
        opened.kept.update(lambda progress: gave_up(progress, exercise.name))
    show(MarkdownText(text))
    opened.say_notes()


def _run(judging: Coroutine[Any, Any, Judged]) -> Judged:
    try:
        return signals.run(judging)
    except KeyboardInterrupt:
        print("stopped: nothing was recorded", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
