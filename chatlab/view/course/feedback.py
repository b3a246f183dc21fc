"""What `chatlab check` and `replay` say: a line for each check, then feedback in a fixed order.

Feedback has six parts: what was asked, expected and found, the story, why it matters, and how to
replay it. The learner's line and what their code printed stand among them, where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged, Result
from chatlab.view import words
from chatlab.view.course.common import (
    Rows,
    amount,
    grid,
    labelled,
    mark,
    plain,
    points,
    safe,
    shown_path,
)
from chatlab.view.words import BAD, GOOD, HEADING, PLAIN, QUIET, STRONG, WARNING, many

PRINTED_LINES = 8
ALIKE_MIN = 3
"""Of more steps that are alike, only the first and the last are told."""


# All checks of an exercise


def check(judged: Judged, exercise: Exercise) -> RenderableType:
    """The answer to `chatlab check`: every check, what to look at, and what to do next."""
    parts: list[RenderableType] = [headline(judged, exercise), Text()]
    if judged.results:
        parts += [table(judged.results), Text()]
    if not judged.passed or any(one.verdict == "partial" for one in judged.results):
        parts += [most_urgent(judged, exercise), Text()]
    return Group(*parts, what_next(judged, exercise))


def headline(judged: Judged, exercise: Exercise) -> Text:
    """`02 A cache in front of the files: 4 of 10 points`."""
    earned = f": {points(judged.points, exercise.points)} points"
    return Text.assemble(
        (f"{exercise.number} {words.printable(exercise.spec.title)}", STRONG), earned
    )


def table(results: Sequence[Result]) -> Table:
    """A line for each check."""
    rows = grid("mark", "name", "quiet number", "text", gap=1)
    for one in results:
        worth = f"{amount(one.points)}/{amount(one.of)}" if one.of else ""
        what = plain(one.asked, QUIET if one.verdict == "skipped" else PLAIN)
        if one.verdict == "unsure":
            what = plain(f"the check cannot tell: {one.actual}", WARNING)
        rows.add_row(mark(one.verdict), plain(one.check), worth, what)
    if any(one.verdict == "skipped" for one in results):
        legend = Text("not tried yet: a check above must pass first", QUIET)
        rows.add_row(mark("skipped"), "", "", legend)
    return rows


def marks(results: Sequence[Result]) -> Text:
    """`✓ ✗ ✗ -`: all checks in one short line."""
    return Text(" ").join(mark(one.verdict) for one in results)


def in_full(judged: Judged, exercise: Exercise) -> RenderableType:
    """Every check, with the feedback of each that did not pass."""
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
        more = " You can still earn more points." if short else ""
        return Text.assemble(
            ("passed.", GOOD), more, f" Why it works, and what it costs: chatlab solution {name}"
        )
    if judged.unsure:
        return Text("Some checks could not tell; that costs no points. Check again.", WARNING)
    return Text.assemble(
        (f"Edit {file}, then: chatlab check {name}", HEADING),
        (f"\nStuck? {many(len(exercise.spec.hints), 'hint')}: chatlab hint {name}", QUIET),
    )


def most_urgent(judged: Judged, exercise: Exercise, story_max: int | None = None) -> RenderableType:
    """What to look at next: why the file cannot run, the first failure, or an unsure check."""
    if judged.broken:
        return broken(judged)
    for verdict in ("failed", "unsure", "partial"):
        for one in judged.results:
            if one.verdict == verdict:
                return feedback(one, exercise.work, story_max)
    return Group()


def replay(judged: Judged, exercise: Exercise, check: str, seed: int | None) -> RenderableType:
    """The result of one check that ran again, with the whole story.

    Args:
        seed: the one it ran with; None for all seeds of its kind.
    """
    if judged.broken or not judged.results:
        return broken(judged)
    result = judged.results[0]
    if result.verdict == "passed":
        how = "with all its seeds" if seed is None else f"with seed {seed}"
        return Text.assemble(
            ("✓", GOOD),
            f" {words.printable(check)} passes {how}: {words.printable(result.asked)}\n",
            (f"all checks: chatlab check {exercise.name}", HEADING),
        )
    after = f"Edit {shown_path(exercise.work)} and replay, or: chatlab check {exercise.name}"
    return Group(feedback(result, exercise.work), Text(), Text(after, HEADING))


# One check


def feedback(result: Result, work: Path, story_max: int | None = None) -> RenderableType:
    """All that is known of one result.

    Args:
        result: usually a failed one.
        work: the learner's file.
        story_max: lines of the story, its end; None for all.
    """
    rows: Rows = [("asked", plain(result.asked, STRONG))]
    if result.expected:
        rows.append(("expected", plain(result.expected)))
    if result.actual:
        style = BAD if result.verdict == "failed" else WARNING
        rows.append(("actual", plain(result.actual, style)))
    rows += _your_line(work, result.line, result.code)
    if result.story:
        rows.append(("story", _story(result.story, story_max)))
    if result.printed.strip():
        rows.append(("printed", _printed(result.printed)))
    rows.append(("why", plain(result.why)))
    if result.replay:
        rows.append(("replay", plain(result.replay, HEADING)))
    return Group(title(result), labelled(rows))


def title(result: Result) -> Text:
    """`✗ few_reads  counts, 0 of 2 points`."""
    worth = f", {points(result.points, result.of)} points" if result.of else ", must pass"
    aside = f"  {words.printable(result.kind)}{worth}"
    return Text.assemble(mark(result.verdict), f" {words.printable(result.check)}", (aside, QUIET))


def broken(judged: Judged) -> RenderableType:
    """Why a file cannot be checked at all."""
    rows: Rows = [
        ("problem", plain(judged.broken, BAD)),
        *_your_line(judged.work, judged.line, judged.code),
        ("file", plain(shown_path(judged.work))),
    ]
    heading = Text.assemble(("✗", BAD), f" {words.printable(judged.work.name)} cannot run")
    return Group(heading, labelled(rows))


def _your_line(work: Path, line: int, code: str) -> Rows:
    """`work.py:31  return ...`, in one line as far as there is room; nothing if it is not known."""
    if not (line or code):
        return []
    where = f"{work.name}:{line}" if line else work.name
    text = Text.assemble((words.printable(where), STRONG), "  ", safe(code))
    text.no_wrap, text.overflow = True, "ellipsis"
    return [("your line", text)]


def told(story: Sequence[str]) -> list[tuple[str, str]]:
    """A story as times and what happened then; of steps that are alike, the first and the last."""
    lines: list[tuple[str, str]] = []
    for _, alike in groupby(map(_split_step, story), key=lambda step: step[1]):
        steps = list(alike)
        if len(steps) > ALIKE_MIN:
            steps = [steps[0], ("...", f"{len(steps) - 2:,} more like this"), steps[-1]]
        lines += steps
    return lines


def _split_step(step: str) -> tuple[str, str]:
    """The time of a step, and what happened."""
    time, unit, what = step.partition(" ms  ")
    return (f"{time.strip()} ms", what) if unit else ("", step)


def _story(story: Sequence[str], most: int | None) -> RenderableType:
    steps = told(story)
    if most is not None and len(steps) > most:
        left_out = len(steps) - most
        steps = [("", f"({left_out:,} earlier steps: s shows them)"), *steps[left_out:]]
    rows = grid("quiet number", "text")
    for time, what in steps:
        rows.add_row(safe(time), plain(what))
    return rows


def _printed(printed: str) -> Text:
    lines = safe(printed).strip("\n").splitlines()
    if len(lines) > PRINTED_LINES:
        lines = [f"({len(lines) - PRINTED_LINES:,} earlier lines)", *lines[-PRINTED_LINES:]]
    return Text("\n".join(lines))
