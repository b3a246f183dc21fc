"""A comparison while it runs: two modes side by side at the same scale. State in, lines out.

Two modes are never measured at the same time. The one that does not run is a ghost: its last
round, at the same scenario time as the one that does. Owns where the blocks stand; read
`race_panel.py` for one side, `race_live.py` for the loop.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import RenderableType
from rich.style import Style

from chatlab.view import words
from chatlab.view.compare.race_panel import PANEL_ROWS, panel
from chatlab.view.compare.race_scale import Scale
from chatlab.view.compare.race_state import Contestant, RaceState
from chatlab.view.lines import QUIET, STRONG, Line, Page, beside, cut, line

SIDE_BY_SIDE_MIN = 100
GAP = 2
CHART_ROWS_MAX = 3
ALARM = Style.parse("bold reverse yellow")
_OTHER_ROWS = 4
"""The head, and up to three lines below the panels."""


def render(state: RaceState, width: int, height: int) -> RenderableType:
    """The screen as the comparison stands.

    Args:
        state: what is known of it.
        width: columns; no line is wider.
        height: lines; there are no more.
    """
    wide = width >= SIDE_BY_SIDE_MIN
    lines = [_head(state, width)]
    if not state.measurement:
        lines.append(_alarm(state, width))
    pair = _that_fit(state, height - len(lines), wide)
    stacked = 1 if wide else len(pair)
    room = height - _OTHER_ROWS - (not state.measurement)
    rows = max(1, min(CHART_ROWS_MAX, 1 + (room - stacked * PANEL_ROWS) // (2 * stacked)))
    each = (width - GAP) // 2 if wide and len(pair) == 2 else width
    scale = Scale.of(state, [one.name for one in pair], each)
    panels = [panel(one, scale, each, rows) for one in pair]
    if wide and len(panels) == 2:
        lines += beside(panels[0], panels[1], each, GAP)
    else:
        lines += [row for one in panels for row in one]
    return Page([*lines, *_foot(state, pair, scale, width)][: max(0, height)])


def _that_fit(state: RaceState, height: int, wide: bool) -> list[Contestant]:
    """Both modes; on a low terminal only the one that runs."""
    pair = state.pair()
    if wide or height >= len(pair) * PANEL_ROWS:
        return pair
    return [one for one in pair if one.role in ("live", "done")][:1] or pair[:1]


def _head(state: RaceState, width: int) -> Line:
    end = f"elapsed {words.duration(state.elapsed_s)}"
    name = words.printable(state.scenario.name)
    doing = _doing(state)
    text = words.first_that_fits(
        max(0, width - cell_len(end) - 2), f"chatlab compare {name}: {doing}", doing
    )
    filler = " " * (width - cell_len(text) - cell_len(end))
    return cut(line((text, STRONG), filler, (end, QUIET)), width)


def _doing(state: RaceState) -> str:
    if not state.measurement:
        return "a demonstration"
    now = state.current
    if now is None:
        return "starting"
    mode = words.shorten_middle(words.printable(now.mode), 30)
    return f"round {now.number} of {now.total}, {now.step} {mode}"


def _alarm(state: RaceState, width: int) -> Line:
    who = "both run" if len(state.names) == 2 else "all run"
    text = words.first_that_fits(
        width,
        f" NOT A MEASUREMENT: {who} at once and take time from each other ",
        "NOT A MEASUREMENT",
    )
    return line((text, ALARM))


def _foot(state: RaceState, pair: list[Contestant], scale: Scale, width: int) -> list[Line]:
    texts = [scale.describe(width)] if scale.columns else []
    if any(one.role == "ghost" for one in pair):
        texts.append("ghost: not running now; its last round, as it was at the same t")
    texts.append(_medians(state, pair, width) if state.measurement else _others(state, pair))
    return [line((words.shorten(text, width), QUIET)) for text in texts if text]


def _medians(state: RaceState, pair: list[Contestant], width: int) -> str:
    """Each mode's median so far: of few rounds, and so not a verdict."""
    shown = [one.name for one in pair]
    full, short = [], []
    # What must be cut is cut at the end: first come the modes that stand nowhere else.
    for name in sorted(state.names, key=lambda name: name in shown):
        per_s, rounds = state.per_s_so_far(name)
        if per_s is not None:
            mode = words.shorten_middle(words.printable(name), 24)
            short.append(f"{mode} {words.per_s(per_s)}")
            full.append(f"{short[-1]} ({rounds} round{'s' * (rounds > 1)})")
    texts = [f"median so far: {', '.join(found)}" for found in (full, short)]
    return words.first_that_fits(width, *texts) if full else ""


def _others(state: RaceState, pair: list[Contestant]) -> str:
    """In a demonstration: how far the modes are for which there is no room."""
    shown = {one.name for one in pair}
    found = [
        f"{words.printable(name)} {words.short_count(run.at(run.end_s).delivered)} delivered"
        for name in state.names
        if name not in shown
        for run in state.runs(name)[:1]
    ]
    return f"also: {', '.join(found)}" if found else ""
