"""What an index saves, and what it costs: the history query with it and without it, measured.

Works on two copies of a database, in a temporary folder; the second copy loses its index.
The original is only read, and a server may be writing to it at the same time. All figures are
counted or measured: reads by the same VFS as the server's, steps by SQLite.
Read `database.py` for how one query is asked and counted.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import apsw
import msgspec

from chatlab.bench.statistics import Estimate, estimate
from chatlab.data.folder import DEFAULT_FOLDER
from chatlab.data.sqlite_database import HISTORY, NAME, Database, copy_database
from chatlab.disk.counted import Disk
from chatlab.errors import StorageError, UsageError
from chatlab.labs.base import Lab, LabReport, Option
from chatlab.labs.query_plan.database import (
    LIMIT,
    Look,
    ask,
    connected,
    make_database,
    new_batches,
    rooms_of,
    summary,
    total,
)

INDEX_NAME = "room_and_time"
RUNS_MAX, RUNS_MIN, RUNS_S = 11, 3, 6.0
"""Runs of a query in each way: at most, at least, and seconds after which no more are begun."""
BATCHES, BATCH = 24, 100
ROOMS_SHOWN = 8
BUSY_ROWS = 20
"""Rows that a scan reads for each message it finds; in a busy room fewer."""
ALIKE = 1.5
"""A time counts as longer than another from this ratio on, if the runs do not overlap."""


class RoomLook(msgspec.Struct, frozen=True):
    """A room's history, asked for in both ways; `found` messages of `messages` come back."""

    room_id: str
    messages: int
    found: int
    indexed: Look
    scanned: Look

    @property
    def is_busy(self) -> bool:
        """Whether messages of the room are so frequent that a scan soon finds enough of them."""
        return self.scanned.rows_read < BUSY_ROWS * max(1, self.found)


class Inserts(msgspec.Struct, frozen=True):
    """What it costs to save a message, in synced batches.

    Attributes:
        us: microseconds for one message; a sample for each batch.
        bytes_written: for one message, to the log and the database; exact.
    """

    us: Estimate
    bytes_written: float


class PlanReport(LabReport, frozen=True, kw_only=True):
    """Everything that was found out.

    Attributes:
        source: the folder whose database was copied; "" for one made for this.
        database_bytes, index_bytes: on the disk.
        batch: messages in each batch of the inserts.
        with_index, without_index: what inserts cost; None if the lab was stopped before.
    """

    schema: str = "chatlab.data-explain/1"
    source: str
    query: str = HISTORY.strip()
    limit: int = LIMIT
    messages: int
    rooms: list[RoomLook]
    database_bytes: int
    index_bytes: int
    batch: int = BATCH
    with_index: Inserts | None
    without_index: Inserts | None

    @property
    def inserts(self) -> list[Inserts]:
        """With the index and without it; empty if the lab was stopped before."""
        return [one for one in (self.with_index, self.without_index) if one is not None]


