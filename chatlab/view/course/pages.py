"""What fills the screen of `chatlab learn`: one page at a time, and the one next action."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from chatlab.course.learn import LearnState
from chatlab.course.verdicts import Judged, Result
from chatlab.view import words
from chatlab.view.course.common import amount, indented, plain, points, shown_path
from chatlab.view.course.feedback import feedback, in_full, most_urgent
from chatlab.view.course.listing import MEASURE, exercises, finish, hints
from chatlab.view.words import BAD, GOOD, HEADING, QUIET, STRONG

STORY_LINES = (13, 8, 5, 3)
"""How much of a story is shown: the most that fits."""
STUCK_AFTER = 3
"""Checks without passing after which the hints are mentioned."""


def page(state: LearnState, story_max: int) -> RenderableType:
    """The current page.

    Args:
        story_max: lines of a check's story.
    """
    if state.trouble:
        return Group(Text("The course cannot be read:", BAD), plain(state.trouble))
    if not state.exercises:
        return Text("reading the course ...")
    match state.page:
        case "task" | "why":
            from chatlab.view.course.texts import MarkdownText

            return MarkdownText(state.text)
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
    return Text("Checking your file ...", QUIET)


def _welcome(state: LearnState) -> RenderableType:
    return Group(
        Text("Here you learn to", STRONG),
        *_objectives(state),
        Text(),
        plain(
            f"Your file, {shown_path(state.exercise.work)}, runs as it is, but does not do what "
            "the task asks yet. Open it in your editor, in another window. Each time you save it, "
            "this screen checks it and shows what is missing."
        ),
    )


def _objectives(state: LearnState) -> list[RenderableType]:
    return [indented(plain(f"- {one}")) for one in state.exercise.spec.objectives]


def _passed(state: LearnState, judged: Judged, story_max: int) -> RenderableType:
    earned = f"{points(judged.points, state.exercise.points)} points"
    parts: list[RenderableType] = [
        Text.assemble(("✓ Well done: it does all that was asked. ", GOOD), (earned, STRONG)),
        *(Text(), Text("You can now", HEADING), *_objectives(state)),
    ]
    if state.exercise.spec.see:
        parts += [Text(), Text("See your code at work, in another terminal", HEADING)]
        parts += [indented(plain(one)) for one in state.exercise.spec.see]
    parts += [Text(), Text("w shows a solution, why it works and what it costs.")]
    short = state.exercise.points - judged.points
    if short > 0:
        lead = f"You can still earn {amount(short)} more points, if you like:"
        parts += [Text(), Text(lead), most_urgent(judged, state.exercise, story_max)]
    return Group(*parts)


def _reset(state: LearnState) -> RenderableType:
    return Group(
        Text(f"Restore the starter of {words.printable(state.exercise.name)}?", STRONG),
        Text(),
        Text("Your file is first copied to .chatlab/backups, so nothing is lost."),
        Text("What has passed stays passed."),
    )


# The one next action


def next_action(state: LearnState, *, more: bool = False) -> Text:
    """What to do now, in one or two sentences.

    Args:
        more: whether the page goes on below the screen.
    """
    if state.trouble:
        return Text("Fix that file. This screen goes on as soon as the file can be read.", BAD)
    if not state.exercises:
        return Text("One moment.")
    if state.page == "work":
        return _at_home(state)
    if more and state.page in ("task", "why", "checks"):
        return Text("Press space to read on. Any other key returns.", STRONG)
    return Text(_on_a_page(state), STRONG)


def is_fresh(state: LearnState) -> bool:
    """Whether the learner has only just come to this exercise."""
    begun = state.read or state.saved or state.standing.points or state.standing.hints
    return not begun and not state.standing.passed and not (state.judged and state.judged.broken)


def _at_home(state: LearnState) -> Text:
    judged = state.judged
    if is_fresh(state):
        return Text("Press t to read the task.", STRONG)
    if (failed := state.heard_failure) is not None:
        return Text(_try_again(state, failed), STRONG)
    if state.checking and (judged is None or judged.broken):
        return Text("One moment.")
    if judged is None:
        return Text("Press r to check your file.", STRONG)
    if judged.broken:
        return Text(_fix(judged), BAD)
    if judged.passed:
        return Text(_go_on(state), GOOD)
    if judged.unsure:
        again = "Press r to check again: some checks could not tell. If that lasts, n goes on."
        return Text(again, STRONG)
    failed = judged.first_failure
    if failed is None or not (state.saved or state.standing.points):
        return Text(_open_file(state), STRONG)
    return Text(_try_again(state, failed), STRONG)


def _open_file(state: LearnState) -> str:
    return f"Open {shown_path(state.exercise.work)} in your editor, change it, and save."


def _try_again(state: LearnState, failed: Result) -> str:
    line = f" (line {failed.line})" if failed.line else ""
    file = words.printable(state.exercise.work.name)
    what = f"Make {words.printable(failed.check)} pass: change {file}{line}, and save."
    stuck = state.more_hints and state.standing.checks >= STUCK_AFTER
    return what + (" Stuck? Press h." if stuck else "")


def _fix(judged: Judged) -> str:
    if judged.broken.startswith("cannot read"):
        return f"Restore {judged.work.name}, or press x for a fresh one."
    place = f"line {judged.line} of " if judged.line else ""
    return f"Fix {place}{judged.work.name}, and save."


def _go_on(state: LearnState) -> str:
    if state.index + 1 < len(state.exercises):
        after = state.exercises[state.index + 1]
        title = words.printable(after.spec.title)
        return f"Press n for the next exercise: {after.number} {title}."
    if state.all_passed:
        return "That was the last one. Press n to see what you have achieved."
    return "Press n for an exercise that is left."


def _on_a_page(state: LearnState) -> str:
    match state.page:
        case "task":
            return _open_file(state)
        case "hints":
            more = "h shows one more." if state.more_hints else "That was the last hint."
            return f"Try it. {more}"
        case "reset":
            return "Press y to restore the starter, or any other key to change nothing."
        case "end" if not state.progress.races:
            return f"Measure your own code: {MEASURE}"
        case "end":
            return "Try what you have learned on a server of your own. q leaves this page."
        case _:
            return "Any key returns."
