"""A load while it runs, in one line: on a terminal it is drawn anew, elsewhere a plain line comes
every few seconds. All of it goes to standard error, so that a pipe gets the result only."""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque

from rich.live import Live
from rich.text import Text

from chatlab.bench.address import DEFAULT_PORT, LOCAL_HOST, shown
from chatlab.bench.load import Load
from chatlab.bench.load_result import LoadProgress, RecentLatency
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.load import PROGRESS_S

PLAIN_LINE_S = 5.0
"""Between two lines of a log."""
RATES_OVER_S = 3.0


def introduction(load: Load) -> str:
    """What a load will do, for how long, and how to meet its users."""
    scenario, deadline_s = load.scenario, load.deadline_s
    rates = [rate for rate in (scenario.rate_per_s, scenario.rate_end_per_s) if rate]
    rate = " at " + " to ".join(f"{rate:,.0f}" for rate in rates) + " a second" if rates else ""
    where = f"the room {scenario.room!r}" if scenario.room else words.many(scenario.rooms, "room")
    lasts = "no deadline" if deadline_s is None else f"at most {deadline_s:,.0f} s (--deadline)"
    if 0 < scenario.planned_s < (deadline_s or math.inf):
        lasts = f"{scenario.planned_s:,.0f} s planned, {lasts}"
    if scenario.room:
        server = shown(load.url).removeprefix(f"ws://{LOCAL_HOST}")
        to = "" if server == f":{DEFAULT_PORT}" else f" {server}"
        room = "" if scenario.room == "general" else f" --room {scenario.room}"  # the usual one
        lasts += f"; join them: chatlab chat{to}{room}"
    return (
        f"{words.printable(scenario.name)}: {words.many(scenario.messages, 'message')}{rate} "
        f"from {words.many(scenario.users, 'user')} in {words.printable(where)}\n"
        f"{words.printable(lasts)}"
    )


class LoadLine:
    """The line about a load: rates over the last seconds, and how far behind it is.

    Args:
        deadline_s: when the load will stop; None: never.
    """

    def __init__(self, deadline_s: float | None) -> None:
        self._deadline_s = deadline_s
        self._before: deque[LoadProgress] = deque()

    def text(self, now: LoadProgress, recent: RecentLatency, width: int) -> str:
        """The line at this moment, of at most `width` columns."""
        before = self._before
        before.append(now)
        while now.t_s - before[0].t_s > RATES_OVER_S:
            before.popleft()
        first = before[0] if len(before) > 1 else LoadProgress(0.0, 0, 0, 0, 0, 0.0, None, None)
        took_s = max(now.t_s - first.t_s, 1e-3)
        sent, acked, delivered = (
            f"{name} {words.per_s((getattr(now, name) - getattr(first, name)) / took_s)}"
            for name in ("sent", "acked", "delivered")
        )
        p50 = f"p50 {words.milliseconds(recent.delivery_ms.p50)}"
        behind = f"behind by {now.oldest_s:.1f} s"
        clock = f"{now.t_s:,.0f} s"
        long = short = clock
        if self._deadline_s is not None:
            long = f"{clock}, deadline {self._deadline_s:,.0f} s"
            short = f"{now.t_s:,.0f}/{self._deadline_s:,.0f} s"
        return words.first_that_fits(
            width,
            "  ".join([long, sent, acked, delivered, f"delivery {p50}", behind]),
            "  ".join([short, sent, acked, delivered, p50, behind]),
            "  ".join([short, sent, delivered, p50, behind]),
        )


async def follow_load(load: Load) -> None:
    """Show one load's progress until cancelled, once the server has let somebody in."""
    await load.let_in.wait()
    print(introduction(load), file=sys.stderr, flush=True)
    console = TextConsole(stderr=True)
    line = LoadLine(load.deadline_s)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_LINE_S)
            print(_now(load, line, 200), file=sys.stderr, flush=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            text = Text(_now(load, line, console.width - 1), no_wrap=True)
            live.update(text, refresh=True)
            await asyncio.sleep(PROGRESS_S)


def _now(load: Load, line: LoadLine, width: int) -> str:
    if not load.started:
        return f"{len(load.connections):,} of {load.scenario.users:,} users have joined"
    if load.result.ended_s:
        return "hanging up" + f", and leaving {load.scenario.room!r}" * bool(load.scenario.room)
    return line.text(load.progress(), load.recent(), width)
