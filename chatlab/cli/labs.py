"""The labs: `chatlab growth`, `tune`, `capacity` and `pitfalls`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chatlab.cli.labs_numbers import numbers, whole_numbers
from chatlab.cli.labs_run import exit_code, finish, measure
from chatlab.cli.mine import check_modes
from chatlab.cli.options import History, JsonFile, Seed, WorkFolder, check_writable, finite


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
    from chatlab.labs.growth import view
    from chatlab.labs.growth.measure import Growth
    from chatlab.labs.narrator import Narrator

    names = list(dict.fromkeys(modes or ["naive", "optimized"]))
    check_modes(*names)
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
        measure(lab)
    report = finish(lab, view.render, json)
    audits = [point.audit for mode in report.modes.values() for point in mode.points]
    sys.exit(exit_code(report.complete, all(audit.clean for audit in audits)))


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
        float,
        typer.Option(
            metavar="N", min=1, callback=finite, help="Messages per second of the steady load."
        ),
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
    from chatlab.labs.narrator import Narrator
    from chatlab.labs.tune import view
    from chatlab.labs.tune.measure import Tune

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
        measure(lab)
    report = finish(lab, view.render, json)
    sys.exit(exit_code(report.complete, all(cell.audit.clean for cell in report.cells)))


def capacity(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="A line-up.")] = "optimized",
    p95_ms: Annotated[
        float,
        typer.Option(
            "--p95-ms", metavar="MS", min=1, callback=finite, help="What delivery p95 may be."
        ),
    ] = 100.0,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="N", min=0.5, max=600, callback=finite, help="How long a probe sends."
        ),
    ] = 3.0,
    start: Annotated[
        float,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            callback=finite,
            help="Messages per second of the first probe.",
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
    from chatlab.labs.capacity import view
    from chatlab.labs.capacity.measure import Capacity
    from chatlab.labs.narrator import Narrator

    check_modes(mode)
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
        measure(lab)
    report = finish(lab, view.render, json)
    sys.exit(exit_code(report.complete))


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

    from chatlab.labs.narrator import Narrator
    from chatlab.labs.pitfalls import view
    from chatlab.labs.pitfalls.measure import Pitfalls

    if names == ["list"]:
        Console(highlight=False).print(view.render_list())
        return
    check_writable("--json", json)
    with Narrator() as narrator:
        lab = Pitfalls(names or (), seed=seed, work_folder=work, say=narrator.say)
        measure(lab)
    report = finish(lab, view.render, json)
    sys.exit(exit_code(report.complete))
