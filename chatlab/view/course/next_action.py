"""The one next action: whatever has happened, a learner is told what to do now."""

from __future__ import annotations

from rich.text import Text

from chatlab.course.learning.state import LearnState
from chatlab.course.verdicts import Judged
from chatlab.view import words
from chatlab.view.course.common import shown_path
from chatlab.view.lines import BAD, GOOD, STRONG

STUCK_AFTER = 3
"""Checks without passing, from which on the hints are mentioned."""


def next_action(state: LearnState) -> Text:
    """What to do now, in one sentence or two."""
    if state.trouble:
        return Text("Mend that file. This screen goes on as soon as it can be read.", BAD)
    if not state.exercises:
        return Text("One moment.")
    return _at_home(state) if state.page == "work" else Text(_on_a_page(state), STRONG)


def is_fresh(state: LearnState) -> bool:
    """Whether someone has only just come to this exercise."""
    begun = state.read or state.saved or state.standing.points or state.standing.hints
    return not begun and not state.standing.passed and not (state.judged and state.judged.broken)


def _at_home(state: LearnState) -> Text:
    judged = state.judged
    if is_fresh(state):
        return Text("Press t to read the task.", STRONG)
    if judged is None:
        return Text("One moment.")
    if judged.broken:
        return Text(_mend(state, judged), BAD)
    if judged.passed:
        return Text(_go_on(state), GOOD)
    if judged.unsure:
        return Text("Press r to check again: nobody can tell yet, and that costs nothing.", STRONG)
    failed = judged.first_failure
    if failed is None or not (state.saved or state.standing.points):
        file = shown_path(state.exercise.work)
        return Text(f"Open {file} in your editor, change it, and save.", STRONG)
    stuck = state.standing.checks >= STUCK_AFTER and state.standing.hints < len(
        state.exercise.spec.hints
    )
    line = f" (line {failed.line})" if failed.line else ""
    what = f"Make {words.printable(failed.check)} pass: change {judged.work.name}{line}, and save."
    return Text(what + (" Stuck? Press h." if stuck else ""), STRONG)


def _mend(state: LearnState, judged: Judged) -> str:
    if not state.exercise.work.name or judged.broken.startswith("cannot read"):
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
            return f"Open {file} in your editor, change it, and save. Any key returns."
        case "hints":
            left = len(state.exercise.spec.hints) - state.standing.hints
            return "Try it. " + ("h shows one more hint" if left > 0 else "That was the last hint")
        case "reset":
            return "Press y to put the starter back, or any other key to leave all as it is."
        case "end":
            return "Try what you have learned on a server of your own. q leaves this page."
        case _:
            return "Any key returns."
