"""What an index saves, and what it costs, as people read it: `chatlab data explain`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chatlab.bench.statistics import Estimate
from chatlab.labs import screen
from chatlab.labs.query_plan.database import Look
from chatlab.labs.query_plan.measure import Inserts, PlanReport, RoomLook, clearly, overlap_free
from chatlab.view import words

ROOM_WIDTH = 40
WITH_AND_WITHOUT = ("  with the index", "  without it")


def render(report: PlanReport) -> RenderableType:
    """The whole result."""
    if not report.rooms:
        return screen.nothing()
    heading = f"How SQLite finds the last {report.limit} messages of a room"
    parts: list[RenderableType] = [
        screen.title(heading, complete=report.complete),
        Text(_source(report), style=words.QUIET),
        Text(),
        Padding(Text(report.query, style=words.CHART), (0, 0, 0, 2)),
    ]
    for one in report.rooms:
        parts += [Text(), *_room(one)]
    parts += [*_cost(report), Text(), Text("In plain words", style="bold")]
    parts += [Text(f"- {sentence}") for sentence in _sentences(report)]
    parts += [Text(), Text(_legend(report), style=words.QUIET)]
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
    for label, look in zip(WITH_AND_WITHOUT, (one.indexed, one.scanned), strict=True):
        for number, line in enumerate(look.plan):
            grid.add_row("" if number else label, Text(words.printable(line), style=words.CHART))
    yield grid
    table = screen.table("", "rows read", "reads", "bytes read", "time", "low - high")
    for label, look in zip(WITH_AND_WITHOUT, (one.indexed, one.scanned), strict=True):
        table.add_row(label, *_cells(look))
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
    if not report.inserts:
        return
    yield Text("\nWhat the index costs", style="bold")
    table = screen.table("", "on the disk", "written for a message", "time for a message")
    sizes = (report.database_bytes, report.database_bytes - report.index_bytes)
    for label, size, one in zip(WITH_AND_WITHOUT, sizes, report.inserts, strict=True):
        time = words.milliseconds(one.us.median / 1_000)
        if one.us.median < 1_000:
            time = f"{one.us.median:,.1f} µs"
        table.add_row(label, words.size(size), words.size(one.bytes_written), time)
    yield table


def _sentences(report: PlanReport) -> Iterator[str]:
    for one in report.rooms:
        yield _about_room(one)
    if report.inserts:
        indexed, plain = report.inserts
        share = report.index_bytes / report.database_bytes
        yield (
            f"The price: {words.size(report.index_bytes)} of the file ({share:.0%}), and "
            f"{_times(indexed.bytes_written, plain.bytes_written)} the bytes for each message "
            f"saved. {_about_inserts(indexed, plain)}"
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
    if clearly(scanned.ms, indexed.ms):
        times = _times(scanned.ms.median, indexed.ms.median)
        return f"{without} With it, it takes just those; without, {times} the time."
    if clearly(indexed.ms, scanned.ms):
        times = _times(indexed.ms.median, scanned.ms.median)
        return f"{without} Here the index does harm: {times} the time."
    why = ": the room was busy lately, so the scan ends soon" if one.is_busy else ""
    return f"{without} That makes no clear difference in time{why}."


def _about_inserts(indexed: Inserts, plain: Inserts) -> str:
    if overlap_free(indexed.us, plain.us):
        more = indexed.us.median - plain.us.median
        return f"Each takes {abs(more):,.1f} µs {'more' if more > 0 else 'less'}."
    return "No clear difference in the time that each takes."


def _times(more: float, less: float) -> str:
    return f"{words.ratio(more, less)} times"


def _legend(report: PlanReport) -> str:
    runs = len(report.rooms[0].indexed.ms.samples)
    text = (
        f"Time: the median of {runs} runs, each on a new connection; low - high holds the true "
        "median with 95% confidence. The system has the file in its memory: from a cold disk, each "
        "read would cost more. Rows, reads and bytes are counted."
    )
    if not report.inserts:
        return text
    batches = len(report.inserts[0].us.samples)
    return f"{text} Messages are saved {report.batch:,} at a time, synced, {batches} times."
