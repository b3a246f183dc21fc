"""What an index saves, and what it costs: the history query with it and without it, measured.

Works on two copies of a database, in a folder of its own; from the second, the index is removed.
The original is only read, and a server may be writing to it at the same time. All figures are
counted or measured: reads by the same VFS as the server's, steps by SQLite.

Refuses to know how it is shown: that is `view/query_plan.py`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from chatlab.bench.statistics import Estimate, estimate
from chatlab.data.sqlite_database import HISTORY, NAME, SETTINGS, Database, copy_database
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.counted import Disk, FileIO
from chatlab.errors import StorageError, UsageError
from chatlab.labs.query_plan.data import make_database, new_batches

INDEX_NAME = "room_and_time"
LIMIT = 50
RUNS_MAX, RUNS_MIN, RUNS_S = 11, 3, 6.0
"""Runs of a query with and without the index; fewer than the most if they take so many seconds."""
BATCHES, BATCH = 24, 100
ROOMS_SHOWN = 8


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


class RoomLook(msgspec.Struct, frozen=True):
    """A room's history, asked for in both ways; `found` messages of `messages` come back."""

    room_id: str
    messages: int
    found: int
    indexed: Look
    scanned: Look


class Inserts(msgspec.Struct, frozen=True):
    """What it costs to save a message, in synced batches.

    Attributes:
        us: microseconds for one message; a sample for each batch.
        bytes_written: for one message, to the log and the database; exact.
    """

    us: Estimate
    bytes_written: float


class PlanReport(msgspec.Struct, frozen=True):
    """Everything that was found out.

    Attributes:
        source: the folder whose database was copied; "" for one made for this.
        database_bytes, index_bytes: on the disk.
        batch: messages in each batch of the inserts.
    """

    schema: str
    complete: bool
    command: str
    source: str
    query: str
    limit: int
    messages: int
    rooms: list[RoomLook]
    database_bytes: int
    index_bytes: int
    batch: int
    with_index: Inserts
    without_index: Inserts


