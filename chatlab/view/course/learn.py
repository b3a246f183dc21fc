"""The screen of `chatlab learn`: a state in, at most `height` lines out.

Owns the layout: above, the exercise and the progress; below, the one next action and the keys;
between them, as much of the page as there is room for. Read `pages.py` for what is on the pages and
what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.segment import Segment
from rich.text import Text

from chatlab.course.learn import LearnState
from chatlab.view import words
from chatlab.view.course import pages
from chatlab.view.course.common import (
    LABEL_WIDTH,
    Rows,
    amount,
    labelled,
    plain,
    points,
    shown_path,
)
from chatlab.view.course.feedback import marks
from chatlab.view.course.listing import achieved
from chatlab.view.course.pages import next_action
from chatlab.view.words import (
    CHART,
    GOOD,
    HEADING,
    QUIET,
    STRONG,
    WARNING,
    Line,
    Page,
    cut,
    heading,
)

BAR_WIDTH = 24
BODY_MIN = 5
"""With less room than this for the page, the header shows only what is needed."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A drawn screen.

    Attributes:
        page: to show.
        scroll_max: the highest first line that makes sense.
        page_lines: lines that the page has room for.
    """

    page: Page
    scroll_max: int
    page_lines: int


def screen(state: LearnState, console: Console, width: int, height: int) -> Screen:
    """The screen of a state.

    Args:
        console: only to measure with.
        width: columns; no line is wider.
        height: lines; there are no more.
    """
    going_on, at_the_end = (_below(state, console, width, more=more) for more in (True, False))
    rest = height - max(len(going_on), len(at_the_end)) - 1
    above = _above(state, console, width, full=True)
    if rest - len(above) < BODY_MIN:
        above = _above(state, console, width, full=False)
    room = max(1, rest - len(above))
    body = _body(state, console, width, room)
    scroll_max = max(0, len(body) - room)
    top = min(state.scroll, scroll_max)
    below = at_the_end if top == scroll_max else going_on
    shown = body[top : top + room]
    shown += [[]] * (height - len(above) - len(shown) - len(below) - 1)
    rule = _rule(len(body), top, room, width)
    lines = [cut(one, width) for one in (*above, *shown, rule, *below)]
    return Screen(Page(lines[:height]), scroll_max, room)


def _above(state: LearnState, console: Console, width: int, *, full: bool) -> list[Line]:
    if not state.exercises:
        return [heading("chatlab learn", width)]
    exercise = state.exercise
    file = words.shorten_middle(shown_path(exercise.work), width - LABEL_WIDTH)
    rows: Rows = [("file", _one_line(file))]
    if full:
        rows.insert(0, ("goal", plain(exercise.spec.goal)))
    if full and state.page == "work":
        rows += [("see live", _one_line(one)) for one in exercise.spec.see[:1]]
    title = f"{exercise.number}  {words.printable(exercise.spec.title)}"
    return [
        heading(title, width, f"about {exercise.spec.minutes} min"),
        *lines_of(Group(_bar(state), labelled(rows), _status(state)), console, width),
    ]


def _one_line(text: str) -> Text:
    return Text(words.printable(text), no_wrap=True, overflow="ellipsis")


def _bar(state: LearnState) -> Text:
    passed, earned, of = achieved(state.exercises, state.progress)
    filled = passed * BAR_WIDTH // len(state.exercises)
    return Text.assemble(
        ("█" * filled, GOOD),
        ("░" * (BAR_WIDTH - filled), QUIET),
        f"  {passed} of {len(state.exercises)} passed, {points(earned, of)} points",
        no_wrap=True,
        overflow="ellipsis",
    )


def _status(state: LearnState) -> Text:
    """`checks    ✓ ✗ ✗ -  2 of 10 points, checked 17:03:22`."""
    results = state.heard if state.checking else state.judged.results if state.judged else ()
    text = Text("checks    ", QUIET, no_wrap=True, overflow="ellipsis")
    text.append(marks(results))
    if state.checking:
        text.append("  checking ..." if results else "checking ...", WARNING)
    elif state.judged is not None and state.judged.broken:
        text.append(f"none could be run, {state.checked_at}", QUIET)
    elif state.judged is not None:
        earned = amount(state.judged.points)
        text.append("  " if results else "")
        text.append(f"{earned} of {amount(state.exercise.points)} points", STRONG)
        text.append(f", checked {state.checked_at}", QUIET)
    return text


def _body(state: LearnState, console: Console, width: int, room: int) -> list[Line]:
    lines: list[Line] = []
    shorter = pages.STORY_LINES if state.page == "work" else pages.STORY_LINES[:1]
    for story_max in shorter:
        lines = lines_of(pages.page(state, story_max), console, width)
        if len(lines) <= room:
            break
    return [[], *lines] if len(lines) < room else lines


def _rule(lines: int, top: int, room: int, width: int) -> Line:
    if lines <= room:
        return heading("", width) if width < 4 else [Segment("─" * width, HEADING)]
    last = min(lines, top + room)
    how = "space reads on" if last < lines else "the end"
    return heading(f"lines {top + 1} to {last} of {lines}: {how}, up and down scroll", width)


def _below(state: LearnState, console: Console, width: int, *, more: bool) -> list[Line]:
    action = next_action(state, more=more)
    lines = lines_of(Text.assemble(("> ", CHART), action), console, width)
    for note in filter(None, (state.note, *state.kept_notes)):
        lines += lines_of(plain(note, WARNING), console, width)
    return lines + _keys(state, width)


def _keys(state: LearnState, width: int) -> list[Line]:
    """The keys that do something now, on as many lines as they need."""
    lines: list[Line] = [[]]
    for key, what in _offered(state):
        room = width - sum(segment.cell_length for segment in lines[-1])
        if lines[-1] and len(key) + len(what) + 1 > room:
            lines.append([])
        lines[-1] += [Segment(key, STRONG), Segment(f" {what}  ", QUIET)]
    return lines


def _offered(state: LearnState) -> list[tuple[str, str]]:
    if not state.exercises:
        return [("q", "quit")]
    if state.page == "reset":
        return [("y", "yes"), ("n", "no")]
    keys = {"t": "task", "h": "hint", "s": "checks", "w": "why", "r": "run", "x": "reset"}
    keys |= {"n": "next", "p": "back", "l": "list", "q": "quit"}
    if not state.may_see_answer:
        del keys["w"]
    if not state.may_go_on:
        del keys["n"]
    if not state.index:
        del keys["p"]
    if state.page != "work":
        keys["q"] = "close"
    if state.page == "hints" and state.more_hints:
        keys["h"] = "next hint"
    return list(keys.items())


def lines_of(content: RenderableType, console: Console, width: int) -> list[Line]:
    """Any content, as lines of at most `width` columns."""
    options = console.options.update(width=max(1, width), height=None)
    return console.render_lines(content, options, pad=False)
