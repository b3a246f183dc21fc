"""The one next action: whatever has happened, a learner is told what to do now."""

from __future__ import annotations

from rich.text import Text

from chatlab.course.learn.state import LearnState
from chatlab.course.verdicts import Judged, Result
from chatlab.view import words
from chatlab.view.course.common import shown_path
from chatlab.view.course.finish import MEASURE
from chatlab.view.lines import BAD, GOOD, STRONG

STUCK_AFTER = 3
"""Checks without passing, from which on the hints are mentioned."""


def next_action(state: LearnState, *, more: bool = False) -> Text:
    """What to do now, in one sentence or two.

    Args:
        more: whether the page goes on below the screen.
    """
    if state.trouble:
        return Text("Mend that file. This screen goes on as soon as it can be read.", BAD)
    if not state.exercises:
        return Text("One moment.")
    if state.page == "work":
        return _at_home(state)
    if more and state.page in ("task", "why", "checks"):
        return Text("Read on with space. Any other key returns.", STRONG)
    return Text(_on_a_page(state), STRONG)


def is_fresh(state: LearnState) -> bool:
    """Whether someone has only just come to this exercise."""
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
        return Text(_mend(judged), BAD)
    if judged.passed:
        return Text(_go_on(state), GOOD)
    if judged.unsure:
        again = "Press r to check again: nobody can tell yet. If it stays so, n goes on."
        return Text(again, STRONG)
    failed = judged.first_failure
    if failed is None or not (state.saved or state.standing.points):
        file = shown_path(state.exercise.work)
        return Text(f"Open {file} in your editor, change it, and save.", STRONG)
    return Text(_try_again(state, failed), STRONG)


def _try_again(state: LearnState, failed: Result) -> str:
    left = state.standing.hints < len(state.exercise.spec.hints)
    line = f" (line {failed.line})" if failed.line else ""
    file = words.printable(state.exercise.work.name)
    what = f"Make {words.printable(failed.check)} pass: change {file}{line}, and save."
    return what + (" Stuck? Press h." if left and state.standing.checks >= STUCK_AFTER else "")


def _mend(judged: Judged) -> str:
    if judged.broken.startswith("cannot read"):
        return f"Put {judged.work.name} back, or press x for a fresh one."
    place = f"line {judged.line} of " if judged.line else ""
    return f"Mend {place}{judged.work.name}, and save."


def _go_on(state: LearnState) -> str:
    if state.index + 1 < len(state.exercises):
        after = state.exercises[state.index + 1]
        title = words.printable(after.spec.title)
        return f"Press n for the next exercise: {after.number} {title}."
    if state.all_passed:
        return "That was the last one. Press n to see what you have reached."
    return "Press n for an exercise that is left."


def _on_a_page(state: LearnState) -> str:
    match state.page:
        case "task":
            file = shown_path(state.exercise.work)
            return f"Open {file} in your editor, change it, and save."
        case "hints":
            left = len(state.exercise.spec.hints) - state.standing.hints
            return "Try it. " + ("h shows one more." if left > 0 else "That was the last hint.")
        case "reset":
            return "Press y to put the starter back, or any other key to leave all as it is."
        case "end" if not state.progress.races:
            return f"Measure your own code: {MEASURE}"
        case "end":
            return "Try what you have learned on a server of your own. q leaves this page."
        case _:
            return "Any key returns."
