"""What `chatlab course verify` found: a line for each exercise, then each problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.verify import Problem
from chatlab.view.course.common import many, plain, shown_path
from chatlab.view.lines import BAD, GOOD, QUIET, STRONG


def verified(
    exercises: Sequence[Exercise], found: Mapping[str, Sequence[Problem]], seeds: int
) -> RenderableType:
    """The table, and what is wrong.

    Args:
        found: exercise name to its problems.
        seeds: under which each solution was tried.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column("exercise", no_wrap=True)
    for heading in ("checks", "points", "wrong answers"):
        table.add_column(heading, justify="right")
    table.add_column("problems", justify="right")
    for one in exercises:
        problems = len(found[one.name])
        counts = (len(one.spec.checks), one.points, len(one.wrong))
        state = Text("none", GOOD) if not problems else Text(f"{problems:,}", BAD)
        table.add_row(one.name, *map(str, counts), state)
    total = sum(map(len, found.values()))
    end = Text(f"{many(total, 'problem')}; each solution under {many(seeds, 'seed')}", STRONG)
    return Group(table, *_problems(found), Text(), end)


def _problems(found: Mapping[str, Sequence[Problem]]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for problem in (one for problems in found.values() for one in problems):
        parts += [Text(), Text(shown_path(problem.where), BAD), plain(f"  {problem.what}")]
    return parts
