"""The rungs lab's result: each promise, what was measured, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chatlab.labs import screen
from chatlab.labs.rungs.measure import HISTORY, Promise, RungsReport, Verdict
from chatlab.view import words

_STYLES: dict[Verdict, Style] = {"met": words.GOOD, "missed": words.BAD, "not clear": words.WARNING}


def render(report: RungsReport) -> RenderableType:
    """The whole result."""
    if not report.per_s:
        return screen.nothing()
    rounds = screen.rounds(report.rounds)
    heading = f"What the upper rungs promise ({rounds} of each, ten users in one room)"
    return Group(
        screen.title(heading, complete=report.complete),
        Text(),
        _speeds(report),
        Text(),
        *_promises(report),
        *_rest(report),
    )


def _speeds(report: RungsReport) -> Table:
    table = screen.table("messages per second", "median", "95% interval")
    for name, speed in report.per_s.items():
        table.add_row(name, f"{speed.median:,.0f}", screen.interval(speed, ",.0f"))
    return table


def _promises(report: RungsReport) -> Iterator[Text]:
    for promise in report.promises:
        verdict = promise.verdict
        yield Text.assemble((f"{verdict:>9}", _STYLES[verdict]), f"  {promise.words}:")
        yield Text(f"{'':11}{_found(promise)}, promised {_promised(promise)}")


def _found(promise: Promise) -> str:
    interval = screen.interval(promise.found, ".3g")
    text = f"{promise.found.median:.3g} {promise.unit}"
    return f"{text} (95% interval {interval})" if interval else text


def _promised(promise: Promise) -> str:
    if promise.at_least is not None:
        return f"at least {promise.at_least:g} {promise.unit}"
    return f"at most {promise.at_most:g} {promise.unit}"


def _rest(report: RungsReport) -> Iterator[Text]:
    yield Text()
    if report.audit.clean:
        yield Text(f"Audit: clean, over {report.audit.sent:,} messages.", words.GOOD)
    else:
        yield Text("Audit: NOT CLEAN. Whatever the speed, something was lost.", words.BAD)
    if report.history != HISTORY:
        yield Text(
            f"! The promises are made for {HISTORY:,} messages of history (and for a tenth of it, "
            f"against optimized); this run had {report.history:,}.",
            words.WARNING,
        )
    for line in report.invalid:
        yield Text(f"! not counted: {line}", words.WARNING)
    yield Text(
        "Six rounds are the fewest for an interval. A promise is met if the whole interval keeps "
        "it, missed if the whole interval breaks it. Every journal and sqlite ack came after the "
        "data were synced; the echo server saves nothing, and optimized acks what is only in "
        "memory."
    )
