"""What an index saves, and what it costs, as people read it: `chatlab data explain`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import Estimate
from chatlab.labs import blocks
from chatlab.labs.query_plan.measure import Inserts, Look, PlanReport, RoomLook
from chatlab.view import words

ROOM_WIDTH = 40
ALIKE = 1.5
"""One time is called more than another from so many times as much, if the runs do not overlap."""


def render(report: PlanReport) -> RenderableType:
    """The whole result."""
    parts: list[RenderableType] = [
        Text(f"How SQLite finds the last {report.limit} messages of a room", style="bold"),
        Text(_source(report), style="dim"),
        Text(),
        Padding(Text(report.query, style="cyan"), (0, 0, 0, 2)),
    ]
    for one in report.rooms:
        parts += [Text(), *_room(one)]
    parts += [Text(), *_cost(report), Text(), Text("In plain words", style="bold")]
    parts += [Text(f"- {sentence}") for sentence in _sentences(report)]
    parts += [Text(), Text(_legend(report), style="dim")]
    return Group(*parts)


def _source(report: PlanReport) -> str:
    if report.source:
        return (
            f"On a copy of the database of {words.printable(report.source)}: "
            f"{report.messages:,} messages. Nothing there was changed."
        )
    return (
        f"On a database of {report.messages:,} generated messages, made for this and removed. "
        "After the first few, nobody has spoken in the quiet room."
    )


def _room(one: RoomLook) -> Iterator[RenderableType]:
    name = words.shorten(words.printable(one.room_id), ROOM_WIDTH)
    yield Text(f"Room {name}: {one.messages:,} messages, {one.found:,} asked for", style="bold")
    grid = Table.grid(padding=(0, 2))
    for label, look in (("  with the index", one.indexed), ("  without it", one.scanned)):
        for number, line in enumerate(look.plan):
            grid.add_row("" if number else label, Text(words.printable(line), style="cyan"))
    yield grid
    table = blocks.table("", "rows read", "reads", "bytes read", "time", "low - high")
    table.add_row("  with the index", *_cells(one.indexed))
    table.add_row("  without it", *_cells(one.scanned))
    yield table


def _cells(look: Look) -> tuple[str, ...]:
    return (
        words.count(look.rows_read),
        words.count(look.reads),
        words.size(look.bytes_read),
        words.milliseconds(look.ms.median),
        _range(look.ms),
    )


def _range(ms: Estimate) -> str:
    if ms.low is None or ms.high is None:
        return words.DASH
    return f"{words.milliseconds(ms.low)} - {words.milliseconds(ms.high)}"


def _cost(report: PlanReport) -> Iterator[RenderableType]:
    yield Text("What the index costs", style="bold")
    table = blocks.table("", "on the disk", "written for a message", "time for a message")
    sizes = (report.database_bytes, report.database_bytes - report.index_bytes)
    both = (report.with_index, report.without_index)
    for label, size, one in zip(("  with the index", "  without it"), sizes, both, strict=True):
        time = words.milliseconds(one.us.median / 1_000)
        if one.us.median < 1_000:
            time = f"{one.us.median:,.1f} µs"
        table.add_row(label, words.size(size), words.size(one.bytes_written), time)
    yield table


def _sentences(report: PlanReport) -> Iterator[str]:
    for one in report.rooms:
        yield _about_room(one)
    share = report.index_bytes / report.database_bytes
    yield (
        f"The price: {words.size(report.index_bytes)} of the file ({share:.0%}), and "
        f"{_times(report.with_index.bytes_written, report.without_index.bytes_written)} the bytes "
        f"for each message saved. {_about_inserts(report.with_index, report.without_index)}"
    )
    yield (
        "An index is a second, sorted list that leads to the rows. Each insert must keep it in "
        "order; each query that fits it need not look at anything else."
    )


def _about_room(one: RoomLook) -> str:
    name = words.shorten(words.printable(one.room_id), ROOM_WIDTH)
    indexed, scanned = one.indexed, one.scanned
    without = (
        f"{name}: without the index, SQLite goes back from the newest message of all rooms and "
        f"looks at {scanned.rows_read:,} rows to find {one.found:,}."
    )
    if _clearly(scanned.ms, indexed.ms):
        times = _times(scanned.ms.median, indexed.ms.median)
        return f"{without} With it, it takes just those; without, {times} the time."
    if _clearly(indexed.ms, scanned.ms):
        times = _times(indexed.ms.median, scanned.ms.median)
        return f"{without} Here the index does harm: {times} the time."
    return (
        f"{without} That is no clear difference in time: much was said here lately, so the scan "
        "ends soon."
        if scanned.rows_read < 20 * max(1, one.found)
        else f"{without} That is no clear difference in time."
    )


def _about_inserts(indexed: Inserts, plain: Inserts) -> str:
    if _apart(indexed.us, plain.us):
        more = indexed.us.median - plain.us.median
        return f"Each takes {abs(more):,.1f} µs {'more' if more > 0 else 'less'}."
    return "No clear difference in the time that each takes."


def _clearly(more: Estimate, less: Estimate) -> bool:
    return more.median >= ALIKE * less.median and _apart(more, less)


def _apart(one: Estimate, other: Estimate) -> bool:
    """Whether the runs of both do not overlap: by their intervals, or by all of a few."""
    low, high = _ends(one)
    other_low, other_high = _ends(other)
    return low > other_high or high < other_low


def _ends(ms: Estimate) -> tuple[float, float]:
    if ms.low is None or ms.high is None:
        return min(ms.samples), max(ms.samples)
    return ms.low, ms.high


def _times(more: float, less: float) -> str:
    return f"{words.ratio(more, less)} times"


def _legend(report: PlanReport) -> str:
    runs = len(report.rooms[0].indexed.ms.samples)
    batches = len(report.with_index.us.samples)
    return (
        f"Time: the median of {runs} runs, each on a new connection; low - high holds the true "
        "median with 95% confidence. The system has the file in its memory: from a cold disk, each "
        "read would cost more. Rows, reads and bytes are counted. Messages are saved "
        f"{report.batch:,} at a time, synced, {batches} times."
    )
