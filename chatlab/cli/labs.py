"""The labs: `chatlab growth`, `tune`, `capacity` and `pitfalls`."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from chatlab.cli.options import History, JsonFile, Seed, WorkFolder, check_writable

if TYPE_CHECKING:
    from rich.console import RenderableType

EXIT_NOT_COMPLETE = 130
EXIT_NOT_CLEAN = 1


class Lab(Protocol):
    """What every lab can do."""

    async def run(self) -> None: ...

    def report(self, command: str) -> Any: ...


def growth(
    modes: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODES", help="Line-ups to measure.  \\[default: naive optimized]"),
    ] = None,
    history: Annotated[
        str,
        typer.Option(metavar="N,N,...", help="Messages in the data folder before a round."),
    ] = "0,1000,10000,100000",
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000, help="Rounds of each mode and history.")
    ] = 3,
    messages: Annotated[
        int,
        typer.Option(
            metavar="N", min=10, max=100_000, help="Messages in a round; fewer where it is slow."
        ),
    ] = 1_000,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """See what a long history does to the price of a message.

    Measures throughput, and the bytes read and written for one message, after more and more
    history; then names the growth: flat, linear, or not clear.
    """
    from chatlab.bench.labs.growth import Growth
    from chatlab.chat.modes import parse
    from chatlab.view.labs import growth as view
    from chatlab.view.labs.narrator import Narrator

    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    for name in names:
        parse(name)  # an unknown mode is found before anything starts
    histories = whole_numbers("--history", history, least=0)
    check_writable("--json", json)
    with Narrator() as narrator:
        lab = Growth(
            names,
            histories=histories,
            rounds=rounds,
            messages=messages,
            seed=seed,
            work_folder=work,
            say=narrator.say,
        )
        _measure(lab)
    report = _finish(lab, view.render, json)
    audits = [point.audit for mode in report.modes.values() for point in mode.points]
    sys.exit(_exit_code(report.complete, all(audit.clean for audit in audits)))


def tune(
    mode: Annotated[
        str, typer.Argument(metavar="MODE", help="A line-up that queues.")
    ] = "optimized",
    batch_sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Messages that make a batch full.")
    ] = "1,10,100,1000,10000",
    flush_intervals: Annotated[
        str, typer.Option(metavar="MS,MS,...", help="Milliseconds that the oldest may wait.")
    ] = "10,50,250,1000",
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000, help="Rounds of each pair and load.")
    ] = 1,
    burst: Annotated[
        int, typer.Option(metavar="N", min=100, max=9_000, help="Messages of the burst.")
    ] = 2_000,
    rate: Annotated[
        float, typer.Option(metavar="N", min=1, help="Messages per second of the steady load.")
    ] = 300.0,
    steady: Annotated[
        int,
        typer.Option(metavar="N", min=200, max=100_000, help="Messages of the steady load."),
    ] = 300,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Find a good batch size and flush interval, and see why others are worse.

    Measures each pair under a burst (throughput) and under a steady load (latency), marks those
    that no other pair beats, and recommends one.
    """
    from chatlab.bench.labs.tune import Tune
    from chatlab.view.labs import tune as view
    from chatlab.view.labs.narrator import Narrator

    sizes = whole_numbers("--batch-sizes", batch_sizes, least=1)
    intervals_ms = numbers("--flush-intervals", flush_intervals, least=0.1)
    check_writable("--json", json)
    with Narrator() as narrator:
        lab = Tune(
            mode,
            batch_sizes=sizes,
            intervals_ms=intervals_ms,
            rounds=rounds,
            burst_messages=burst,
            steady_per_s=rate,
            steady_messages=steady,
            seed=seed,
            work_folder=work,
            say=narrator.say,
        )
        _measure(lab)
    report = _finish(lab, view.render, json)
    sys.exit(_exit_code(report.complete, all(cell.audit.clean for cell in report.cells)))


