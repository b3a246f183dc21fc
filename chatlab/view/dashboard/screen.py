"""The screenful that becomes of snapshots, and what a key changes about it.

There are three views: the overview (`overview.py`), latency and files; each uses what room a
terminal has, and any of them can be explained, row by row (`explained.py`). Everything here is
pure. Read `measures.py`, `waiting.py` and `state.py` for the blocks, `charts.py` for the charts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from rich.console import RenderableType
from rich.style import Style

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import charts, measures, state, waiting
from chatlab.view.dashboard.explained import pages
from chatlab.view.dashboard.overview import GAP, TWO_COLUMNS_MIN, overview
from chatlab.view.words import (
    QUIET,
    STRONG,
    TEXT_WIDTH,
    Line,
    Page,
    beside,
    cut,
    fit,
    heading,
    line,
)

TWO_CHARTS_MIN = 20
"""Lines from which on the view of latency has a chart of what waits, too."""
HINT_MIN = 8
"""Lines from which on the last one names the keys."""
ALARM = Style.parse("bold reverse")


class ViewChoice(NamedTuple):
    """What the person in front of a dashboard chose to see.

    Attributes:
        view: which of the views, by its number.
        page: of the explanations of that view; None while they are not shown.
        paused_s: for how long the picture has stood; None while it moves.
        leaving: whether they have had enough.
        with_keys: whether there are keys at all.
    """

    view: int = 0
    page: int | None = None
    paused_s: float | None = None
    leaving: bool = False
    with_keys: bool = False


NO_CHOICE = ViewChoice()
"""Of a person without keys, or who has not pressed one yet."""


def after(look: ViewChoice, key: str) -> ViewChoice:
    """What is to be seen once a key is pressed; most keys change nothing."""
    explaining = look.page is not None
    match key:
        case "p" | " ":
            return look._replace(paused_s=0.0 if look.paused_s is None else None)
        case "e":
            return look._replace(page=None if explaining else 0)
        case "escape":
            return look._replace(page=None)
        case "v" | "c-i":  # which is what a terminal calls Tab
            return look._replace(view=(look.view + 1) % len(VIEWS), page=0 if explaining else None)
        case "down" | "pagedown" if look.page is not None:
            return look._replace(page=look.page + 1)
        case "up" | "pageup" if look.page is not None:
            return look._replace(page=look.page - 1)
        case "q" | "c-c":
            return look._replace(leaving=True)
    return look


def render(
    history: Sequence[Snapshot], width: int, height: int, look: ViewChoice = NO_CHOICE
) -> RenderableType:
    """The dashboard as it is at the last of some snapshots.

    Args:
        history: snapshots of one server, oldest first; the older ones give the charts.
        width: columns; no line is wider.
        height: lines; there are no more.
        look: what to show of it.
    """
    room = height - 1 if height >= HINT_MIN else height
    lines, place = _body(history, width, room, look)
    if height >= HINT_MIN:
        lines = [*lines, *[[]] * (room - len(lines)), _hint(look, place, width)]
    return Page(lines[:height])


def _body(
    history: Sequence[Snapshot], width: int, height: int, look: ViewChoice
) -> tuple[list[Line], str]:
    """The picture without its last line, and where it is among the others."""
    if not history:
        return [line("waiting for the server")], ""
    view = VIEWS[look.view]
    if look.page is not None:
        explained = pages(view.rows(history[-1], width), width, height - 1)
        at = look.page % len(explained)
        return [
            heading(f"{view.name}, explained row by row", width),
            *explained[at],
        ][:height], f"page {at + 1} of {len(explained)}"
    lines = view.lines(history, width, height)
    if len(lines) > height and state.has_notes(history):
        lines[height - 1] = state.notes(history, width)[1]  # a warning is never cut off
    return lines[:height], f"view {look.view + 1} of {len(VIEWS)}: {view.name}"


def _hint(look: ViewChoice, place: str, width: int) -> Line:
    """The last line: what the keys do, and which view or page this is."""
    if look.leaving:
        return line((" stopping ", ALARM))
    if not look.with_keys:
        return cut(line(("Ctrl-C", STRONG), " ends"), width)
    keys = {"p": "pause" if look.paused_s is None else "go on", "v": "view", "e": "explain"}
    if look.page is not None:
        keys |= {"e": "back", "up/down": place}
        place = ""
    hint: Line = []
    if look.paused_s is not None:
        hint = line((f" PAUSED {words.duration(look.paused_s)} ", ALARM), "  ")
    for key, does in (keys | {"q": "quit"}).items():
        hint += line((key, STRONG), f" {does}  ")
    text_width = sum(len(part.text) for part in hint)
    if text_width + len(place) <= width:
        hint = [*fit(hint, width - len(place)), *line((place, QUIET))]
    return cut(hint, width)


# The views


def _latency(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """The latencies, what waits, and charts of all the rest of the room."""
    lines = state.short_head(history, width)
    if width >= TWO_COLUMNS_MIN:
        right = width - TEXT_WIDTH - GAP
        latencies = measures.latencies(history, TEXT_WIDTH)
        lines += beside(latencies, waiting.block(history, right), TEXT_WIDTH, GAP)
    else:
        lines += [*measures.latencies(history, width), *waiting.block(history, width)]
    rows = max(1, height - len(lines) - 2)
    two = rows >= TWO_CHARTS_MIN
    lines += charts.latency_chart(history, width, rows - rows // 2 - 1 if two else rows)
    lines += charts.waiting_chart(history, width, rows // 2) if two else []
    return [*lines, charts.time_axis(width)]


def _files(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """What every file has cost, and one chart of all the rest of the room."""
    now = history[-1]
    lines = state.short_head(history, width)
    lines += measures.files(now, width, max(1, height // 2 - 4))
    rows = max(1, height - len(lines) - 2)
    values = measures.rates_per_s(history, attrgetter("io.operations"), charts.plot_width(width))
    lines += charts.chart("file operations per second", values, width, rows, words.per_s)
    return [*lines, charts.time_axis(width)]


# What can be explained of each view: its rows, without charts, by their labels


def _overview_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {
        **state.head_rows(now, width),
        **measures.message_rows(now),
        **measures.latency_rows(now),
        **waiting.rows_of(now, width),
        **state.process_rows(now, width),
        **measures.file_rows(now),
        "notes": line(("notes", STRONG)),
    }


def _latency_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {
        **state.head_rows(now, width, parts=False),
        **measures.latency_rows(now),
        **waiting.rows_of(now, width),
    }


def _file_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {**state.head_rows(now, width, parts=False), **measures.file_rows(now)}


class _View(NamedTuple):
    name: str
    lines: Callable[[Sequence[Snapshot], int, int], list[Line]]
    rows: Callable[[Snapshot, int], dict[str, Line]]


VIEWS = (
    _View("overview", overview, _overview_rows),
    _View("latency", _latency, _latency_rows),
    _View("files", _files, _file_rows),
)
