"""The loop that shows a comparison as it runs: side by side on a terminal, plain lines elsewhere.

What is shown is decided in `race_state.py` and `race.py`; `chatlab compare --no-live` leaves this
out, so that the two results prove what watching costs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.compare import Compare
from chatlab.errors import UsageError
from chatlab.view import progress
from chatlab.view.compare.race import render
from chatlab.view.compare.race_state import RaceState

REFRESH_S = 0.25
COUNT_S = 0.5
"""Between two questions to a server about its files: each costs it a moment of the round."""
COUNT_BEFORE_S = 0.1
"""... until messages flow: the sooner the first count, the more of the round it sees."""


async def follow_live(race: Compare, console: Console | None = None) -> None:
    """Show a comparison until cancelled; the screen is then as it was.

    Args:
        race: the comparison; must be run beside this.
        console: where to; by default the standard error, so that the result can be redirected.
    """
    # Rich takes FORCE_COLOR for a terminal; a pipe that shows colours is still no screen.
    console = console or Console(stderr=True, force_terminal=sys.stderr.isatty())
    if console.is_terminal and not console.is_dumb_terminal:
        await _on_screen(race, console)
    else:
        if not race.measurement:
            print("not a measurement: all modes run at once", file=console.file, flush=True)
        await progress.follow(race)


async def _on_screen(race: Compare, console: Console) -> None:
    state = RaceState(list(race.entrants), race.scenario, time.monotonic)
    async with asyncio.TaskGroup() as group:
        for name in race.entrants:
            group.create_task(_count(race, state, name))
        await _draw(race, state, console)


async def _draw(race: Compare, state: RaceState, console: Console) -> None:
    screen = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with screen as live:
        while True:
            state.look(race.under_way, race.rounds_done, measurement=race.measurement)
            width, height = console.size
            # One line stays free: a picture as high as the terminal would scroll it.
            live.update(render(state, width, height - 1), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _count(race: Compare, state: RaceState, name: str) -> None:
    """Ask the servers of one mode, one after another, what their files have cost so far."""
    while True:
        now = race.under_way.get(name)
        if now is not None and now.url and now.step == "measuring":
            # An error: the round ended meanwhile, and its server with it. The result has the
            # exact count; here the figure stays as it was.
            with suppress(UsageError):
                state.count(name, now.number, await fetch_snapshot(now.url))
        await asyncio.sleep(COUNT_S if state.flows(name) else COUNT_BEFORE_S)
