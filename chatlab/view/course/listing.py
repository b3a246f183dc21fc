"""All exercises, how far one is with each, and which one is next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.reached import Progress, Standing, current
from chatlab.view import words
from chatlab.view.course.common import many, plain, points
from chatlab.view.lines import GOOD, HEADING, QUIET, STRONG


def exercises(
    all_of_them: Sequence[Exercise], progress: Progress, at: Exercise | None = None
) -> RenderableType:
    """The list.

    Args:
        all_of_them: in order.
        progress: as it is kept.
        at: the one to mark; by default the first that has not passed.
    """
    at = at or current(all_of_them, progress)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold", style=QUIET)
    for one in all_of_them:
        standing = progress.of(one.name)
        grid.add_row(
            Text(">", HEADING) if one.name == at.name else "",
            Text(one.name, STRONG if one.name == at.name else ""),
            plain(one.spec.title),
            points(standing.points, one.points),
            _state(standing, one),
        )
    return Group(grid, Text(), totals(all_of_them, progress))


def totals(all_of_them: Sequence[Exercise], progress: Progress) -> Text:
    """`3 of 10 passed, 28 of 100 points`."""
    passed, earned, of = reached(all_of_them, progress)
    count = len(all_of_them)
    return Text(f"{passed} of {many(count, 'exercise')} passed, {points(earned, of)} points")


def reached(all_of_them: Sequence[Exercise], progress: Progress) -> tuple[int, float, int]:
    """How many have passed, the points earned, and the points there are."""
    standings = [progress.of(one.name) for one in all_of_them]
    return (
        sum(one.passed for one in standings),
        sum(one.points for one in standings),
        sum(one.points for one in all_of_them),
    )


def _state(standing: Standing, exercise: Exercise) -> Text:
    if standing.passed:
        text = Text("passed", GOOD)
    elif standing.gave_up:
        text = Text("answer seen")
    else:
        begun = standing.points or standing.hints
        text = Text("begun" if begun else f"about {exercise.spec.minutes} min")
    if standing.hints:
        text.append(f", {many(standing.hints, 'hint')}")
    return text


def hints(exercise: Exercise, shown: int) -> RenderableType:
    """The first so many hints of an exercise, and how many are left."""
    all_hints = exercise.spec.hints
    parts: list[RenderableType] = []
    for number, hint in enumerate(all_hints[:shown], start=1):
        heading = f"Hint {number} of {len(all_hints)}"
        parts += [Text(heading, HEADING), plain(hint), Text()]
    return Group(*parts)


def hint_heading(exercise: Exercise) -> Text:
    """`02 A cache in front of the files`."""
    return Text(f"{exercise.number} {words.printable(exercise.spec.title)}", STRONG)
