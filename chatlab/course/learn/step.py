"""From one state and an event to the next state: a pure function.

It knows no clock, no files and no keys but their names. Read `view/course/learn.py` for how a state
looks, `cli/learn_loop.py` for the loop that brings the events and does what is to be done.
"""

from __future__ import annotations

from dataclasses import replace

from chatlab.course.catalog import Exercise
from chatlab.course.learn.state import (
    BeginCheck,
    CancelCheck,
    CheckEnded,
    CheckNotRun,
    CourseBroken,
    CourseLoaded,
    Effect,
    Event,
    FileSaved,
    KeepProgress,
    KeyPressed,
    LearnState,
    NoteShown,
    ProgressRead,
    Quit,
    ReadText,
    RestoreStarter,
    ResultHeard,
    ScreenDrawn,
    StarterRestored,
    TextRead,
)
from chatlab.course.progress import checked, current, gave_up, hinted
from chatlab.course.verdicts import Judged

SCROLLS = {" ": 10, "pagedown": 10, "pageup": -10, "down": 1, "j": 1, "up": -1, "k": -1}
"""Keys that move what is shown, by so many lines; the page-wise ones, by a screen."""
PAGEWISE = {" ", "pagedown", "pageup"}
END_KEYS = {"c-c", "c-d"}

Next = tuple[LearnState, list[Effect]]


def step(state: LearnState, event: Event) -> Next:
    """The next state, and what the loop is to do."""
    match event:
        case KeyPressed(name):
            return _key(state, name)
        case FileSaved():
            page = state.page if state.page == "reset" else "work"
            return _check(replace(state, saved=True, page=page, note=""))
        case ResultHeard(result):
            return replace(state, heard=(*state.heard, result)), []
        case CheckEnded(judged, when):
            return _ended(state, judged, when)
        case CheckNotRun(why):
            return replace(state, checking=False, heard=(), note=why), []
        case CourseLoaded(exercises, at):
            return _loaded(state, exercises, at)
        case CourseBroken(why):
            return replace(state, trouble=why, checking=False, heard=()), [CancelCheck()]
        case ProgressRead(progress, notes):
            return replace(state, progress=progress, kept_notes=notes), []
        case TextRead(page, text):
            return replace(state, page=page, text=text), []
        case StarterRestored(text):
            return _check(replace(state, note=text, saved=True))
        case NoteShown(text):
            return replace(state, note=text), []
        case ScreenDrawn(scroll_max, page_lines):
            state = replace(state, page_lines=page_lines)
            return (_scrolled(state, scroll_max) if state.scroll > scroll_max else state), []


def _ended(state: LearnState, judged: Judged, when: str) -> Next:
    if not state.exercises or judged.exercise != state.exercise.name:
        return state, []
    state = replace(state, judged=judged, checking=False, heard=(), checked_at=when[11:19])
    if state.page == "work":
        state = _scrolled(state, 0)
    if judged.passed:
        state = replace(state, note="")  # whatever it said is no longer of interest
    return state, [KeepProgress(lambda progress: checked(progress, judged, when))]


def _loaded(state: LearnState, exercises: tuple[Exercise, ...], at: str) -> Next:
    wanted = at or (state.exercise.name if state.exercises else "")
    if not wanted:
        wanted = current(exercises, state.progress).name
    names = [one.name for one in exercises]
    same = bool(state.exercises) and state.exercise.name == wanted
    index = names.index(wanted) if wanted in names else 0
    state = replace(state, exercises=exercises, index=index, trouble="")
    if same:
        return _check(state)
    state, effects = _enter(state, index)
    return (replace(state, page="end") if not at and state.all_passed else state), effects


def _enter(state: LearnState, index: int, note: str = "") -> Next:
    """Begin with an exercise."""
    return _check(
        replace(
            state,
            index=index,
            page="work",
            text="",
            scrolls={},
            judged=None,
            checked_at="",
            read=False,
            saved=False,
            note=note,
        )
    )


def _check(state: LearnState) -> Next:
    return replace(state, checking=True, heard=()), [BeginCheck()]


def _key(state: LearnState, key: str) -> Next:
    if key in END_KEYS or (key == "q" and (state.page == "work" or not state.exercises)):
        return state, [Quit()]
    if not state.exercises:
        return state, []
    state = replace(state, note="")
    if state.page == "reset":
        yes = key in ("y", "Y")
        home = replace(state, page="work", note="" if yes else "nothing was changed")
        return home, [RestoreStarter()] if yes else []
    if key in SCROLLS:
        lines = SCROLLS[key]
        if key in PAGEWISE:
            lines = max(1, state.page_lines - 1) * (1 if lines > 0 else -1)
        return _scrolled(state, max(0, state.scroll + lines)), []
    return _command(state, key)


def _command(state: LearnState, key: str) -> Next:
    match key:
        case "t" if state.page != "task":
            return replace(state, read=True), [ReadText("task")]
        case "h":
            return _hint(state)
        case "s" if state.page != "checks":
            return replace(state, page="checks"), []
        case "l" if state.page != "list":
            return replace(state, page="list"), []
        case "r":
            return _check(replace(state, page="work"))
        case "x":
            return replace(state, page="reset"), []
        case "w" if state.page != "why":
            return _why(state)
        case "n":
            return _forward(state)
        case "p" if state.index:
            return _enter(state, state.index - 1)
        case "p":
            return replace(state, page="work", note="this is the first exercise"), []
    return replace(state, page="work"), []


def _hint(state: LearnState) -> Next:
    """The hints seen so far; the first one if none were, and one more if they are on screen."""
    shown, total = state.standing.hints, len(state.exercise.spec.hints)
    if not total:
        return replace(state, note="this exercise has no hints"), []
    more = not shown or (state.page == "hints" and shown < total)
    state = replace(state, page="hints")
    name = state.exercise.name
    return state, [KeepProgress(lambda progress: hinted(progress, name, shown + 1))] if more else []


def _why(state: LearnState) -> Next:
    if not state.may_see_answer:
        name = state.exercise.name
        words = f"after it has passed; sooner: `chatlab solution {name} --give-up`"
        return replace(state, note=words), []
    name = state.exercise.name
    return state, [ReadText("why"), KeepProgress(lambda progress: gave_up(progress, name))]


def _forward(state: LearnState) -> Next:
    if not state.may_go_on:
        note = f"{state.exercise.name} has not passed yet; l lists all exercises"
        return replace(state, page="work", note=note), []
    if state.index + 1 < len(state.exercises):
        return _enter(state, state.index + 1)
    if state.all_passed:
        return replace(state, page="end"), []
    names = [one.name for one in state.exercises]
    left = names.index(current(state.exercises, state.progress).name)
    return _enter(state, left, "that was the last one; this one is left")


def _scrolled(state: LearnState, to: int) -> LearnState:
    return replace(state, scrolls={**state.scrolls, state.page: to})
