"""The compression lab's result: the figures, bars of the bytes, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import Estimate
from chatlab.labs import screen
from chatlab.labs.compression.measure import (
    DISK,
    PLAIN,
    WIRE,
    Choice,
    CompressionReport,
    CompressionRound,
)
from chatlab.view import words

BAR_WIDTH = 36


def render(report: CompressionReport) -> RenderableType:
    """The whole result."""
    if not any(report.done.values()):
        return screen.nothing()
    heading = (
        f"Compression, {words.count(report.messages)} messages to {report.users} users "
        f"({screen.rounds(report.rounds)} of each)"
    )
    return Group(
        screen.title(heading, complete=report.complete),
        _table(report),
        *_bars(report),
        Text(),
        *_verdicts(report),
        *_explanation(report),
    )


def _table(report: CompressionReport) -> Table:
    table = screen.table("", "messages/s", "server CPU each", "on the wire each", "on disk each")
    for name, rounds in report.done.items():
        if rounds:
            table.add_row(
                name,
                f"{median(one.per_s for one in rounds):,.0f}",
                f"{median(one.cpu_us for one in rounds):.1f} µs",
                _size(_median(rounds, attrgetter("wire_bytes"))),
                _size(_median(rounds, attrgetter("disk_bytes"))),
            )
    return table


def _bars(report: CompressionReport) -> Iterator[RenderableType]:
    for heading, names, figure in (
        ("bytes on the wire for a message", (PLAIN, WIRE), attrgetter("wire_bytes")),
        ("bytes on disk for a message", (PLAIN, DISK), attrgetter("disk_bytes")),
    ):
        found = {name: _median(report.done[name], figure) for name in names}
        if any(found.values()):
            yield Text(f"\n{heading}", style="bold")
            rows = [(name, value or 0.0, _size(value)) for name, value in found.items()]
            yield screen.chart(rows, BAR_WIDTH)


def _verdicts(report: CompressionReport) -> Iterator[Text]:
    if report.wire is not None:
        yield Text("Wire: ", style="bold").append(Text(_wire(report.wire), style="not bold"))
    if report.disk is not None:
        yield Text("Segments: ", style="bold").append(Text(_disk(report.disk), style="not bold"))
    if report.wire is None or report.disk is None:
        yield Text("! Too short for a verdict: use more --messages.", words.WARNING)


def _wire(choice: Choice) -> str:
    worth = choice.worth_below_mbit_s
    if worth is None:
        return f"{_costs(choice)} Either it saves no bytes or it costs no time: nothing to weigh."
    return (
        f"{_costs(choice)} Worth it where the server's line carries less than about "
        f"{_three_digits(worth)} Mbit/s: there, sending the saved bytes would take longer."
    )


def _disk(choice: Choice) -> str:
    if choice.bytes is None:
        return f"{_costs(choice)} No segment was closed: use more --messages."
    cost = "It costs processor time."
    if not choice.costs_cpu:
        cost = "No cost in processor time can be claimed."
    return f"{_costs(choice)} {cost} A long history takes less room, and is read in blocks."


def _costs(choice: Choice) -> str:
    cpu = f"{_ratio(choice.cpu)} x the server's processor time, {_ratio(choice.per_s)} x the rate."
    return cpu if choice.bytes is None else f"{_ratio(choice.bytes)} x the bytes for {cpu}"


def _explanation(report: CompressionReport) -> Iterator[Text]:
    if not report.passed:
        yield Text("! Something was lost, doubled or out of order: no figure counts.", words.BAD)
    yield Text(
        "\nWire: all that passed the sockets, both ways, for one message that was said. A message "
        "is compressed again for each receiver, and each connection keeps a window of its own, so "
        "that many receivers cost much. Disk: the journal's closed segments (here of "
        f"{words.size(report.segment_bytes)}), compressed once, in blocks of 64 KiB that can be "
        "read alone; the last segment stays as it is. The texts are eight sentences of small "
        "talk, told apart by numbers: real ones repeat less, and save less. The client here is "
        "slower than the load generator, which does not compress: rates are for this table alone.",
        style=words.QUIET,
    )
    if report.rounds < 6:
        yield Text("! Fewer than six rounds: no interval, and nothing to claim.", words.WARNING)


def _median(
    rounds: list[CompressionRound], figure: Callable[[CompressionRound], float | None]
) -> float | None:
    values = [value for one in rounds if (value := figure(one)) is not None]
    return median(values) if values else None


def _size(value: float | None) -> str:
    return words.DASH if value is None else words.size(value)


def _ratio(found: Estimate) -> str:
    text = _three_digits(found.median)
    if found.low is None or found.high is None:
        return text
    return f"{text} ({_three_digits(found.low)} to {_three_digits(found.high)})"


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
