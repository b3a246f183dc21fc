"""`chatlab compare`."""

from __future__ import annotations

import asyncio
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatlab import exit_codes
from chatlab.bench.scenario import Scenario, override
from chatlab.chat.server_job import ServerOptions
from chatlab.cli.mine import check_modes, remember
from chatlab.cli.options import (
    SCENARIO,
    DiskName,
    FaultPlans,
    History,
    JsonFile,
    Seed,
    WorkFolder,
    check_writable,
    with_groups,
)

if TYPE_CHECKING:
    from rich.console import Console

    from chatlab.bench.compare import Compare
    from chatlab.bench.report import Report
    from chatlab.bench.thresholds import Threshold


@with_groups
def compare(
    modes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODES",
            help="Line-ups to race, the first is the baseline.  \\[default: naive optimized]",
        ),
    ] = None,
    scenario: Scenario = SCENARIO,
    history: History = None,
    rounds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=1_000, help="Rounds of each mode; no claim with less than 6."
        ),
    ] = 6,
    seed: Seed = 1,
    work: WorkFolder = None,
    control: Annotated[
        bool, typer.Option("--control", help="Run the baseline twice: how unlike can alike look?")
    ] = False,
    ceiling: Annotated[
        bool,
        typer.Option(
            "--ceiling",
            help="Measure an echo server, and the server without a disk, too: what is left to win?",
        ),
    ] = False,
    fault: FaultPlans = None,
    disk: DiskName = None,
    clock: Annotated[
        str,
        typer.Option(
            metavar="CLOCK",
            help="planned, or send: show beside it what the clock that hides delay says.",
        ),
    ] = "planned",
    race: Annotated[
        bool, typer.Option("--race", help="Run all modes at once: to see, not to measure.")
    ] = False,
    no_live: Annotated[
        bool, typer.Option("--no-live", help="A plain progress bar instead of the live view.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Explain every row of the table, and measure nothing.")
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEST",
            help="Exit with 99 if this holds, e.g. 'optimized.ack_ms.p99 > 50'; repeatable.",
        ),
    ] = None,
    json: JsonFile = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each round to FILE.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as Markdown to FILE.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with charts to FILE.")
    ] = None,
) -> None:
    """Race modes side by side, and audit that none cheated.

    Starts a fresh server on a fresh data folder for each round, sends real messages over real
    sockets, and holds what came back against what was sent and what lies on disk.

    Exit code: 0; 1 when an audit found messages lost, doubled, reordered or damaged; 2 for a
    mistake; 99 when a --fail-if holds or has no data; 130 after Ctrl-C.
    """
    from chatlab.bench.compare import Compare
    from chatlab.bench.thresholds import Threshold
    from chatlab.disk.simulated import simulate
    from chatlab.errors import UsageError

    if explain:
        _explain()
        return
    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    simulate(Path(), plans=fault or (), disk=disk)  # a plan that is not understood is found now
    check_modes(*names)
    if clock not in ("planned", "send"):
        raise UsageError(f"--clock {clock!r}: there are planned and send")
    load = override(scenario, history=history)
    wanted = Wanted(
        thresholds=[Threshold(text) for text in fail_if or ()],
        both_clocks=clock == "send",
        at_once=race,
        live=not no_live,
        files={"--json": json, "--csv": csv, "--markdown": markdown, "--html": html},
    )
    for option, path in wanted.files.items():
        check_writable(option, path)
    rounds = 1 if race else rounds
    sys.exit(
        _run(
            Compare(
                names,
                load,
                seed=seed,
                rounds=rounds,
                control=control and not race,
                ceiling=ceiling and not race,
                work_folder=work,
                options=ServerOptions(faults=tuple(fault or ()), disk=disk),
            ),
            wanted,
        )
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to run a comparison, and what to make of its result.

    Attributes:
        thresholds: of `--fail-if`.
        both_clocks: whether the table shows the send clock, too.
        at_once: whether all modes run at the same time.
        live: whether to show the live view.
        files: option to the file that it names, if any.
    """

    thresholds: list[Threshold]
    both_clocks: bool
    at_once: bool
    live: bool
    files: dict[str, Path | None]


def _explain() -> None:
    from rich.console import Console

    from chatlab.view import explain

    Console().print(explain.render(explain.comparison()))


def _run(race: Compare, wanted: Wanted) -> int:
    """Measure, print, write, and return the exit code."""
    from rich.console import Console

    from chatlab.bench.load_process import GeneratorFailed
    from chatlab.bench.server_process import ServerFailed
    from chatlab.view.compare import table as view

    console = Console()
    console.print(f"{race.scenario.name}: {race.scenario.words}", style="dim", highlight=False)
    if race.simulated:
        console.print(f"simulated: {'; '.join(race.simulated)}", style="yellow", highlight=False)
    try:
        asyncio.run(_measure(race, wanted))
    except KeyboardInterrupt:
        console.print("stopped: the round under way is not counted", style="yellow")
    except (ServerFailed, GeneratorFailed) as error:
        console.print(f"stopped: {error}", style="bold red", highlight=False)
    report = race.report(shlex.join(["chatlab", *sys.argv[1:]]))
    for note in remember(report):
        console.print(note, style="dim", highlight=False)
    console.print(view.render(report, both_clocks=wanted.both_clocks))
    for option, path in wanted.files.items():
        if path is not None:
            _write(option, path, report)
            console.print(f"written to {path}", style="dim", highlight=False)
    return _exit_code(report, wanted, console)


def _exit_code(report: Report, wanted: Wanted, console: Console) -> int:
    import msgspec

    if not report.complete:
        return exit_codes.INTERRUPTED
    modes = msgspec.to_builtins(report.modes)
    missed = [found for one in wanted.thresholds if (found := one.missed(modes)) is not None]
    for one in missed:
        console.print(f"! --fail-if {one.text}: {one.why}", style="bold red", highlight=False)
    if missed:
        return exit_codes.THRESHOLD_MISSED
    return exit_codes.of(all(mode.audit.clean for mode in report.modes.values()))


def _write(option: str, path: Path, report: Report) -> None:
    from chatlab.bench import report as reports

    match option:
        case "--json":
            path.write_bytes(reports.encode(report))
        case "--html":
            from chatlab.view.compare.html import to_html

            path.write_text(to_html(report), encoding="utf-8")
        case _:
            from chatlab.view.compare.exports import to_csv, to_markdown

            text = to_csv(report) if option == "--csv" else to_markdown(report)
            path.write_text(text, encoding="utf-8")


async def _measure(race: Compare, wanted: Wanted) -> None:
    from chatlab.view.compare.live import follow, follow_live

    drawing = asyncio.create_task(follow_live(race) if wanted.live else follow(race))
    try:
        await (race.demonstrate() if wanted.at_once else race.run())
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
        if not drawing.cancelled() and (error := drawing.exception()):
            raise error  # a view that fails must be heard of
