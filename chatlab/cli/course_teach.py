"""`chatlab course`, for teachers: `verify` tests the course, `wrong` writes wrong answers."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from chatlab import signals
from chatlab.bench.documents import Documents
from chatlab.cli.app import tell
from chatlab.cli.course import show
from chatlab.cli.options import COURSE, JSON, argument, flag, option
from chatlab.course import verify as verification
from chatlab.course.answers import find_wrong, whole_file, wrong_answers
from chatlab.course.catalog import Exercise, find
from chatlab.course.verify import CourseProblem
from chatlab.course.workplace import find_workplace
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode, UsageError
from chatlab.view.course import texts
from chatlab.view.words import about, many

app = typer.Typer(help="For teachers: test the course, show wrong answers.", no_args_is_help=True)


@app.command()
def verify(
    names: list[str] | None = argument(None, "NAMES", "Which exercises.  \\[default: all]"),
    seeds: int = option(200, "N", "Seeds for each solution.", min=1, max=100_000),
    no_commands: bool = flag("--no-commands", "Do not run the commands that the texts show."),
    json: Path | None = JSON,
    course: Path | None = COURSE,
) -> None:
    """Prove that the exercises hold what they claim.

    Each starter must run, and fail each graded check. Each solution must pass under all seeds. Each
    named wrong answer must apply to the solution, and fail just the check that it names. Each
    command that a text shows must run. Exit code 1 if something does not hold.
    """
    documents = Documents({"--json": json})
    exercises = find_workplace(course).exercises
    chosen = [find(exercises, name) for name in names] if names else exercises
    # Measured: two seconds and more for 200 seeds, some five for the commands that a text shows.
    guess_s = len(chosen) * (1 + seeds / 100 + (0 if no_commands else 5))
    plan = f"{many(len(chosen), 'exercise')}, each solution under {many(seeds, 'seed')}"
    tell(f"{plan}: about {about(guess_s)}")
    try:
        found = signals.run(_verify(chosen, seeds, not no_commands))
    except KeyboardInterrupt:
        print("stopped before the end: no result", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    try:
        show(texts.verified(chosen, found, seeds), documents.people)
    finally:  # a screen that is gone costs no document
        documents.write({"--json": lambda: _encode(chosen, found, seeds)})
    sys.exit(ExitCode.of(not any(found.values())))


@app.command()
def wrong(
    exercise: str = argument(..., "EXERCISE", "02, cache or 02_cache."),
    name: str | None = argument(None, "NAME", "Which one.  \\[default: list them]"),
    to: Path | None = option(None, "FILE", "Where to write it; - prints it.  \\[default: NAME.py]"),
    force: bool = flag("--force", "Overwrite FILE if it exists."),
    course: Path | None = COURSE,
) -> None:
    """Write a named wrong answer as a whole file, to demonstrate what its mistake does.

    Shows what is wrong, which check finds it, and the change to the solution. Without NAME, lists
    the wrong answers of an exercise.
    """
    chosen = find(find_workplace(course).exercises, exercise)
    if name is None:
        show(texts.wrong_answers(chosen, wrong_answers(chosen)))
        return
    answer = find_wrong(chosen, name)
    code = whole_file(answer, chosen)
    path = to or Path(f"{answer.name}.py")
    documents = Documents({"--to": path}, spared=())
    if path.exists() and not force:
        raise UsageError(f"{path} exists: --force overwrites it, --to FILE writes another file")
    show(texts.wrong_answer(answer), documents.people)
    print("The solution with this change:", end=" ", file=documents.people)
    documents.write({"--to": lambda: code})


async def _verify(
    exercises: list[Exercise], seeds: int, commands: bool
) -> dict[str, list[CourseProblem]]:
    verify = verification.verify
    return {one.name: await verify(one, seeds, tell, commands=commands) for one in exercises}


def _encode(exercises: list[Exercise], found: dict[str, list[CourseProblem]], seeds: int) -> bytes:
    by_name = {
        one.name: {
            "checks": len(one.spec.checks),
            "points": one.points,
            "wrong": len(one.wrong),
            "problems": [{"where": str(path), "what": what} for path, what in found[one.name]],
        }
        for one in exercises
    }
    report = {"schema": "chatlab.verify/1", "seeds": seeds, "exercises": by_name}
    return indented_json(report)
