"""`chatlab generator` and `chatlab watching`: the instruments, measured themselves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from chatlab import exit_codes
from chatlab.cli.mine import check_modes
from chatlab.cli.options import JsonFile, check_writable

if TYPE_CHECKING:
    from chatlab.labs.watching.measure import WatchingReport


R = TypeVar("R")
Rounds = Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Rounds of each.")]
Messages = Annotated[
    int, typer.Option(metavar="N", min=100, max=1_000_000, help="Messages in a round.")
]


def generator(
    modes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODES",
            help="Among which to look for the fastest.  \\[default: optimized journal]",
        ),
    ] = None,
    rounds: Rounds = 3,
    messages: Messages = 20_000,
    json: JsonFile = None,
) -> None:
    """Measure the load generator itself, against a server that does next to nothing.

    Ten users in one room, 32 messages under way for each. Exit code 1 if the generator is not at
    least twice as fast as the fastest mode: what it measured would then be itself.
    """
    from chatlab.labs.generator.measure import WANTED_RATIO, measure_generator

    names = modes or ["optimized", "journal"]
    check_modes(*names)
    check_writable("--json", json)
    report = _run(measure_generator(names, rounds, _tell, messages))
    print("Messages delivered per second, each to ten receivers (medians):")
    print(f"  {report.mode:30}{median(report.mode_per_s):>10,.0f}")
    print(f"  {'a server that does nothing':30}{median(report.sink_per_s):>10,.0f}")
    print(f"For the latter the generator used {median(report.sink_cpu_percent):.0f}% of one core.")
    print(f"It sustains {report.ratio:.1f} x the rate of the fastest mode.")
    print(f"It should sustain {WANTED_RATIO:g} x: {'it does' if report.fast_enough else 'NO'}.")
    _write(json, report)
    sys.exit(exit_codes.of(report.fast_enough))


def watching(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="The server's line-up.")] = (
        "optimized"
    ),
    rounds: Rounds = 6,
    messages: Messages = 8_000,
    json: JsonFile = None,
) -> None:
    """Measure what the live dashboard costs: the same load with it and without it, in turn.

    Exit code 1 if it surely costs more than 5% of the throughput: the whole interval says so.
    """
    from chatlab.labs.watching.measure import COST_MAX, measure_watching

    check_modes(mode)
    check_writable("--json", json)
    report = _run(measure_watching(mode, rounds, _tell, messages))
    ratio = report.ratio
    print(f"Messages delivered per second by {mode} (medians of {rounds} rounds):")
    print(f"  {'with the dashboard':30}{median(report.watched_per_s):>10,.0f}")
    print(f"  {'without it':30}{median(report.unwatched_per_s):>10,.0f}")
    interval = "needs 6 rounds" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
    print(f"Ratio, paired by round: {ratio.median:.3f} (95% interval: {interval}).")
    print(_what_it_costs(report, COST_MAX))
    _write(json, report)
    sys.exit(exit_codes.of(not report.surely_above(COST_MAX)))


def _what_it_costs(report: WatchingReport, most: float) -> str:
    if report.surely_above(most):
        return f"Watching costs more than {most:.0%} of the throughput."
    if report.surely_within(most):
        return f"Watching costs at most {most:.0%} of the throughput."
    return f"Whether watching costs at most {most:.0%} cannot be told: try more --rounds."


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _run(measuring: Coroutine[Any, Any, R]) -> R:
    try:
        return asyncio.run(measuring)
    except KeyboardInterrupt:
        print("stopped: too little was measured to say anything", file=sys.stderr)
        sys.exit(exit_codes.INTERRUPTED)


def _write(json: JsonFile, report: msgspec.Struct) -> None:
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
