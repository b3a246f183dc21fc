"""`chatlab compare`."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatlab.cli.options import (
    History,
    InFlight,
    JsonFile,
    Messages,
    Rate,
    RateEnd,
    Rooms,
    ScenarioName,
    Seed,
    SlowReaders,
    Users,
    WorkFolder,
    check_writable,
    chosen_scenario,
)

if TYPE_CHECKING:
    from chatlab.bench.compare import Compare
    from chatlab.bench.scenario import Scenario

EXIT_NOT_COMPLETE = 130
EXIT_NOT_CLEAN = 1


def compare(
    modes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODES",
            help="Line-ups to race, the first is the baseline.  \\[default: naive optimized]",
        ),
    ] = None,
    scenario: ScenarioName = "midnight",
    messages: Messages = None,
    users: Users = None,
    rooms: Rooms = None,
    rate: Rate = None,
    rate_end: RateEnd = None,
    in_flight: InFlight = None,
    slow_readers: SlowReaders = None,
    history: History = None,
    rounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=1_000, help="Rounds of each mode; no claim with less than 6."
        ),
    ] = 6,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Race modes side by side, and audit that none cheated.

    Starts a fresh server on a fresh data folder for each round, sends real messages over real
    sockets, and holds what came back against what was sent and what lies on disk.

    Exit code: 0, or 1 when an audit found messages lost, doubled, reordered or damaged.
    """
    from chatlab.bench.compare import Compare
    from chatlab.chat.modes import parse

    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    for name in names:
        parse(name)  # an unknown mode is found before anything starts
    load = chosen_scenario(
        scenario,
        messages=messages,
        users=users,
        rooms=rooms,
        rate_per_s=rate,
        rate_end_per_s=rate_end,
        in_flight=in_flight,
        slow_readers=slow_readers,
        history=history,
    )
    check_writable("--json", json)
    race = Compare(names, load, seed=seed, rounds=rounds, work_folder=work)
    sys.exit(_run(race, load, json))


def _run(race: Compare, load: Scenario, json: Path | None) -> int:
    """Measure, print, and return the exit code."""
    from rich.console import Console

    from chatlab.bench import report as reports
    from chatlab.view import compare as view

    console = Console()
    console.print(f"{load.name}: {load.words}", style="dim", highlight=False)
    try:
        _measure(race)
    except KeyboardInterrupt:
        console.print("stopped: the round under way is not counted", style="yellow")
    report = race.report(shlex.join(["chatlab", *sys.argv[1:]]))
    console.print(view.render(report))
    if json is not None:
        json.write_bytes(reports.encode(report))
        console.print(f"written to {json}", style="dim", highlight=False)
    if not report.complete:
        return EXIT_NOT_COMPLETE
    return 0 if all(mode.audit.clean for mode in report.modes.values()) else EXIT_NOT_CLEAN


def _measure(race: Compare) -> None:
    from chatlab.view.progress import follow

    async def run() -> None:
        drawing = asyncio.create_task(
            follow(lambda: next(iter(race.under_way.values()), None), race.scenario.messages)
        )
        try:
            await race.run()
        finally:
            drawing.cancel()
            await asyncio.wait([drawing])

    asyncio.run(run())
