"""RoundProgress, on standard error: a bar on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from chatlab.bench.compare import Compare, RoundProgress
from chatlab.bench.load_result import LoadResult

REFRESH_S = 0.5
"""Twice a second only: the load generator shares this process's time."""


async def follow(race: Compare) -> None:
    """Show a comparison's progress until cancelled."""
    console = Console(stderr=True)
    if not console.is_terminal:
        await _lines(race, console)
        return
    messages = race.scenario.messages
    with _bar(console) as bar:
        task = bar.add_task("")
        while True:
            now = _latest(race)
            if now is not None:
                delivered = now.load.delivered if now.load else 0
                bar.update(
                    task,
                    total=now.total * messages,
                    completed=(now.number - 1) * messages + delivered,
                    description=f"round {now.number} of {now.total}: {now.step} {now.mode}",
                )
                bar.refresh()
            await asyncio.sleep(REFRESH_S)


async def follow_load(result: LoadResult) -> None:
    """Show one load's progress until cancelled."""
    console = Console(stderr=True)
    total = len(result.plan)
    with _bar(console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        while True:
            refused = len(result.refused)
            text = f"sent {result.sent:,}, acked {result.acked:,}, delivered {result.delivered:,}"
            bar.update(task, completed=result.delivered + refused, description=text)
            bar.refresh()
            await asyncio.sleep(REFRESH_S)


def _latest(race: Compare) -> RoundProgress | None:
    return next(iter(race.under_way.values()), None)


async def _lines(race: Compare, console: Console) -> None:
    said = 0
    while True:
        now = _latest(race)
        if now is not None and now.number != said:
            said = now.number
            console.print(f"round {now.number} of {now.total}: {now.mode}", highlight=False)
        await asyncio.sleep(REFRESH_S)


def _bar(console: Console, *, disable: bool = False) -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
        disable=disable,
    )
