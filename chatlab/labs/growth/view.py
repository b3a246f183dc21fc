"""The growth lab's result: table, falling curve, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import Estimate, Fit
from chatlab.labs import screen
from chatlab.labs.growth.measure import GrowthPoint, GrowthReport, ModeGrowth
from chatlab.view import words

BAR_WIDTH = 36


def render(report: GrowthReport) -> RenderableType:
    """The whole result."""
    if not report.modes:
        return screen.nothing()
    heading = f"The price of a message as the history grows ({screen.rounds(report.rounds)} each)"
    return Group(
        screen.title(heading, complete=report.complete),
        _table(report),
        *(_chart(name, mode) for name, mode in report.modes.items()),
        Text(),
        *_explanation(report),
    )


def _table(report: GrowthReport) -> Table:
    table = screen.table(
        "mode", "history", "messages", "delivered/s", "low - high", "bytes each", "audit"
    )
    for name, mode in report.modes.items():
        for number, point in enumerate(mode.points):
            table.add_row(
                "" if number else words.shorten_middle(name, 24),
                words.count(point.history),
                words.count(point.messages),
                _speed(point.delivered_per_s.median) + ("!" if point.invalid else ""),
                _range(point.delivered_per_s),
                words.size(point.bytes_per_message)
                if point.bytes_per_message is not None
                else words.DASH,
                Text("clean", words.GOOD) if point.audit.clean else Text("NOT CLEAN", words.BAD),
            )
    return table


def _chart(name: str, mode: ModeGrowth) -> RenderableType:
    """Throughput against history, as a share of this mode's best: the curve that falls."""
    best = max(point.delivered_per_s.median for point in mode.points)
    rows = []
    for point in mode.points:
        speed = point.delivered_per_s.median
        share = f"{100 * speed / best:.3g}% of its best" if best else words.DASH
        rows.append((words.count(point.history), speed, share))
    heading = f"\n{name}: delivered per second, by messages of history"
    return Group(Text(heading, style="bold"), screen.chart(rows, BAR_WIDTH, justify="right"))


def _explanation(report: GrowthReport) -> Iterator[Text]:
    for name, mode in report.modes.items():
        yield Text(f"{name}: ", style="bold").append(Text(_sentences(mode), style="not bold"))
    least = min((p for mode in report.modes.values() for p in mode.points), key=_messages)
    yield Text(
        "\nBytes are counted, time is measured. Bytes each: read and written, for one message. "
        "Low - high: the slowest and fastest round. The history grows during a round; the lines "
        "use its middle.",
        style=words.QUIET,
    )
    yield Text(f"The rule for the names: {report.rule}.", style=words.QUIET)
    if any(p.messages > least.messages for mode in report.modes.values() for p in mode.points):
        text = f"Slow rounds get fewer messages (down to {least.messages:,}), to end in time."
        yield Text(text, style=words.QUIET)
    yield from _warnings(report)


def _sentences(mode: ModeGrowth) -> str:
    in_bytes = _growth("bytes", mode.bytes_fit, words.size(max(0.0, mode.bytes_fit.per_1000)))
    in_time = _growth("time", mode.time_fit, f"{mode.time_fit.per_1000:.3g} ms")
    return f"{in_bytes} {in_time} {_fall(mode)}".strip()


def _growth(what: str, found: Fit, slope: str) -> str:
    if found.shape == "not clear":
        return f"Growth in {what} is not clear: {found.reason}."
    if found.shape == "flat":
        return f"In {what} it is flat: a long history costs no more than a short one."
    return (
        f"In {what} it is linear: each 1,000 messages of history add {slope} to the price of "
        f"every message (the line misses no point by more than {_percent(found.worst_miss)})."
    )


def _fall(mode: ModeGrowth) -> str:
    """What happened to the speed, from the shortest history to the longest."""
    first, last = mode.points[0], mode.points[-1]
    fast, slow = first.delivered_per_s.median, last.delivered_per_s.median
    if first is last or not slow:
        return ""
    change = (
        f"From {first.history:,} to {last.history:,} messages of history, {_speed(fast)} "
        f"delivered per second became {_speed(slow)}"
    )
    return f"{change}: {fast / slow:.3g} times slower." if slow < fast else f"{change}."


def _warnings(report: GrowthReport) -> Iterator[Text]:
    for name, mode in report.modes.items():
        for point in mode.points:
            where = f"{name} at {point.history:,}"
            for reason in point.invalid:
                yield Text(
                    f"! {where}: in one round {reason}; its speed is not sure.", words.WARNING
                )
            if not point.audit.clean:
                yield Text(
                    f"! {where} lost or damaged messages: its speed proves nothing.", words.BAD
                )


def _messages(point: GrowthPoint) -> int:
    return point.messages


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "0.1%"


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"


def _range(speed: Estimate) -> str:
    return f"{_speed(min(speed.samples))} - {_speed(max(speed.samples))}"