def capacity(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="A line-up.")] = "optimized",
    p95_ms: Annotated[
        float,
        typer.Option("--p95-ms", metavar="MS", min=1, help="What delivery p95 may be."),
    ] = 100.0,
    seconds: Annotated[
        float, typer.Option(metavar="N", min=0.5, max=600, help="How long a probe sends.")
    ] = 3.0,
    start: Annotated[
        float,
        typer.Option(
            metavar="N", min=1, max=100_000, help="Messages per second of the first probe."
        ),
    ] = 100.0,
    history: History = None,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Find the highest steady rate that a mode keeps up with.

    Doubles the rate until delivery is too slow or something is lost, closes in on the edge, and
    confirms the answer. Prints every probe.
    """
    from chatlab.bench.labs.capacity import Capacity
    from chatlab.chat.modes import parse
    from chatlab.view.labs import capacity as view
    from chatlab.view.labs.narrator import Narrator

    parse(mode)  # an unknown mode is found before anything starts
    check_writable("--json", json)
    with Narrator() as narrator:
        narrator.show(view.heading(mode, p95_ms, seconds))
        lab = Capacity(
            mode,
            limit_ms=p95_ms,
            seconds=seconds,
            start_per_s=start,
            history=history or 0,
            seed=seed,
            work_folder=work,
            say=narrator.say,
            show=lambda probe: narrator.show(view.row(probe, p95_ms)),
        )
        _measure(lab)
    report = _finish(lab, view.render, json)
    sys.exit(_exit_code(report.complete))


def pitfalls(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAMES", help="Which ones, or list.  \\[default: all]"),
    ] = None,
    seed: Seed = 1,
    work: WorkFolder = None,
    json: JsonFile = None,
) -> None:
    """Make five famous mistakes, and cure each by one flag.

    Batch too large, flush interval too long, cache without an end, failed save forgotten, blocking
    call in the event loop: before and after, measured. `chatlab pitfalls list` shows their names.
    """
    from rich.console import Console

    from chatlab.bench.labs.pitfalls import Pitfalls
    from chatlab.view.labs import pitfalls as view
    from chatlab.view.labs.narrator import Narrator

    if names == ["list"]:
        Console(highlight=False).print(view.render_list())
        return
    check_writable("--json", json)
    with Narrator() as narrator:
        lab = Pitfalls(names or (), seed=seed, work_folder=work, say=narrator.say)
        _measure(lab)
    report = _finish(lab, view.render, json)
    sys.exit(_exit_code(report.complete))


def numbers(option: str, text: str, *, least: float) -> list[float]:
    """Read `1,10,100`: each once, ascending.

    Args:
        option: as the user typed it, for the error.
        text: numbers, separated by commas.
        least: the smallest that makes sense.

    Raises:
        UsageError: something else is in it.
    """
    from chatlab.chat.errors import UsageError

    found = set()
    for word in text.split(","):
        try:
            value = float(word)
        except ValueError:
            raise UsageError(
                f"{option} {text}: {word.strip()!r} is no number; write e.g. {option} 1,10,100"
            ) from None
        if not least <= value <= 1e9:  # false for "nan", too
            raise UsageError(f"{option} {text}: {word.strip()} is not between {least:g} and 1e9")
        found.add(value)
    return sorted(found)


def whole_numbers(option: str, text: str, *, least: int) -> list[int]:
    """The same for counts.

    Raises:
        UsageError: something else is in it.
    """
    from chatlab.chat.errors import UsageError

    found = numbers(option, text, least=least)
    for value in found:
        if not value.is_integer():
            raise UsageError(f"{option} {text}: {value:g} is no whole number")
    return [int(value) for value in found]


def _measure(lab: Lab) -> None:
    """Run a lab; Ctrl-C ends it early, with its servers stopped."""
    try:
        asyncio.run(lab.run())
    except KeyboardInterrupt:
        print("stopped: the round under way is not counted", file=sys.stderr)


def _finish(lab: Lab, render: Callable[[Any], RenderableType], json: Path | None) -> Any:
    """Print what was measured, write it where it was asked for, and return it."""
    from rich.console import Console

    from chatlab.bench.labs.common import encode

    report = lab.report(shlex.join(["chatlab", *sys.argv[1:]]))
    console = Console(highlight=False)
    console.print(render(report))
    if json is not None:
        json.write_bytes(encode(report))
        console.print(f"written to {json}", style="dim")
    return report


def _exit_code(complete: bool, clean: bool = True) -> int:
    if not complete:
        return EXIT_NOT_COMPLETE
    return 0 if clean else EXIT_NOT_CLEAN
