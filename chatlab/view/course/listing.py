"""Lists: all exercises with one's progress, the hints, and the end of the course."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.progress import ComparisonRecord, ModeRecord, Progress, Standing, current
from chatlab.view import words
from chatlab.view.course.common import indented, many, plain, points
from chatlab.view.lines import BAD, GOOD, HEADING, QUIET, STRONG, WARNING


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


MEASURE = "chatlab compare naive mine optimized journal"
ROUNDS_FOR_A_CLAIM = 6


def finish(exercises: Sequence[Exercise], progress: Progress) -> RenderableType:
    """Every exercise with its points and hints, then the races with the learner's own code."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style=QUIET)
    for one in exercises:
        standing = progress.of(one.name)
        help_used = [many(standing.hints, "hint")] if standing.hints else []
        help_used += ["answer seen"] if standing.gave_up else []
        score = points(standing.points, one.points)
        grid.add_row(one.name, plain(one.spec.title), score, ", ".join(help_used))
    return Group(
        Text("You have done the course.", GOOD),
        Text(),
        grid,
        Text(),
        _sum(exercises, progress),
        Text(),
        Text("Your own numbers", HEADING),
        *_numbers(progress.races),
    )


def _sum(exercises: Sequence[Exercise], progress: Progress) -> Text:
    hints = sum(progress.of(one.name).hints for one in exercises)
    seen = sum(progress.of(one.name).gave_up for one in exercises)
    text = totals(exercises, progress)
    text.append(f", {many(hints, 'hint')} used")
    if seen:
        text.append(f", {many(seen, 'answer')} seen before it passed")
    text.stylize(STRONG)
    return text


def _numbers(races: Sequence[ComparisonRecord]) -> list[RenderableType]:
    if not races:
        return [
            Text("not measured yet. This races your code against the other modes:"),
            indented(Text(MEASURE, STRONG)),
        ]
    shown = [("", races[-1])]
    if len(races) > 1:
        shown = [("first: ", races[0]), ("latest: ", races[-1])]
    parts: list[RenderableType] = []
    for label, race in shown:
        parts += [Text(label + _conditions(race), QUIET), indented(_modes(race)), Text()]
    return [*parts, Text(f"again: {MEASURE}", QUIET)]


def _conditions(race: ComparisonRecord) -> str:
    rounds = many(race.rounds, "round")
    text = (
        f"{race.when[:10]}, {race.scenario}, {many(race.history, 'message')} of history, {rounds}"
    )
    if not race.measurement:
        text += "; a demonstration, not a measurement"
    elif race.rounds < ROUNDS_FOR_A_CLAIM:
        text += f"; {ROUNDS_FOR_A_CLAIM} are needed to claim a difference"
    return words.printable(text)


def _modes(race: ComparisonRecord) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, style=QUIET)
    grid.add_column(overflow="fold")
    base = next(iter(race.modes.values()), None)
    for name, mode in race.modes.items():
        grid.add_row(plain(name), words.per_s(mode.median), _interval(mode), _truth(mode, base))
    return grid


def _interval(mode: ModeRecord) -> str:
    if mode.low is None or mode.high is None:
        return ""
    return f"({mode.low:,.0f} to {mode.high:,.0f})"


def _truth(mode: ModeRecord, base: ModeRecord | None) -> Text:
    if not mode.clean:
        return Text("NOT SAFE: the audit found losses", BAD)
    if base is not None and mode is not base and not base.clean:
        return Text("its baseline is not safe", WARNING)
    return Text("nothing lost", QUIET)
