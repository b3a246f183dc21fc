"""What the query plan lab does to databases: makes them, asks one, and counts what it reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import msgspec

from chatlab.bench.statistics import Estimate, estimate
from chatlab.data.folder import generated_history
from chatlab.data.records import Message
from chatlab.data.sqlite_database import FILLING, HISTORY, NAME, SETTINGS, Database
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.counted import Disk, FileIO

LIMIT = 50
ROOMS_SPOKEN_IN = 8
BUSY_ROOMS = ["general", "random", "new-years-eve"]
QUIET_ROOM, QUIET_MESSAGES = "book-club", 20


class Look(msgspec.Struct, frozen=True):
    """One way to answer the query.

    Attributes:
        plan: SQLite's own words.
        rows_read: of the table, to find those that were asked for.
        steps: of SQLite's virtual machine.
        reads, bytes_read: with nothing in SQLite's memory but the schema; exact.
        ms: of several runs.
    """

    plan: list[str]
    rows_read: int
    steps: int
    reads: int
    bytes_read: int
    ms: Estimate


def make_database(disk: Disk, count: int) -> None:
    """Make a database of generated messages."""
    Database.fill_new(disk, _example(count))
    disk.rename(FILLING, NAME)


def _example(count: int) -> Iterator[Message]:
    """Generated messages; the first few are in a room that is quiet ever after."""
    quiet = min(QUIET_MESSAGES, count // 2)
    for number, one in enumerate(generated_history(count, BUSY_ROOMS)):
        yield msgspec.structs.replace(one, room_id=QUIET_ROOM) if number < quiet else one


def new_batches(rooms: list[str], batches: int, size: int) -> Iterator[list[Message]]:
    """Batches of new messages in some of the rooms; their ids sort behind all others, as new ones
    do."""
    for begin in range(0, batches * size, size):
        yield [
            Message(
                f"~explain-{number:08d}",
                rooms[number % min(len(rooms), ROOMS_SPOKEN_IN)],
                "alice",
                "Happy New Year to all of you, wherever you are!",
                "2026-01-01T00:00:00.000Z",
            )
            for number in range(begin, begin + size)
        ]


@contextmanager
def connected(disk: Disk) -> Iterator[apsw.Connection]:
    """A connection that counts what it reads, with nothing but the schema in its memory."""
    files = SqliteFiles(disk)
    connection = apsw.Connection(str(disk.folder / NAME), vfs=files.name)
    try:
        for name, value in SETTINGS.items():
            connection.pragma(name, value)
        connection.pragma("table_list")
        yield connection
    finally:
        connection.close()
        files.unregister()


def ask(disk: Disk, room: str) -> tuple[int, Look]:
    """Ask once, on a new connection; returns how many messages came back, and what it cost."""
    events: list[dict[str, int]] = []
    with connected(disk) as connection:
        query, values = HISTORY, (room, LIMIT)
        explained = connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        plan = [str(row[3]) for row in explained]
        connection.trace_v2(
            apsw.SQLITE_TRACE_PROFILE, lambda event: events.append(event["stmt_status"])
        )
        before = total(disk)
        began = time.perf_counter()
        found = len(connection.execute(query, values).fetchall())
        ms = (time.perf_counter() - began) * 1_000
        io = total(disk) - before
    # A scan counts its moves from one row to the next; a search touches just the rows it finds.
    scanned = events[-1]["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
    rows_read = scanned + 1 if any(line.startswith("SCAN") for line in plan) else found
    steps = events[-1]["SQLITE_STMTSTATUS_VM_STEP"]
    return found, Look(plan, rows_read, steps, io.reads, io.bytes_read, estimate([ms]))


def summary(looks: list[Look]) -> Look:
    """Several looks as one: they differ in their times alone."""
    times = [ms for look in looks for ms in look.ms.samples]
    return msgspec.structs.replace(looks[0], ms=estimate(times))


def total(disk: Disk) -> FileIO:
    return sum(disk.statistics().values(), FileIO())


def rooms_of(disk: Disk) -> list[tuple[str, int]]:
    """Each room and how many messages it has, the busiest first; of equals, the latest first."""
    with connected(disk) as connection:
        query = "SELECT room_id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC, max(seq) DESC"
        return [(str(room), int(count)) for room, count in connection.execute(query)]
