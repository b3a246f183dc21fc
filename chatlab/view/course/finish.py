"""The end of the road: what was reached, and the learner's own numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.reached import Progress, Race, RaceMode
from chatlab.view import words
from chatlab.view.course.common import indented, many, plain, points
from chatlab.view.course.listing import totals
from chatlab.view.lines import BAD, GOOD, HEADING, QUIET, STRONG, WARNING

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


def _numbers(races: Sequence[Race]) -> list[RenderableType]:
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


def _conditions(race: Race) -> str:
    rounds = many(race.rounds, "round")
    text = (
        f"{race.when[:10]}, {race.scenario}, {many(race.history, 'message')} of history, {rounds}"
    )
    if not race.measurement:
        text += "; a demonstration, not a measurement"
    elif race.rounds < ROUNDS_FOR_A_CLAIM:
        text += f"; {ROUNDS_FOR_A_CLAIM} are needed to claim a difference"
    return words.printable(text)


def _modes(race: Race) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, style=QUIET)
    grid.add_column(overflow="fold")
    base = next(iter(race.modes.values()), None)
    for name, mode in race.modes.items():
        grid.add_row(plain(name), words.per_s(mode.median), _interval(mode), _truth(mode, base))
    return grid


def _interval(mode: RaceMode) -> str:
    if mode.low is None or mode.high is None:
        return ""
    return f"({mode.low:,.0f} to {mode.high:,.0f})"


def _truth(mode: RaceMode, base: RaceMode | None) -> Text:
    if not mode.clean:
        return Text("NOT SAFE: the audit found losses", BAD)
    if base is not None and mode is not base and not base.clean:
        return Text("its baseline is not safe", WARNING)
    return Text("nothing lost", QUIET)
