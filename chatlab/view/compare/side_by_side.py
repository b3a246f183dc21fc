"""A comparison while it runs: two modes side by side at one scale. Snapshot in, lines out.

Owns where the blocks stand. Read `panel.py` for one side, `live.py` for the loop, and
`bench/live.py` for what a snapshot holds.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import RenderableType
from rich.style import Style

from chatlab.bench.live import LiveMode, LiveSnapshot
from chatlab.view import words
from chatlab.view.compare.panel import PANEL_ROWS, Scale, panel
from chatlab.view.lines import QUIET, STRONG, Line, Page, beside, cut, line

SIDE_BY_SIDE_MIN = 100
GAP = 2
CHART_ROWS_MAX = 3
ALARM = Style.parse("bold reverse yellow")
_OTHER_ROWS = 4
"""The head, and up to three lines below the panels."""


def render(now: LiveSnapshot, width: int, height: int) -> RenderableType:
    """The screen as the comparison stands.

    Args:
        now: what is known of it.
        width: columns; no line is wider.
        height: lines; there are no more.
    """
    wide = width >= SIDE_BY_SIDE_MIN
    lines = [_head(now, width)]
    if not now.measurement:
        lines.append(_alarm(now, width))
    pair = _those_that_fit(now, height - len(lines), wide)
    stacked = 1 if wide else len(pair)
    room = height - _OTHER_ROWS - (not now.measurement)
    rows = max(1, min(CHART_ROWS_MAX, 1 + (room - stacked * PANEL_ROWS) // (2 * stacked)))
    each = (width - GAP) // 2 if wide and len(pair) == 2 else width
    scale = Scale.of(now.scenario, pair, each)
    panels = [panel(one, scale, each, rows) for one in pair]
    if wide and len(panels) == 2:
        lines += beside(panels[0], panels[1], each, GAP)
    else:
        lines += [row for one in panels for row in one]
    return Page([*lines, *_foot(now, pair, scale, width)][: max(0, height)])


def _those_that_fit(now: LiveSnapshot, height: int, wide: bool) -> list[LiveMode]:
    """Both modes; on a low terminal only the one that runs."""
    pair = now.shown
    if wide or height >= len(pair) * PANEL_ROWS:
        return pair
    return [one for one in pair if one.role in ("live", "done")][:1] or pair[:1]


def _head(now: LiveSnapshot, width: int) -> Line:
    end = f"elapsed {words.duration(now.elapsed_s)}"
    name = words.printable(now.scenario.name)
    doing = _doing(now)
    text = words.first_that_fits(
        max(0, width - cell_len(end) - 2), f"chatlab compare {name}: {doing}", doing
    )
    filler = " " * (width - cell_len(text) - cell_len(end))
    return cut(line((text, STRONG), filler, (end, QUIET)), width)


def _doing(now: LiveSnapshot) -> str:
    if not now.measurement:
        return "a demonstration"
    if not now.number:
        return "starting"
    step, mode = now.doing
    mode = words.shorten_middle(words.printable(mode), 30)
    return f"round {now.number} of {now.total}, {step} {mode}"


def _alarm(now: LiveSnapshot, width: int) -> Line:
    who = "both run" if len(now.modes) == 2 else "all run"
    text = words.first_that_fits(
        width,
        f" NOT A MEASUREMENT: {who} at once and take time from each other ",
        "NOT A MEASUREMENT",
    )
    return line((text, ALARM))


def _foot(now: LiveSnapshot, pair: list[LiveMode], scale: Scale, width: int) -> list[Line]:
    texts = [scale.describe(width)] if scale.columns else []
    if any(one.role == "ghost" for one in pair):
        texts.append("ghost: not running now; its last round, as it was at the same t")
    texts.append(_medians(now, width) if now.measurement else _others(now, pair))
    return [line((words.shorten(text, width), QUIET)) for text in texts if text]


def _medians(now: LiveSnapshot, width: int) -> str:
    """Each mode's median so far: of few rounds, and so not a verdict."""
    full, short = [], []
    # What must be cut is cut at the end: first come the modes that have no panel.
    for one in sorted(now.modes, key=lambda one: one.name in now.pair):
        if one.median_per_s is not None:
            rounds = len(one.throughputs_per_s)
            mode = words.shorten_middle(words.printable(one.name), 24)
            short.append(f"{mode} {words.per_s(one.median_per_s)}")
            full.append(f"{short[-1]} ({rounds} round{'s' * (rounds > 1)})")
    texts = [f"median so far: {', '.join(found)}" for found in (full, short)]
    return words.first_that_fits(width, *texts) if full else ""


def _others(now: LiveSnapshot, pair: list[LiveMode]) -> str:
    """In a demonstration: how far the modes are that have no panel."""
    found = [
        f"{words.printable(one.name)} {words.short_count(run.at(run.end_s).delivered)} delivered"
        for one in now.modes
        if one not in pair
        for run in one.known[:1]
    ]
    return f"also: {', '.join(found)}" if found else ""
