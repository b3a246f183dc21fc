"""What fills the screen of `chatlab learn`: one page at a time."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.course.learn.state import LearnState
from chatlab.course.verdicts import Judged
from chatlab.view import words
from chatlab.view.course.common import amount, indented, plain, points, shown_path
from chatlab.view.course.feedback import feedback, most_urgent
from chatlab.view.course.finish import finish
from chatlab.view.course.listing import exercises, hints
from chatlab.view.course.next_action import is_fresh
from chatlab.view.course.prose import Prose
from chatlab.view.course.results import in_full
from chatlab.view.lines import BAD, GOOD, HEADING, QUIET, STRONG

STORY_LINES = (13, 8, 5, 3)
"""How much of a story is shown: the most that fits."""


def page(state: LearnState, story_max: int) -> RenderableType:
    """The page that a state is at.

    Args:
        story_max: lines of a check's story.
    """
    if state.trouble:
        return Group(Text("The course cannot be read:", BAD), plain(state.trouble))
    if not state.exercises:
        return Text("reading the course ...")
    match state.page:
        case "task" | "why":
            return Prose(state.text)
        case "hints":
            return hints(state.exercise, state.standing.hints)
        case "list":
            return exercises(state.exercises, state.progress, state.exercise)
        case "checks":
            return in_full(state.judged, state.exercise) if state.judged else _waiting()
        case "end":
            return finish(state.exercises, state.progress)
        case "reset":
            return _reset(state)
        case "work":
            return _work(state, story_max)


def _work(state: LearnState, story_max: int) -> RenderableType:
    if is_fresh(state):
        return _welcome(state)
    if (failed := state.heard_failure) is not None:
        return feedback(failed, state.exercise.work, story_max)
    if state.judged is None or (state.checking and state.judged.broken):
        return _waiting() if state.checking else Text()
    if state.judged.passed:
        return _passed(state, state.judged, story_max)
    return most_urgent(state.judged, state.exercise, story_max)


def _waiting() -> Text:
    return Text("Your file is being checked ...", QUIET)


def _welcome(state: LearnState) -> RenderableType:
    bullets = [plain(f"- {one}") for one in state.exercise.spec.objectives]
    return Group(
        Text("Here you learn to", STRONG),
        *map(indented, bullets),
        Text(),
        plain(
            f"Your file, {shown_path(state.exercise.work)}, runs as it is, but does not yet do "
            "what the task asks. Open it in your editor, in another window. Each time you save it, "
            "this screen checks it and shows what is missing."
        ),
    )


def _passed(state: LearnState, judged: Judged, story_max: int) -> RenderableType:
    earned = f"{points(judged.points, state.exercise.points)} points"
    parts: list[RenderableType] = [
        Text.assemble(("✓ Well done: it does all that was asked. ", GOOD), (earned, STRONG))
    ]
    parts += [Text(), Text("You can now", HEADING)]
    parts += [indented(plain(f"- {one}")) for one in state.exercise.spec.objectives]
    if state.exercise.spec.see:
        parts += [Text(), Text("See your code at work, in another terminal", HEADING)]
        parts += [indented(plain(one)) for one in state.exercise.spec.see]
    parts += [Text(), Text("w shows a solution, why it works and what it costs.")]
    short = state.exercise.points - judged.points
    if short > 0:
        lead = f"There are {amount(short)} more points in it, if you like:"
        parts += [Text(), Text(lead), most_urgent(judged, state.exercise, story_max)]
    return Group(*parts)


def _reset(state: LearnState) -> RenderableType:
    name = words.printable(state.exercise.name)
    return Group(
        Text(f"Put the starter of {name} back?", STRONG),
        Text(),
        Text("Your file is first copied to .chatlab/backups, so that nothing is lost."),
        Text("What you have passed, stays passed."),
    )
