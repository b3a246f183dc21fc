"""What became of an exercise: a line for each of its checks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged, Result
from chatlab.view import words
from chatlab.view.course.common import amount, many, mark, plain, points, shown_path
from chatlab.view.course.feedback import broken, feedback, most_urgent
from chatlab.view.lines import GOOD, HEADING, PLAIN, QUIET, STRONG, WARNING


def check(judged: Judged, exercise: Exercise) -> RenderableType:
    """The answer to `chatlab check`: every check, then what to look at, then what to do."""
    parts: list[RenderableType] = [headline(judged, exercise), Text()]
    if judged.results:
        parts += [table(judged.results), Text()]
    if not judged.passed or any(one.verdict == "partial" for one in judged.results):
        parts += [most_urgent(judged, exercise), Text()]
    return Group(*parts, what_next(judged, exercise))


def headline(judged: Judged, exercise: Exercise) -> Text:
    """`02 A cache in front of the files: 4 of 10 points`."""
    earned = f"{points(judged.points, exercise.points)} points"
    return Text.assemble(
        (f"{exercise.number} {words.printable(exercise.spec.title)}", STRONG), f": {earned}"
    )


def table(results: Sequence[Result]) -> Table:
    """A line for each check."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, style=QUIET)
    grid.add_column(overflow="fold")
    for one in results:
        worth = f"{amount(one.points)}/{amount(one.of)}" if one.of else ""
        what = plain(one.asked, QUIET if one.verdict == "skipped" else PLAIN)
        if one.verdict == "unsure":
            what = plain(f"nobody can tell: {one.actual}", WARNING)
        grid.add_row(mark(one.verdict), plain(one.check), worth, what)
    if any(one.verdict == "skipped" for one in results):
        legend = Text("not tried yet: something above must pass first", QUIET)
        grid.add_row(mark("skipped"), "", "", legend)
    return grid


def marks(results: Sequence[Result]) -> Text:
    """`✓ ✗ ✗ -`: all checks in one short line."""
    return Text(" ").join(mark(one.verdict) for one in results)


def in_full(judged: Judged, exercise: Exercise) -> RenderableType:
    """Every check, with all that is known of those that did not pass."""
    parts: list[RenderableType] = [headline(judged, exercise), Text()]
    if judged.broken:
        parts += [broken(judged), Text()]
    if judged.results:
        parts.append(table(judged.results))
    for one in judged.results:
        if one.verdict in ("failed", "partial", "unsure"):
            parts += [Text(), feedback(one, exercise.work)]
    return Group(*parts)


def what_next(judged: Judged, exercise: Exercise) -> Text:
    """One next action."""
    name, file = exercise.name, shown_path(exercise.work)
    if judged.passed:
        short = judged.points < exercise.points
        more = " There are more points in it, if you like." if short else ""
        return Text.assemble(
            ("passed.", GOOD), more, f" Why it works, and what it costs: chatlab solution {name}"
        )
    if judged.unsure:
        return Text("Nobody can tell about some of it; that costs nothing. Check again.", WARNING)
    return Text.assemble(
        (f"Edit {file}, then: chatlab check {name}", HEADING),
        (f"\nStuck? {many(len(exercise.spec.hints), 'hint')}: chatlab hint {name}", QUIET),
    )