@dataclass(kw_only=True)
class QueryPlan(Lab):
    """Prints SQLite's own plan of both, the rows and bytes that they read, their time, and what the
    index costs. Works on copies: the data folder is only read.
    """

    data: Annotated[
        Path | None,
        Option(
            "FOLDER",
            "The data folder of a server with the sqlite store; it may be running."
            f"  \\[default: {DEFAULT_FOLDER}]",
        ),
    ] = None
    room: Annotated[
        str | None, Option("ID", "Whose history.  \\[default: the busiest and the quietest room]")
    ] = None
    messages: Annotated[
        int,
        Option("N", "Messages in a database made for this, where there is none.", 100, 5_000_000),
    ] = 100_000
    rooms: list[tuple[str, int]] = field(default_factory=list, init=False)
    looks: list[RoomLook] = field(default_factory=list, init=False)
    inserts: list[Inserts | None] = field(default_factory=lambda: [None, None], init=False)
    sizes: tuple[int, int] = field(default=(0, 0), init=False)
    """Bytes of the database, and of its index."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data is not None and not self.data.is_dir():
            raise UsageError(f"--data {self.data}: there is no such folder")
        folder = self.data or DEFAULT_FOLDER
        self._source = folder if (folder / NAME).is_file() else None

    def estimate(self) -> tuple[float, str]:
        if self._source is None:
            seconds, size = self.messages / 50_000, f"{self.messages:,} generated messages"
        else:
            bytes_ = (self._source / NAME).stat().st_size
            seconds, size = bytes_ / 10e6, f"{bytes_ / 1e6:,.0f} MB of messages"
        return 2 + seconds, f"{2 * RUNS_MAX} queries for each room, on copies of {size}"

    async def measure(self) -> None:
        """Raises `UsageError` if the database cannot be used, or has no such room."""
        with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.folder) as work:
            self._disks = [Disk(Path(work) / name) for name in ("with", "without")]
            for disk in self._disks:
                disk.folder.mkdir()
            try:
                await self._measure()
            except (StorageError, apsw.Error) as error:
                by = "SQLite says: " if isinstance(error, apsw.Error) else ""
                raise UsageError(f"cannot explain the history query: {by}{error}") from error
            except OSError as error:
                raise UsageError(
                    f"cannot copy the database: {error.strerror or error}; it takes twice its size "
                    "in the folder for temporary files (TMPDIR or --work)"
                ) from error

    def report(self) -> PlanReport:
        return self.fill(
            PlanReport,
            source=str(self._source or ""),
            rooms=self.looks,
            messages=sum(count for _, count in self.rooms),
            database_bytes=self.sizes[0],
            index_bytes=self.sizes[1],
            with_index=self.inserts[0],
            without_index=self.inserts[1],
        )

    async def _measure(self) -> None:
        indexed = self._disks[0]
        if self._source is None:
            self.say(f"making a database of {self.messages:,} messages")
            make_database(indexed, self.messages)
        else:
            self.say(f"copying {NAME}")
            copy_database(self._source, indexed.folder)
        index_bytes = self._drop_index()
        self.rooms = rooms_of(indexed)
        self.sizes = ((indexed.folder / NAME).stat().st_size, index_bytes)
        for room, count in self._chosen():
            self.looks.append(await self._look(room, count))
        self.inserts = await self._insert()

    def _drop_index(self) -> int:
        """Make the second copy; returns the bytes that the index takes."""
        self.say("removing the index from a second copy")
        indexed, scanned = self._disks
        Database.opened(indexed).close()  # is it whole? carries the log into it
        shutil.copyfile(indexed.folder / NAME, scanned.folder / NAME)
        with connected(scanned) as connection:
            free = connection.pragma("freelist_count")
            connection.execute(f"DROP INDEX {INDEX_NAME}")
            freed: int = connection.pragma("freelist_count") - free
            page_bytes: int = connection.pragma("page_size")
        return freed * page_bytes

    def _chosen(self) -> list[tuple[str, int]]:
        """The rooms to ask for, and how many messages each has."""
        rooms = self.rooms
        if not rooms:
            raise UsageError(
                f"there are no messages in {self._source}: say something first, or name a folder "
                "without a database: one is made then"
            )
        if self.room is None:
            return [rooms[0], rooms[-1]] if len(rooms) > 1 else rooms
        if self.room not in dict(rooms):
            names = ", ".join(room for room, _ in rooms[:ROOMS_SHOWN])
            more = f" and {len(rooms) - ROOMS_SHOWN:,} more" if len(rooms) > ROOMS_SHOWN else ""
            raise UsageError(
                f"there are no messages of room {self.room!r}; there are of: {names}{more}"
            )
        return [(self.room, dict(rooms)[self.room])]

    async def _look(self, room: str, messages: int) -> RoomLook:
        """Ask for a room's history, in both ways by turns: A B B A."""
        self.say(f"asking for the history of {room}")
        looks: list[list[Look]] = [[], []]
        end = time.perf_counter() + RUNS_S
        for number in range(RUNS_MAX):
            await asyncio.sleep(0)  # a Ctrl-C takes effect here
            for which in (0, 1) if number % 2 else (1, 0):
                found, look = ask(self._disks[which], room)
                looks[which].append(look)
            if number + 1 >= RUNS_MIN and time.perf_counter() > end:
                break
        return RoomLook(room, messages, found, *map(summary, looks))

    async def _insert(self) -> list[Inserts | None]:
        """Save the same batches into both copies, by turns."""
        self.say("saving messages with and without the index")
        databases = [Database.opened(disk) for disk in self._disks]
        before = [total(disk).bytes_written for disk in self._disks]
        samples: list[list[float]] = [[], []]
        try:
            rooms = [room for room, _ in self.rooms]
            for number, batch in enumerate(new_batches(rooms, BATCHES, BATCH)):
                await asyncio.sleep(0)
                for which in (0, 1) if number % 2 else (1, 0):
                    began = time.perf_counter()
                    databases[which].save(batch)
                    samples[which].append((time.perf_counter() - began) / len(batch) * 1e6)
        finally:
            for database in databases:
                database.close()
        after = [total(disk).bytes_written for disk in self._disks]
        return [
            Inserts(estimate(us), (now - then) / (BATCHES * BATCH))
            for us, now, then in zip(samples, after, before, strict=True)
        ]


def clearly(more: Estimate, less: Estimate) -> bool:
    """Whether one time is clearly more than another."""
    return more.median >= ALIKE * less.median and overlap_free(more, less)


def overlap_free(one: Estimate, other: Estimate) -> bool:
    """Whether the runs of both do not overlap: by their intervals, or by all of a few."""
    low, high = _ends(one)
    other_low, other_high = _ends(other)
    return low > other_high or high < other_low


def _ends(ms: Estimate) -> tuple[float, float]:
    if ms.low is None or ms.high is None:
        return min(ms.samples), max(ms.samples)
    return ms.low, ms.high
