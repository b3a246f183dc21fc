"""A comparison while it runs: two modes side by side at one scale, and the loop that shows them.

`render` is pure: a snapshot goes in (see `bench/live.py`), lines come out. The loop shows them on a
terminal, and plain lines elsewhere. `chatlab compare --no-live` shows a progress bar instead, so
that the two results prove what watching costs. Read `panel.py` for one side.
"""

from __future__ import annotations

import asyncio
import sys

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.style import Style

from chatlab.bench.compare import Compare
from chatlab.bench.live import LiveMode, LiveRecorder, LiveSnapshot
from chatlab.view import words
from chatlab.view.compare.panel import PANEL_ROWS, Scale, panel
from chatlab.view.console import TextConsole
from chatlab.view.dashboard.live import drawn_at_once
from chatlab.view.load import PROGRESS_S, progress_bar
from chatlab.view.words import QUIET, STRONG, Line, Page, beside, cut, line

SIDE_BY_SIDE_MIN = 100
GAP = 2
CHART_ROWS_MAX = 8
ALARM = Style.parse("bold reverse color(130)")
_OTHER_ROWS = 4
"""The head, and up to three lines below the panels."""
REDRAW_S = 0.25


async def follow_live(compare: Compare, console: Console | None = None) -> None:
    """Show a comparison until cancelled; the screen is then as it was.

    Args:
        compare: the comparison; must be run beside this.
        console: where to; by default the standard error, so that the result can be redirected.
    """
    # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
    console = console or TextConsole(stderr=True, force_terminal=sys.stderr.isatty())
    if console.is_terminal and not console.is_dumb_terminal:
        recorder = LiveRecorder(compare)
        async with asyncio.TaskGroup() as group:
            for name in compare.entrants:
                group.create_task(recorder.count(name))
            await _draw(recorder, console)
    else:
        if not compare.measurement:
            print("not a measurement: all modes run at once", file=console.file, flush=True)
        await follow(compare)


async def follow(compare: Compare) -> None:
    """Show a progress bar on a terminal, a line for each round elsewhere, until cancelled."""
    console = TextConsole(stderr=True)
    messages, said = compare.scenario.messages, 0
    with progress_bar(console, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        while True:
            now = next(iter(compare.under_way.values()), None)
            if now is not None and console.is_terminal:
                delivered = now.load.delivered if now.load else 0
                bar.update(
                    task,
                    total=now.total * messages,
                    completed=(now.number - 1) * messages + delivered,
                    description=words.printable(
                        f"round {now.number} of {now.total}: {now.step} {now.mode}"
                    ),
                )
                bar.refresh()
            elif now is not None and now.number != said:
                said = now.number
                left_s = compare.left_s
                left = f", about {words.about(left_s)} left" if left_s is not None else ""
                console.print(
                    f"round {now.number} of {now.total}: {now.mode}{left}",
                )
            await asyncio.sleep(PROGRESS_S)


async def _draw(recorder: LiveRecorder, console: Console) -> None:
    with drawn_at_once(console, full_screen=False) as live:
        while True:
            width, height = console.size
            # One line stays free: a picture as high as the terminal would scroll it.
            live.update(render(recorder.snapshot(), width, height - 1), refresh=True)
            await asyncio.sleep(REDRAW_S)


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
    if now.left_s is not None:
        end += f", about {words.about(now.left_s)} left"
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
            speed = words.per_s(one.median_per_s) if one.clean else "NOT SAFE"
            short.append(f"{mode} {speed}")
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
