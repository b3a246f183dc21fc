"""The screenful that becomes of snapshots, and what a key changes about it.

Owns where each block stands. There are three views: the overview, latency and files; each uses what
room a terminal has, and any of them can be explained, row by row. Everything here is pure. Read
`measures.py` and `state.py` for the blocks, `charts.py` for the large charts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from rich.console import RenderableType
from rich.style import Style

from chatlab.chat.snapshot import Snapshot
from chatlab.view import words
from chatlab.view.dashboard import measures, state
from chatlab.view.dashboard.charts import chart, plot_width, time_axis
from chatlab.view.dashboard.explained import pages
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

TWO_COLUMNS_MIN = 78
THREE_COLUMNS_MIN = 120
LARGE_MIN = 34
"""Lines from which on the overview has large charts, if it is wide enough for three columns."""
WAITING_WIDTH = 52
GAP = 2
TWO_CHARTS_MIN = 20
"""Lines from which on the view of latency has a chart of what waits, too."""
TWO_NOTES_MIN = 26
"""Lines from which on a second note comes before the lines of single files."""
HINT_MIN = 8
"""Lines from which on the last one names the keys."""
CHART_ROWS_MAX = 3
_CHARTED_ROWS = 7
_FILE_ROWS = 4
"""Files that keep their own line before charts grow: as many as the starting data have."""
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
    if len(lines) > height and history[-1].notes:
        lines[height - 1] = state.notes(history[-1], width)[1]  # a warning is never cut off
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


def _overview(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    if width >= THREE_COLUMNS_MIN and height >= LARGE_MIN:
        return _with_large_charts(history, width, height)
    if width >= TWO_COLUMNS_MIN:
        return _two_columns(history, width, height)
    return _one_column(history, width)


def _with_large_charts(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """All figures together, and below them two charts that share the time."""
    now = history[-1]
    lines = state.head(now, width) + _figures(history, width)
    below = [*measures.files(now, width, height // 6), *state.notes(now, width)[:4]]
    rows = height - len(lines) - len(below) - 3
    lines += _delivered_chart(history, width, rows - rows // 2)
    lines += _latency_chart(history, width, rows // 2)
    return [*lines, time_axis(width), *below]


def _figures(history: Sequence[Snapshot], width: int) -> list[Line]:
    """Messages, latencies and what waits in three columns, and the process in one line."""
    now, left = history[-1], width - TEXT_WIDTH - WAITING_WIDTH - 2 * GAP
    both = beside(
        measures.messages(history, left), measures.latencies([now], TEXT_WIDTH), left, GAP
    )
    waiting = [heading(state.queue_title(now), WAITING_WIDTH)]
    waiting += state.queue_rows(now, WAITING_WIDTH).values()
    lines = beside(both, waiting, left + GAP + TEXT_WIDTH, GAP)
    cpu, memory, refused = state.process_rows(now, width - 2 * TEXT_WIDTH).values()
    process = [*fit(cpu, TEXT_WIDTH), *fit(memory, TEXT_WIDTH), *refused]
    return [*lines, heading("process, refusals", width), cut(process, width)]


def _delivered_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    values = measures.rates_per_s(history, attrgetter("counts.delivered"), plot_width(width))
    return chart("delivered per second", values, width, rows, words.per_s)


def _latency_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    values = measures.gauge(history, attrgetter("delivery_ms.p95"), plot_width(width))
    return chart("latency of the delivery, p95", values, width, rows, words.milliseconds)


def _waiting_chart(history: Sequence[Snapshot], width: int, rows: int) -> list[Line]:
    values = measures.gauge(history, state.all_waiting, plot_width(width))
    return chart("messages waiting, in the queue and outside", values, width, rows, _whole)


def _whole(value: float) -> str:
    return words.short_count(round(value))


def _two_columns(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    now = history[-1]
    left = width // 2
    right = width - left - GAP
    lines = state.head(now, width)
    rows = _chart_rows(height - len(lines))
    lines += beside(
        measures.messages(history, left, rows), measures.latencies(history, right, rows), left, GAP
    )
    lines += beside(
        state.queue(history, left, rows), state.process(history, right, rows), left, GAP
    )
    notes = state.notes(now, width)
    note_rows = min(2 + (height >= TWO_NOTES_MIN), len(notes))
    lines += measures.files(now, width, max(1, height - len(lines) - 4 - note_rows))
    return lines + notes[: max(2, height - len(lines))]


def _one_column(history: Sequence[Snapshot], width: int) -> list[Line]:
    now = history[-1]
    return [
        *state.head(now, width),
        *measures.messages(history, width),
        *state.queue(history, width),
        *measures.latencies(history, width),
        *state.process(history, width),
        *measures.files(now, width),
        *state.notes(now, width),
    ]


def _chart_rows(height: int) -> int:
    """Lines for each chart, once everything else has its place."""
    others = 3 + (_FILE_ROWS + 4) + 3
    return max(1, min(CHART_ROWS_MAX, (height - others) // _CHARTED_ROWS))


def _latency(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """The latencies, what waits, and charts of all the rest of the room."""
    lines = [state.title(history[-1], width), state.ack(history[-1], width)]
    if width >= TWO_COLUMNS_MIN:
        right = width - TEXT_WIDTH - GAP
        latencies = measures.latencies(history, TEXT_WIDTH)
        lines += beside(latencies, state.queue(history, right), TEXT_WIDTH, GAP)
    else:
        lines += [*measures.latencies(history, width), *state.queue(history, width)]
    rows = max(1, height - len(lines) - 2)
    two = rows >= TWO_CHARTS_MIN
    lines += _latency_chart(history, width, rows - rows // 2 - 1 if two else rows)
    lines += _waiting_chart(history, width, rows // 2) if two else []
    return [*lines, time_axis(width)]


def _files(history: Sequence[Snapshot], width: int, height: int) -> list[Line]:
    """What every file has cost, and one chart of all the rest of the room."""
    now = history[-1]
    lines = [state.title(now, width), state.ack(now, width)]
    lines += measures.files(now, width, max(1, height // 2 - 4))
    rows = max(1, height - len(lines) - 2)
    values = measures.rates_per_s(history, attrgetter("io.operations"), plot_width(width))
    lines += chart("file operations per second", values, width, rows, words.per_s)
    return [*lines, time_axis(width)]


# What can be explained of each view: its rows, without charts, by their labels


def _overview_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {
        **state.head_rows(now, width),
        **measures.message_rows(now),
        **measures.latency_rows(now),
        **state.queue_rows(now, width),
        **state.process_rows(now, width),
        **measures.file_rows(now),
        "notes": line(("notes", STRONG)),
    }


def _latency_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {
        "ack means": state.ack(now, width),
        **measures.latency_rows(now),
        **state.queue_rows(now, width),
    }


def _file_rows(now: Snapshot, width: int) -> dict[str, Line]:
    return {"ack means": state.ack(now, width), **measures.file_rows(now)}


class _View(NamedTuple):
    name: str
    lines: Callable[[Sequence[Snapshot], int, int], list[Line]]
    rows: Callable[[Snapshot, int], dict[str, Line]]


VIEWS = (
    _View("overview", _overview, _overview_rows),
    _View("latency", _latency, _latency_rows),
    _View("files", _files, _file_rows),
)
