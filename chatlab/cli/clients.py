"""`chatlab load` and `chatlab top`: put load on a server that is running, or watch it."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from chatlab import signals
from chatlab.bench.address import shown, stats_url
from chatlab.bench.client import connect
from chatlab.bench.documents import Documents
from chatlab.bench.load import Load
from chatlab.bench.report import load_report
from chatlab.bench.scenario import Scenario, override, plan
from chatlab.chat import snapshot as snapshots
from chatlab.chat.snapshot import Snapshot
from chatlab.cli.keys import terminal_keys
from chatlab.cli.options import (
    JSON,
    SCENARIO,
    SEED,
    SERVER,
    command_line,
    finite,
    flag,
    option,
    with_groups,
)
from chatlab.data.records import indented_json
from chatlab.errors import ExitCode, UsageError
from chatlab.plain_text import printable
from chatlab.view import explain as explanations
from chatlab.view.console import TextConsole
from chatlab.view.dashboard.live import show
from chatlab.view.dashboard.summary import print_summary
from chatlab.view.load import print_load
from chatlab.view.load_live import follow_load


@with_groups
def load(
    server: str = SERVER,
    scenario: Scenario = SCENARIO,
    room: str | None = option(
        None, "ROOM", "Join this room, in which people chat, in place of rooms of its own."
    ),
    deadline: float | None = option(
        None,
        "SECONDS",
        "Stop then, whatever is missing.  \\[default: four times the plan, at least 30 s more]",
        min=1,
        callback=finite,
    ),
    seed: int = SEED,
    json: Path | None = JSON,
) -> None:
    """Put load on a running server, and measure what becomes of it.

    Latency counts from the planned time of each message, so that a slow server cannot slow down
    the measurement. Ctrl-C keeps what was measured so far.
    """
    documents = Documents({"--json": json})
    # Two loads at once must not use the same names; the plan itself depends on the seed only.
    run_id = secrets.token_hex(3)
    scenario = override(scenario, room=room)
    deadline_s = deadline or scenario.deadline_s
    run = Load(
        server,
        scenario,
        plan(scenario, seed),
        run_id=run_id,
        deadline_s=deadline_s,
        since_1970=time.time,
    )
    interrupted = False
    try:
        signals.run(while_drawing(follow_load(run), run.run()))
    except KeyboardInterrupt:
        interrupted = True
    report = load_report(
        run.result,
        run_id,
        scenario,
        command=command_line(),
        seed=seed,
        interrupted=interrupted,
    )
    try:
        print_load(report, TextConsole(file=documents.people))
    finally:  # a screen that is gone costs no document
        documents.write({"--json": lambda: indented_json(report)})
    server_is_gone = not report.complete and run.result.after is None
    complete = not (report.interrupted or server_is_gone)
    sys.exit(ExitCode.of(report.audit.clean, complete=complete))


async def while_drawing(
    view: Coroutine[Any, Any, object], work: Coroutine[Any, Any, object]
) -> None:
    """Do some work while a view shows it."""
    drawing = asyncio.create_task(view)
    try:
        await work
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
        if not drawing.cancelled() and (error := drawing.exception()):
            raise error  # do not hide that the view failed


@with_groups
def top(
    server: str = SERVER,
    interval: float = option(
        0.5, "SECONDS", "Time between two snapshots.", min=0.1, max=60, callback=finite
    ),
    explain: bool = flag("--explain", "Explain every row of the dashboard, and exit."),
) -> None:
    """Attach the live dashboard to a running server. q or Ctrl-C detaches; the server goes on."""
    if explain:
        TextConsole().print(explanations.render(explanations.dashboard()))
        return
    last: Snapshot | None = None

    async def remembered() -> AsyncIterator[Snapshot]:
        nonlocal last
        async for last in stream(server, interval):
            yield last

    detached = False
    try:
        signals.run(show(remembered(), keys=terminal_keys()))
    except KeyboardInterrupt:
        detached = True
    if last is not None:
        print_summary(last)
    if not detached:
        print(f"the server at {printable(shown(server))} has stopped; its last figures are above")


async def stream(url: str, interval_s: float) -> AsyncGenerator[Snapshot, None]:
    """Snapshots of a server, until it closes."""
    # Only the latest matters: a slow viewer skips what it missed.
    arrived: asyncio.Queue[Snapshot | None] = asyncio.Queue(maxsize=1)

    def put(snapshot: Snapshot | None) -> None:
        if arrived.full():
            arrived.get_nowait()
        arrived.put_nowait(snapshot)

    connection = await connect(
        stats_url(url, interval_s), lambda frame: put(snapshots.decode(frame)), snapshots.decode
    )
    closed = asyncio.ensure_future(connection.closed.wait())
    closed.add_done_callback(lambda _: put(None))
    try:
        while (snapshot := await arrived.get()) is not None:
            yield snapshot
        if connection.stranger:
            raise UsageError(f"{shown(url)} sent {connection.close_reason}")
    finally:
        closed.cancel()
        await connection.close()
