"""The SQLite store: nothing acked is lost, and whatever its files cost is counted and can fail.

What holds for every store stands in `test_stores.py`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from chatlab.chat.parts.store.sqlite import SqliteStore
from chatlab.data import sqlite_database as database
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.data.sqlite_database import LOG, NAME, SIDE_FILES
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.conditions import Recorder
from chatlab.disk.counted import FOLDER, Disk, Operation
from chatlab.disk.power_loss import Volume
from chatlab.errors import StorageError
from tests.support.parts import fill, ids, message
from tests.support.served_store import ServedStore, without_messages

FEW_PAGES = 4
"""Of the log; with so few, nearly every save begins with a checkpoint."""


class Base(ServedStore):
    """A database in a folder, as servers that come and go have it."""

    def __init__(self, folder: Path) -> None:
        self._recorder = Recorder()
        super().__init__(SqliteStore, folder, self._recorder)
        self._first = self.content

    @property
    def replayed(self) -> dict[str, bytes]:
        """What each file holds by all that was told of."""
        volume = Volume(self._first)
        for number, step in enumerate(self._recorder.steps):
            volume.apply(number, step)
        return volume.now()


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    """An empty one, of which nothing stays behind in SQLite."""
    vfs_names = apsw.vfs_names()
    async with Base(without_messages(fill(tmp_path / "data"))) as made:
        assert apsw.vfs_names() != vfs_names
        yield made
    assert apsw.vfs_names() == vfs_names


async def held_in(folder: Path) -> list[str]:
    """The ids in a folder, as a fresh store finds them, which then goes away."""
    async with Base(folder) as other:
        return ids(await other.store.history("general", 99_999))


def ids_to(end: int) -> list[str]:
    return ids(message(n) for n in range(end))


# Crashes.


async def test_a_torn_log_costs_only_what_was_not_yet_saved(base: Base) -> None:
    sizes = [0]
    for n in range(0, 20, 2):
        await base.save(n, n + 1)
        sizes.append((base.folder / LOG).stat().st_size)
    for cut in range(0, sizes[-1] + 1, 1_997):
        left = base.killed()
        with (left / LOG).open("rb+") as log:
            log.truncate(cut)
        whole = sum(size <= cut for size in sizes[1:])

        assert await held_in(left) == ids_to(2 * whole)


# Filling.


async def test_messages_json_with_an_id_twice_is_said_to_be_taken_over_in_part(tmp_path) -> None:
    async with Base(fill(tmp_path / "data", [message(1), message(1), message(2)])) as base:
        assert base.notes[0].startswith("took 2 messages")
        assert base.notes[1] == f"left out 1 of {MESSAGES.name}: their id was taken"


# A disk that fails.


async def test_a_failed_sync_refuses_the_batch_and_is_not_tried_again(base: Base) -> None:
    await base.save(1)
    base.disk.fail(kind="fsync")
    await base.refuses(2, words="cannot write messages.sqlite: Input/output error")
    assert ids(await base.store.history("general", 9)) == ids_to(2)[1:]
    base.forget()
    await base.save(2)

    kinds = [kind for kind, name in base.done if name == LOG]
    assert kinds.count("fsync") == 1
    assert kinds[-1] == "fsync"
    assert "write" in kinds
    await base.holds(1, 2)
    base.disk.fail(kind="write", error="enospc")
    await base.refuses(3, words="cannot write messages.sqlite: No space left on device")
    await base.reopen()
    await base.holds(1, 2)


def of_the_database_itself(operation: Operation) -> bool:
    return operation.name == NAME


async def test_a_checkpoint_that_fails_refuses_a_batch_and_takes_none_back(base: Base) -> None:
    base.set(log_pages_max=FEW_PAGES)
    await base.save(*range(100))
    base.disk.fail(count=99, which=of_the_database_itself)
    await base.refuses(100, words="Input/output error")
    await base.refuses(100, words="Input/output error")
    base.disk.heal()
    assert await held_in(base.killed()) == ids_to(100)
    await base.save(100)

    await base.holds(*range(101))


async def test_closing_on_a_broken_disk_keeps_all_in_the_log(base: Base) -> None:
    await base.save(1, 2)
    base.disk.fail(count=99, which=of_the_database_itself)
    await base.store.close()
    base.disk.heal()
    await base.restart()

    assert base.disk.failed > 0
    await base.holds(1, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the size of files")
async def test_what_the_system_itself_refuses_is_told_in_its_words(base: Base) -> None:
    import resource

    await base.save(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((base.folder / LOG).stat().st_size, limits[1]))
    try:
        await base.refuses(2, words="File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await base.save(3)

    await base.holds(1, 3)


# A file that is no good.


def overwritten(data: bytes) -> bytes:
    return data[:8_192] + b"\xff" * 100 + data[8_292:]


@pytest.mark.parametrize(
    ("damage", "with_log"),
    [
        (lambda _: b"this is not a database " * 99, False),
        (lambda _: b"", False),
        (lambda data: data[: len(data) // 2], False),
        (lambda data: data[:100], False),
        (overwritten, False),
        (overwritten, True),  # SQLite mends the others from the log
    ],
    ids=["not a database", "empty", "cut off", "only a header", "overwritten", "with a log"],
)
async def test_a_damaged_database_is_refused_and_untouched(base, damage, with_log) -> None:
    await base.save(*range(500))
    await base.reopen()
    if with_log:
        await base.save(500)
    else:
        await base.store.close()
    left = Base(base.killed())
    path = left.folder / NAME
    path.write_bytes(damage(path.read_bytes()))
    before = left.content
    await left.starts_not("restore it from a backup or move it away")

    assert read_saved(left.folder).damaged == 1
    assert left.content == before
    assert (len(before.get(LOG, b"")) > 0) == with_log


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("application_id = 1", "not a database of chatlab"), ("user_version = 9", "has format 9")],
)
async def test_a_database_of_something_else_is_refused(base: Base, pragma: str, words: str) -> None:
    await base.store.close()
    other = apsw.Connection(str(base.folder / NAME))
    other.execute(f"PRAGMA {pragma}")
    other.close()

    await base.starts_not(words)


async def test_a_database_that_another_program_uses_is_refused_in_words(base, monkeypatch) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 1)
    await base.save(1)
    with pytest.raises(StorageError, match="another program is using it"):
        await Base(base.folder).start()

    await base.save(2)
    await base.holds(1, 2)


@pytest.mark.parametrize("left", SIDE_FILES)
async def test_a_log_never_meets_another_database(base: Base, left: str) -> None:
    """Somebody moved the damaged database away, as told, and left its log behind."""
    await base.save(1, 2, 3)
    await base.store.close()
    (base.folder / NAME).unlink()
    (base.folder / left).write_bytes(b"what belongs to another one")
    await base.starts_not(re.escape(left))

    assert not (base.folder / NAME).exists()


# What it costs.


async def test_one_save_is_one_sync_however_many_messages(base: Base) -> None:
    await base.save(1)
    synced = [name for kind, name in base.done if kind == "fsync"]
    base.forget()
    await base.save(*range(2, 300))

    assert synced[synced.index(LOG) - 1] == FOLDER  # the name of the log: on the disk, too
    assert [name for kind, name in base.done if kind == "fsync"] == [LOG]
    assert base.done[-1] == ("fsync", LOG)


async def test_the_log_does_not_grow_without_end(base: Base) -> None:
    base.set(log_pages_max=50)
    for n in range(0, 3_000, 10):
        await base.save(*range(n, n + 10))

    assert (base.folder / LOG).stat().st_size < 70 * database.PAGE_BYTES


async def test_history_is_read_through_the_index(base: Base) -> None:
    execute = base.store._database._execute
    plan = str(list(execute(f"EXPLAIN QUERY PLAN {database.HISTORY}", ("general", 9))))
    await base.save(*range(5_000), room="other")
    await base.save(5_000)
    await base.reopen()
    base.store._database._connection.pragma("shrink_memory")
    before = base.files.statistics()[NAME]
    await base.store.history("general", 10)
    read = base.files.statistics()[NAME] - before

    assert "USING INDEX room_and_time" in plan
    assert "B-TREE" not in plan
    assert read.reads <= 8


async def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    text = "x" * 4_000
    long = [Message(f"m-{n:06d}", "general", "alice", text, "2026") for n in range(6_000)]
    base = Base(without_messages(fill(tmp_path / "data")))
    before = apsw.memory_used()
    await base.start(iter(long))
    await base.reopen()
    await base.save(1)
    used = apsw.memory_used() - before
    await base.store.close()

    assert (base.folder / NAME).stat().st_size > 2.5 * database.CACHE_BYTES
    assert used < 1.3 * database.CACHE_BYTES


async def test_the_operations_that_are_told_are_all_that_happens(base: Base) -> None:
    base.set(log_pages_max=FEW_PAGES)
    for n in range(0, 300, 30):
        await base.save(*range(n, n + 30))
    assert base.replayed == base.content
    await base.reopen()
    await base.save(999)
    assert base.replayed == base.content
    await base.store.close()

    assert base.replayed == base.content
    assert LOG not in base.content


def test_a_read_beyond_the_end_counts_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(60))
    disk = Disk(tmp_path)
    files = SqliteFiles(disk)
    with pytest.raises(apsw.NotADBError):
        apsw.Connection(str(tmp_path / "zeros"), vfs=files.name).execute("SELECT 1 FROM messages")
    files.unregister()
    io = disk.statistics()["zeros"]

    assert io.bytes_read == io.reads * 60 > 0
