"""One check, run again with the whole story."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import Judged
from chatlab.view import words
from chatlab.view.course.common import shown_path
from chatlab.view.course.feedback import broken, feedback
from chatlab.view.lines import GOOD, HEADING


def replay(judged: Judged, exercise: Exercise, check: str, seed: int | None) -> RenderableType:
    """The result of one check.

    Args:
        seed: with which it was run; None for those that its kind is given.
    """
    if judged.broken or not judged.results:
        return broken(judged)
    result = judged.results[0]
    if result.verdict == "passed":
        how = "with the seeds it is given" if seed is None else f"with seed {seed}"
        return Text.assemble(
            ("✓", GOOD),
            f" {words.printable(check)} passes {how}: {words.printable(result.asked)}\n",
            (f"all of them: chatlab check {exercise.name}", HEADING),
        )
    after = f"Edit {shown_path(exercise.work)}, and replay it, or: chatlab check {exercise.name}"
    return Group(feedback(result, exercise.work), Text(), Text(after, HEADING))
