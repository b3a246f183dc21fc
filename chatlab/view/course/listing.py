"""Lists: the exercises with a learner's progress, the hints, and the end of the course."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.course.catalog import Exercise
from chatlab.course.progress import ComparisonRecord, ModeRecord, Progress, Standing, current
from chatlab.view import words
from chatlab.view.course.common import grid, indented, plain, points
from chatlab.view.words import BAD, GOOD, HEADING, QUIET, STRONG, WARNING, many

MEASURE = "chatlab compare naive mine optimized journal"


def exercises(
    all_of_them: Sequence[Exercise], progress: Progress, at: Exercise | None = None
) -> RenderableType:
    """Every exercise, how far the learner is with it, and which one is next.

    Args:
        all_of_them: in order.
        progress: from the progress file.
        at: the one to mark; by default the first that has not passed.
    """
    at = at or current(all_of_them, progress)
    return Group(_table(all_of_them, progress, at), Text(), totals(all_of_them, progress))


def _table(
    all_of_them: Sequence[Exercise], progress: Progress, at: Exercise | None = None
) -> Table:
    rows = grid("mark", "name", "text", "number", "quiet text")
    for one in all_of_them:
        standing = progress.of(one.name)
        here = at is not None and one.name == at.name
        rows.add_row(
            Text(">", HEADING) if here else "",
            Text(one.name, STRONG if here else ""),
            plain(one.spec.title),
            points(standing.points, one.points),
            _state(standing, one),
        )
    return rows


def totals(all_of_them: Sequence[Exercise], progress: Progress) -> Text:
    """`3 of 10 exercises passed, 28 of 100 points`."""
    passed, earned, of = achieved(all_of_them, progress)
    count = len(all_of_them)
    return Text(f"{passed} of {many(count, 'exercise')} passed, {points(earned, of)} points")


def achieved(all_of_them: Sequence[Exercise], progress: Progress) -> tuple[int, float, int]:
    """How many exercises have passed, the points earned, and the points there are."""
    standings = [progress.of(one.name) for one in all_of_them]
    return (
        sum(one.passed for one in standings),
        sum(one.points for one in standings),
        sum(one.points for one in all_of_them),
    )


def _state(standing: Standing, exercise: Exercise) -> Text:
    notes = ["answer seen"] * standing.gave_up
    notes += [many(standing.hints, "hint")] * (standing.hints > 0)
    if not standing.passed:
        begun = ["begun"] * (standing.points > 0)
        return Text(", ".join(notes or begun or [f"about {exercise.spec.minutes} min"]))
    return Text(", ").join([Text("passed", GOOD), *map(Text, notes)])


def hints(exercise: Exercise, shown: int) -> RenderableType:
    """The first `shown` hints of an exercise."""
    all_hints = exercise.spec.hints
    parts: list[RenderableType] = []
    for number, hint in enumerate(all_hints[:shown], start=1):
        heading = f"Hint {number} of {len(all_hints)}"
        parts += [Text(heading, HEADING), plain(hint), Text()]
    return Group(*parts)


def hint_page(exercise: Exercise, shown: int, after: str) -> RenderableType:
    """The answer to `chatlab hint`: a title, the first `shown` hints, and what to do after them."""
    return Group(
        Text(f"{exercise.number} {words.printable(exercise.spec.title)}", STRONG),
        Text(),
        hints(exercise, shown) if exercise.spec.hints else Text("It has no hints.\n"),
        Text(after, style=words.QUIET),
    )


# The end of the course


def finish(all_of_them: Sequence[Exercise], progress: Progress) -> RenderableType:
    """Every exercise with its points and hints, then the figures of the learner's own code."""
    used = sum(progress.of(one.name).hints for one in all_of_them)
    seen = sum(progress.of(one.name).gave_up for one in all_of_them)
    total = totals(all_of_them, progress).append(f", {many(used, 'hint')} used")
    if seen:
        total.append(f", {many(seen, 'answer')} seen before passing")
    total.stylize(STRONG)
    return Group(
        *(Text("You have done the course.", GOOD), Text(), _table(all_of_them, progress), Text()),
        *(total, Text(), Text("Your own numbers", HEADING), *_numbers(progress.races)),
    )


def _numbers(records: Sequence[ComparisonRecord]) -> list[RenderableType]:
    if not records:
        return [
            Text("not measured yet. This compares your code with the other modes:"),
            indented(Text(MEASURE, STRONG)),
        ]
    shown = [("", records[-1])]
    if len(records) > 1:
        shown = [("first: ", records[0]), ("latest: ", records[-1])]
    parts: list[RenderableType] = []
    for label, record in shown:
        parts += [Text(label + _conditions(record), QUIET), indented(_modes(record)), Text()]
    return [*parts, Text(f"again: {MEASURE}", QUIET)]


def _conditions(record: ComparisonRecord) -> str:
    text = ", ".join(
        (
            record.when[:10],
            record.scenario,
            f"{many(record.history, 'message')} of history",
            many(record.rounds, "round"),
        )
    )
    if not record.measurement:
        text += "; a demonstration, not a measurement"
    elif record.rounds < ROUNDS_FOR_A_CLAIM:
        text += f"; a claim takes {ROUNDS_FOR_A_CLAIM}"
    return words.printable(text)


def _modes(record: ComparisonRecord) -> Table:
    rows = grid("text", "number", "name", "text")
    base = next(iter(record.modes.values()), None)
    for name, mode in record.modes.items():
        interval = ""
        if mode.low is not None and mode.high is not None:
            interval = f"({mode.low:,.0f} to {mode.high:,.0f})"
        rate = words.per_s(mode.median)
        rows.add_row(plain(name), rate, Text(interval, QUIET), _audit(mode, base))
    return rows


def _audit(mode: ModeRecord, base: ModeRecord | None) -> Text:
    if not mode.clean:
        return Text("NOT SAFE: the audit found losses", BAD)
    if base is not None and mode is not base and not base.clean:
        return Text("its baseline is not safe", WARNING)
    return Text("nothing lost", QUIET)
