"""The loop that shows a comparison as it runs: side by side on a terminal, plain lines elsewhere.

`bench/live.py` decides what is shown, `side_by_side.py` how. `chatlab compare --no-live` shows a
progress bar instead, so that the two results prove what watching costs.
"""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console
from rich.live import Live

from chatlab.bench.compare import Compare
from chatlab.bench.live import LiveRecorder
from chatlab.view.compare.side_by_side import render
from chatlab.view.load import PROGRESS_S, progress_bar

REDRAW_S = 0.25


async def follow_live(compare: Compare, console: Console | None = None) -> None:
    """Show a comparison until cancelled; the screen is then as it was.

    Args:
        compare: the comparison; must be run beside this.
        console: where to; by default the standard error, so that the result can be redirected.
    """
    # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
    console = console or Console(stderr=True, force_terminal=sys.stderr.isatty())
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
    console = Console(stderr=True)
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
                    description=f"round {now.number} of {now.total}: {now.step} {now.mode}",
                )
                bar.refresh()
            elif now is not None and now.number != said:
                said = now.number
                console.print(f"round {now.number} of {now.total}: {now.mode}", highlight=False)
            await asyncio.sleep(PROGRESS_S)


async def _draw(recorder: LiveRecorder, console: Console) -> None:
    screen = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with screen as live:
        while True:
            width, height = console.size
            # One line stays free: a picture as high as the terminal would scroll it.
            live.update(render(recorder.snapshot(), width, height - 1), refresh=True)
            await asyncio.sleep(REDRAW_S)
