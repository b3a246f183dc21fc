"""`chatlab compare`."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="The load: midnight, or steady.")
    ] = "midnight",
    messages: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1_000_000, help="Messages in a round; midnight has 1000."
        ),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000, help="Connections; midnight has 10."),
    ] = None,
    rooms: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000, help="Rooms they share; midnight has 1."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.1, help="Messages per second, instead of a burst."),
    ] = None,
    history: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Messages in the data folder before the start."),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=1_000, help="Rounds of each mode; no claim with less than 6."
        ),
    ] = 6,
    seed: Annotated[
        int, typer.Option(metavar="N", help="The same seed gives the same messages.")
    ] = 1,
    work: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the rounds' data folders are made; else the place for temporary files.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything measured to FILE.")
    ] = None,
) -> None:
    """Race modes side by side, and audit that none cheated.

    Starts a fresh server on a fresh data folder for each round, sends real messages over real
    sockets, and holds what came back against what was sent and what lies on disk.

    Exit code: 0, or 1 when an audit found messages lost, doubled, reordered or damaged.
    """
    from chatlab.bench import scenario as scenarios
    from chatlab.bench.compare import Compare
    from chatlab.chat.modes import parse

    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    for name in names:
        parse(name)  # an unknown mode is found before anything starts
    load = scenarios.override(
        scenarios.load(scenario),
        messages=messages,
        users=users,
        rooms=rooms,
        rate_per_s=rate,
        history=history,
    )
    if json is not None:
        check_writable(json)
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
        drawing = asyncio.create_task(follow(lambda: race.progress, race.scenario.messages))
        try:
            await race.run()
        finally:
            drawing.cancel()
            await asyncio.wait([drawing])

    asyncio.run(run())


def check_writable(path: Path) -> None:
    """Raises `UsageError` now rather than after a minute of measuring."""
    from chatlab.chat.errors import UsageError

    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--json {path}: there is no folder {path.parent} to write a file into")
