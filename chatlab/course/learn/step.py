"""From a state and an event to the next state: a pure function.

It knows no clock, no files, and keys only by name. Read `view/course/learn.py` for how a state
looks, and `cli/learn_loop.py` for the loop that brings the events and carries out the effects.
"""

from __future__ import annotations

from dataclasses import replace

from chatlab.course import learn
from chatlab.course.catalog import Exercise
from chatlab.course.learn import LearnState
from chatlab.course.progress import checked, current, gave_up, hinted
from chatlab.course.verdicts import Judged

SCROLLS = {" ": 10, "pagedown": 10, "pageup": -10, "down": 1, "j": 1, "up": -1, "k": -1}
"""Keys that scroll, and by how many lines; those in `PAGEWISE` by a screen."""
PAGEWISE = {" ", "pagedown", "pageup"}
END_KEYS = {"c-c", "c-d"}

Next = tuple[LearnState, list[learn.Effect]]


def step(state: LearnState, event: learn.Event) -> Next:
    """The next state, and what the loop has to do."""
    match event:
        case learn.KeyPressed(name):
            return _key(state, name)
        case learn.FileSaved():
            page = state.page if state.page == "reset" else "work"
            return _check(replace(state, saved=True, page=page, note=""))
        case learn.ResultHeard(result):
            return replace(state, heard=(*state.heard, result)), []
        case learn.CheckEnded(judged, when):
            return _ended(state, judged, when)
        case learn.CheckNotRun(why):
            return replace(state, checking=False, heard=(), note=why), []
        case learn.CourseLoaded(exercises, at):
            return _loaded(state, exercises, at)
        case learn.CourseBroken(why):
            return replace(state, trouble=why, checking=False, heard=()), [learn.CancelCheck()]
        case learn.ProgressRead(progress, notes):
            return replace(state, progress=progress, kept_notes=notes), []
        case learn.TextRead(page, text):
            return replace(state, page=page, text=text), []
        case learn.StarterRestored(text):
            return _check(replace(state, note=text, saved=True))
        case learn.NoteShown(text):
            return replace(state, note=text), []
        case learn.ScreenDrawn(scroll_max, page_lines):
            state = replace(state, page_lines=page_lines)
            return (_scrolled(state, scroll_max) if state.scroll > scroll_max else state), []


def _ended(state: LearnState, judged: Judged, when: str) -> Next:
    if not state.exercises or judged.exercise != state.exercise.name:
        return state, []
    state = replace(state, judged=judged, checking=False, heard=(), checked_at=when[11:19])
    if state.page == "work":
        state = _scrolled(state, 0)
    if judged.passed:
        state = replace(state, note="")  # what it said is outdated
    return state, [learn.KeepProgress(lambda progress: checked(progress, judged, when))]


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
    """Begin an exercise: what was known of another one is forgotten."""
    new = LearnState(state.exercises, index, state.progress, page_lines=state.page_lines)
    return _check(replace(new, note=note, trouble=state.trouble, kept_notes=state.kept_notes))


def _check(state: LearnState) -> Next:
    return replace(state, checking=True, heard=()), [learn.BeginCheck()]


def _key(state: LearnState, key: str) -> Next:
    if key in END_KEYS or (key == "q" and (state.page == "work" or not state.exercises)):
        return state, [learn.Quit()]
    if not state.exercises:
        return state, []
    state = replace(state, note="")
    if state.page == "reset":
        yes = key in ("y", "Y")
        home = replace(state, page="work", note="" if yes else "nothing was changed")
        return home, [learn.RestoreStarter()] if yes else []
    if key in SCROLLS:
        lines = SCROLLS[key]
        if key in PAGEWISE:
            lines = max(1, state.page_lines - 1) * (1 if lines > 0 else -1)
        return _scrolled(state, max(0, state.scroll + lines)), []
    return _command(state, key)


def _command(state: LearnState, key: str) -> Next:
    match key:
        case "t" if state.page != "task":
            return replace(state, read=True), [learn.ReadText("task")]
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
    """The hints shown so far; one more if there were none, or if they are on screen."""
    shown, name = state.standing.hints, state.exercise.name
    if not state.exercise.spec.hints:
        return replace(state, note="this exercise has no hints"), []
    more = not shown or (state.page == "hints" and state.more_hints)
    state = replace(state, page="hints")
    keep = learn.KeepProgress(lambda progress: hinted(progress, name, shown + 1))
    return state, [keep] if more else []


def _why(state: LearnState) -> Next:
    name = state.exercise.name
    if not state.may_see_answer:
        note = f"after it has passed; sooner: `chatlab solution {name} --give-up`"
        return replace(state, note=note), []
    keep = learn.KeepProgress(lambda progress: gave_up(progress, name))
    return state, [learn.ReadText("why"), keep]


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