class QueryPlan:
    """The measurement.

    Args:
        work: an empty folder for the copies.
        source: a folder with a database; None to make one.
        messages: how many, if it is made.
        room: whose history; None for the busiest and the quietest.
        say: hears what is being done.
    """

    def __init__(
        self,
        work: Path,
        source: Path | None,
        *,
        messages: int,
        room: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._source = source
        self._messages = messages
        self._room = room
        self._say = say
        self._indexed, self._scanned = work / "with", work / "without"

    def measure(self, command: str) -> PlanReport:
        """Do it all.

        Raises:
            UsageError: the database cannot be used, or has no such room.
        """
        for folder in (self._indexed, self._scanned):
            folder.mkdir()
        try:
            return self._measure(command)
        except StorageError as error:
            raise UsageError(f"cannot explain the history query: {error}") from error
        except apsw.Error as error:
            raise UsageError(f"cannot explain the history query: SQLite says: {error}") from error
        except OSError as error:
            raise UsageError(
                f"cannot copy the database: {error.strerror or error}; it takes twice its size in "
                "the folder for temporary files (TMPDIR)"
            ) from error

    def _measure(self, command: str) -> PlanReport:
        if self._source is None:
            self._say(f"making a database of {self._messages:,} messages")
            make_database(self._indexed, self._messages)
        else:
            self._say(f"copying {NAME}")
            copy_database(self._source, self._indexed)
        index_bytes = self._drop_index()
        rooms = _rooms(self._indexed)
        looks = [self._look(*chosen) for chosen in self._chosen(rooms)]
        size = (self._indexed / NAME).stat().st_size
        with_index, without_index = self._insert([room for room, _ in rooms])
        return PlanReport(
            schema="chatlab.data-explain/1",
            complete=True,
            command=command,
            source=str(self._source or ""),
            query=HISTORY.strip(),
            limit=LIMIT,
            messages=sum(count for _, count in rooms),
            rooms=looks,
            database_bytes=size,
            index_bytes=index_bytes,
            batch=BATCH,
            with_index=with_index,
            without_index=without_index,
        )

    def _drop_index(self) -> int:
        """Make the second copy; returns the bytes that the index takes."""
        self._say("removing the index from a second copy")
        Database.opened(Disk(self._indexed)).close()  # is it whole? carries the log into it
        shutil.copyfile(self._indexed / NAME, self._scanned / NAME)
        with _connected(Disk(self._scanned)) as connection:
            free = connection.pragma("freelist_count")
            connection.execute(f"DROP INDEX {INDEX_NAME}")
            freed: int = connection.pragma("freelist_count") - free
            page_bytes: int = connection.pragma("page_size")
        return freed * page_bytes

    def _chosen(self, rooms: list[tuple[str, int]]) -> list[tuple[str, int]]:
        if not rooms:
            raise UsageError(
                f"there are no messages in {self._source}: say something first, or name a folder "
                "without a database: one is made then"
            )
        if self._room is None:
            return [rooms[0], rooms[-1]] if len(rooms) > 1 else rooms
        if self._room not in dict(rooms):
            names = ", ".join(room for room, _ in rooms[:ROOMS_SHOWN])
            more = f" and {len(rooms) - ROOMS_SHOWN:,} more" if len(rooms) > ROOMS_SHOWN else ""
            raise UsageError(
                f"there are no messages of room {self._room!r}; there are of: {names}{more}"
            )
        return [(self._room, dict(rooms)[self._room])]

    def _look(self, room: str, messages: int) -> RoomLook:
        """Ask for a room's history, in both ways by turns: A B B A."""
        self._say(f"asking for the history of {room}")
        folders = (self._indexed, self._scanned)
        runs: dict[Path, list[_Run]] = {folder: [] for folder in folders}
        end = time.perf_counter() + RUNS_S
        for number in range(RUNS_MAX):
            for folder in folders if number % 2 else reversed(folders):
                runs[folder].append(_run(Disk(folder), room))
            if number + 1 >= RUNS_MIN and time.perf_counter() > end:
                break
        indexed, scanned = (runs[folder] for folder in folders)
        found = indexed[0].found
        return RoomLook(room, messages, found, _summary(indexed), _summary(scanned))

    def _insert(self, rooms: list[str]) -> tuple[Inserts, Inserts]:
        """Save the same batches into both copies, by turns."""
        self._say("saving messages with and without the index")
        disks = [Disk(self._indexed), Disk(self._scanned)]
        databases = [Database.opened(disk) for disk in disks]
        samples: list[list[float]] = [[], []]
        before = [_total(disk) for disk in disks]
        try:
            for number, batch in enumerate(new_batches(rooms, BATCHES, BATCH)):
                for which in (0, 1) if number % 2 else (1, 0):
                    began = time.perf_counter()
                    databases[which].save(batch)
                    samples[which].append((time.perf_counter() - began) / len(batch) * 1e6)
        finally:
            for database in databases:
                database.close()
        written = [_total(disk).bytes_written for disk in disks]
        each = [
            (now - then.bytes_written) / (BATCHES * BATCH)
            for now, then in zip(written, before, strict=True)
        ]
        return Inserts(estimate(samples[0]), each[0]), Inserts(estimate(samples[1]), each[1])


class _Run(msgspec.Struct, frozen=True):
    plan: list[str]
    found: int
    rows_read: int
    steps: int
    io: FileIO
    ms: float


@contextmanager
def _connected(disk: Disk) -> Iterator[apsw.Connection]:
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


def _run(disk: Disk, room: str) -> _Run:
    """Ask once, on a connection of its own."""
    told: list[dict[str, int]] = []
    with _connected(disk) as connection:
        query, values = HISTORY, (room, LIMIT)
        explained = connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        plan = [str(row[3]) for row in explained]
        connection.trace_v2(
            apsw.SQLITE_TRACE_PROFILE, lambda event: told.append(event["stmt_status"])
        )
        before = _total(disk)
        began = time.perf_counter()
        found = len(connection.execute(query, values).fetchall())
        ms = (time.perf_counter() - began) * 1_000
        io = _total(disk) - before
    status = told[-1]
    # A scan counts its moves from one row to the next; a search touches just the rows it finds.
    scanned = status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
    rows_read = scanned + 1 if any(line.startswith("SCAN") for line in plan) else found
    return _Run(plan, found, rows_read, status["SQLITE_STMTSTATUS_VM_STEP"], io, ms)


def _summary(runs: list[_Run]) -> Look:
    one = runs[0]
    ms = estimate([run.ms for run in runs])
    return Look(one.plan, one.rows_read, one.steps, one.io.reads, one.io.bytes_read, ms)


def _total(disk: Disk) -> FileIO:
    return sum(disk.statistics().values(), FileIO())


def _rooms(folder: Path) -> list[tuple[str, int]]:
    """Each room and how many messages it has, the busiest first; of equals, the latest first."""
    with _connected(Disk(folder)) as connection:
        query = "SELECT room_id, count(*) FROM messages GROUP BY 1 ORDER BY 2 DESC, max(seq) DESC"
        return [(str(room), int(count)) for room, count in connection.execute(query)]
