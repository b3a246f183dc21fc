"""The SQLite store: nothing acked is lost, and whatever its files cost is counted and can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import apsw
import pytest

from chatlab.chat.parts.store.sqlite import SqliteStore
from chatlab.chat.settings import Settings
from chatlab.data import sqlite_database as database
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.data.sqlite_database import FILLING, LOG, NAME, SIDE_FILES
from chatlab.data.sqlite_files import SqliteFiles
from chatlab.disk.counted import FOLDER, Disk, Operation
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import InlineFiles, fill, ids, message
from tests.support.unlucky import Unlucky, kinds
from tests.support.virtual_clock import run

FEW_PAGES = 4
"""Of the log; with so few, nearly every save begins with a checkpoint."""


class Replay:
    """Does again, in memory, all that was done on the disk.

    Attributes:
        content: of each file.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytearray] = {}

    def begin(self, folder: Path) -> None:
        """With what is there; the first time only."""
        files = {path.name: bytearray(path.read_bytes()) for path in folder.iterdir()}
        self.content = self.content or files

    def before(self, _: Operation) -> None:
        pass

    def after(self, done: Operation) -> None:
        if done.kind == "truncate":
            content = self.content.setdefault(done.name, bytearray())
            del content[done.offset :]
        elif done.kind == "write":
            content = self.content[done.name]
            content.extend(bytes(max(0, done.offset - len(content))))
            content[done.offset : done.offset + len(done.data)] = done.data
        elif done.kind == "rename":
            self.content[done.target] = self.content.pop(done.name)
        elif done.kind == "remove":
            del self.content[done.name]


class Base:
    """A database in a folder, as servers that come and go have it.

    Attributes:
        disk: make it fail with this.
        store: the one that runs now.
        notes: what it said when it started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = Unlucky()
        self.replay = Replay()
        self.notes: list[str] = []
        self.settings = Settings()
        self._make()

    def _make(self) -> None:
        self.files = InlineFiles(self.folder)
        self.files.disk = Disk(self.folder, [self.disk, self.replay])
        self.store = SqliteStore(self.files, None, None, None, self.settings)  # type: ignore[arg-type]

    def shorten_log(self, pages: int) -> None:
        """From now on, carry the log into the database when it has so many pages."""
        self.settings = self.store.settings = Settings(log_pages_max=pages)

    async def start(self, starting: Iterable[Message] = ()) -> None:
        self.replay.begin(self.folder)
        self.notes = await self.store.start(starting)

    async def reopen(self) -> None:
        """Stop the server, and start another one."""
        await self.store.close()
        self._make()
        await self.start()

    def killed(self) -> Path:
        """A copy of the folder: just what a killed server would leave."""
        left = self.folder.with_name("killed")
        shutil.rmtree(left, ignore_errors=True)
        return Path(shutil.copytree(self.folder, left))

    async def save(self, *numbers: int, room: str = "general") -> None:
        await self.store.save([message(n, room) for n in numbers])

    async def refuses(self, *numbers: int, words: str) -> None:
        with pytest.raises(StorageError, match=words):
            await self.save(*numbers)

    async def holds(self, *numbers: int) -> None:
        """Whether it has these messages: by its history, and as an auditor reads the files."""
        wanted = [message(n) for n in numbers]
        assert await self.store.history("general", 999) == wanted
        assert read_saved(self.folder).messages == wanted

    @property
    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    """An empty one."""
    made = Base(fill(tmp_path / "data"))
    (made.folder / MESSAGES.name).unlink()
    await made.start()
    yield made
    made.disk.heal()
    await made.store.close()


@pytest.fixture
def short_log(base: Base) -> None:
    base.shorten_log(FEW_PAGES)


async def held_in(folder: Path) -> list[str]:
    """The ids in a folder, as a fresh store finds them, which then goes away."""
    other = Base(folder)
    await other.start()
    try:
        return ids(await other.store.history("general", 99_999))
    finally:
        await other.store.close()


# Crashes.


@pytest.mark.parametrize("log_pages", [FEW_PAGES, 2_000])
async def test_every_saved_batch_survives_a_kill_at_any_moment(base: Base, log_pages: int) -> None:
    base.shorten_log(log_pages)
    saved: list[int] = []
    for n in range(0, 40, 2):
        await base.save(n, n + 1)
        saved += [n, n + 1]
        assert await held_in(base.killed()) == ids(message(n) for n in saved)


async def test_a_torn_log_costs_only_what_was_not_yet_saved(base: Base) -> None:
    sizes = [0]
    for n in range(0, 20, 2):
        await base.save(n, n + 1)
        sizes.append((base.folder / LOG).stat().st_size)
    for cut in range(0, sizes[-1] + 1, 997):
        left = base.killed()
        with (left / LOG).open("rb+") as log:
            log.truncate(cut)
        whole = sum(size <= cut for size in sizes[1:])

        assert await held_in(left) == ids(message(n) for n in range(2 * whole))


@pytest.mark.usefixtures("short_log")
async def test_a_kill_within_a_checkpoint_loses_nothing(base: Base) -> None:
    seen: list[Path] = []

    class Camera:
        """Copies the folder before each write into the database itself."""

        def before(self, operation: Operation) -> None:
            if operation.kind == "write" and operation.name == NAME and len(seen) < 12:
                seen.append(base.killed().rename(base.folder.with_name(f"killed-{len(seen)}")))

        def after(self, _: Operation) -> None:
            pass

    base.files.disk._conditions += (Camera(),)
    for n in range(0, 400, 40):
        await base.save(*range(n, n + 40))
        for left in seen:
            held = await held_in(left)
            assert held in [ids(message(i) for i in range(end)) for end in (n, n + 40)]
            shutil.rmtree(left)
        seen.clear()


# Filling.


async def test_a_new_database_takes_over_messages_json_and_says_so(tmp_path: Path) -> None:
    first = [message(n) for n in range(3)]
    base = Base(fill(tmp_path / "data", first))
    await base.start([message(99)])

    assert base.notes == [f"took 3 messages from {MESSAGES.name} into a new database"]
    await base.holds(0, 1, 2)
    assert MESSAGES.decode((base.folder / MESSAGES.name).read_bytes()) == first
    await base.reopen()
    assert base.notes == []
    await base.holds(0, 1, 2)
    await base.store.close()


async def test_messages_json_with_an_id_twice_is_said_to_be_taken_over_in_part(
    tmp_path: Path,
) -> None:
    base = Base(fill(tmp_path / "data", [message(1), message(1), message(2)]))
    await base.start()

    assert base.notes[0].startswith("took 2 messages")
    assert base.notes[1] == f"left out 1 of {MESSAGES.name}: their id was taken"
    await base.store.close()


async def test_a_corrupt_messages_json_is_not_taken_over_and_nothing_is_begun(
    tmp_path: Path,
) -> None:
    base = Base(fill(tmp_path / "data"))
    (base.folder / MESSAGES.name).write_bytes(b"[{")
    before = base.content
    with pytest.raises(CorruptFile):
        await base.start()

    assert base.content == before


def test_a_filling_that_fails_anywhere_is_begun_anew(tmp_path: Path) -> None:
    wanted = [message(n) for n in range(7)]

    async def fails_at(nth: int) -> bool:
        base = Base(fill(tmp_path / str(nth)))
        (base.folder / MESSAGES.name).unlink()
        base.disk.fail(nth, which=kinds("truncate", "write", "fsync", "rename", "remove"))
        try:
            await base.start(wanted)
        except StorageError as error:
            reasons.add(error.reason)
            base._make()
            base.disk.heal()
            # What the data folder gives again as long as there is no database.
            await base.start(() if (base.folder / NAME).exists() else wanted)
        base.disk.heal()
        await base.holds(*range(7))
        await base.store.close()
        assert set(base.content) == {"users.json", "chatrooms.json", NAME}
        return base.disk.failed > 0

    failures, reasons = 0, set()
    while run(fails_at(failures + 1)):
        failures += 1
    assert failures >= 12
    assert reasons == {"Input/output error"}


async def test_what_a_killed_filling_left_is_forgotten(tmp_path: Path) -> None:
    base = Base(fill(tmp_path / "data", [message(1)]))
    (base.folder / FILLING).write_bytes(b"half a database")
    (base.folder / f"{FILLING}-journal").write_bytes(b"and more")
    await base.start()

    await base.holds(1)
    assert not [name for name in base.content if name.startswith(FILLING)]
    await base.store.close()


# A disk that fails.

HALVES = pytest.mark.parametrize(
    ("error", "words"), [("eio", "Input/output error"), ("enospc", "No space left on device")]
)


@HALVES
@pytest.mark.parametrize("log_pages", [FEW_PAGES, 2_000])
@pytest.mark.parametrize("nth", range(1, 8))
async def test_after_failed_saves_the_next_ones_lose_and_double_nothing(
    base: Base, nth: int, log_pages: int, error: str, words: str
) -> None:
    base.shorten_log(log_pages)
    saved = [*range(20)]
    told = set()
    await base.save(*saved)
    for n in range(100, 130):
        base.disk.fail(nth, error=error, kind="write")
        try:
            await base.save(n, n + 100)
        except StorageError as refused:
            told.add(str(refused))
            if n % 3:  # of those that fail, some are never tried again
                base.disk.heal()
                await base.save(n, n + 100)
                saved += [n, n + 100]
        else:
            saved += [n, n + 100]
        base.disk.heal()
        await base.holds(*saved)
    assert told == {f"cannot write {NAME}: {words}"}
    await base.reopen()
    await base.holds(*saved)


async def test_a_failed_sync_refuses_the_batch_and_is_not_tried_again_on_the_same_bytes(
    base: Base,
) -> None:
    await base.save(1)
    base.disk.fail(kind="fsync")
    await base.refuses(2, words="cannot write messages.sqlite: Input/output error")
    assert ids(await base.store.history("general", 9)) == ["m-000001"]
    del base.disk.operations[:]
    await base.save(2)

    kinds = [operation.kind for operation in base.disk.operations if operation.name == LOG]
    assert kinds.count("fsync") == 1
    assert kinds[-1] == "fsync"
    assert "write" in kinds
    await base.holds(1, 2)


async def test_a_refused_batch_is_not_in_the_files_after_a_stop(base: Base) -> None:
    await base.save(1)
    base.disk.fail(kind="fsync")
    await base.refuses(2, words="Input/output error")
    await base.reopen()

    await base.holds(1)


@pytest.mark.usefixtures("short_log")
async def test_a_checkpoint_that_fails_refuses_a_batch_and_takes_none_back(base: Base) -> None:
    await base.save(*range(100))
    base.disk.fail(count=99, which=lambda operation: operation.name == NAME)
    await base.refuses(100, words="Input/output error")
    await base.refuses(100, words="Input/output error")
    base.disk.heal()
    assert await held_in(base.killed()) == ids(message(n) for n in range(100))
    await base.save(100)

    await base.holds(*range(101))


async def test_closing_on_a_broken_disk_keeps_all_in_the_log(base: Base) -> None:
    await base.save(1, 2)
    base.disk.fail(count=99, which=lambda operation: operation.name == NAME)
    await base.store.close()
    base.disk.heal()
    base._make()
    await base.start()

    assert base.disk.failed > 0
    await base.holds(1, 2)


async def test_a_history_that_cannot_be_read_says_why(base: Base) -> None:
    await base.save(*range(50))
    await base.reopen()
    base.store._database._connection.pragma("shrink_memory")
    base.disk.fail(count=9, kind="read")
    with pytest.raises(StorageError, match=r"cannot read messages\.sqlite: Input/output error"):
        await base.store.history("general", 10)
    base.disk.heal()

    await base.holds(*range(50))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the size of files")
async def test_what_the_system_itself_refuses_is_told_in_its_words(base: Base) -> None:
    import resource

    await base.save(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((base.folder / LOG).stat().st_size, limits[1]))
    try:
        with pytest.raises(StorageError) as error:
            await base.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await base.save(3)

    assert error.value.reason == "File too large"
    await base.holds(1, 3)


# A file that is no good.


def overwritten(data: bytes) -> bytes:
    return data[:8_192] + b"\xff" * 100 + data[8_292:]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"this is not a database " * 99, id="not a database"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:100], id="only a header"),
        pytest.param(overwritten, id="overwritten"),
    ],
)
async def test_a_damaged_database_is_refused_and_untouched(base: Base, damage) -> None:
    await base.save(*range(500))
    await base.store.close()
    path = base.folder / NAME
    path.write_bytes(damage(path.read_bytes()))
    before = base.content
    base._make()
    with pytest.raises(CorruptFile, match="restore it from a backup or move it away"):
        await base.start()

    assert base.content == before
    assert read_saved(base.folder).damaged == 1
    assert base.content == before


async def test_a_damaged_database_with_a_log_is_untouched_too(base: Base) -> None:
    await base.save(*range(500))
    await base.reopen()
    await base.save(500)
    left = Base(base.killed())
    path = left.folder / NAME
    path.write_bytes(overwritten(path.read_bytes()))
    before = left.content
    with pytest.raises(CorruptFile):
        await left.start()

    assert left.content == before
    assert len(before[LOG]) > 0


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("application_id = 1", "not a database of chatlab"), ("user_version = 9", "has format 9")],
)
async def test_a_database_of_something_else_is_refused(base: Base, pragma: str, words: str) -> None:
    await base.store.close()
    other = apsw.Connection(str(base.folder / NAME))
    other.execute(f"PRAGMA {pragma}")
    other.close()
    base._make()
    with pytest.raises(CorruptFile, match=words):
        await base.start()


async def test_a_database_that_another_program_uses_is_refused_in_words(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 1)
    await base.save(1)
    other = Base(base.folder)
    with pytest.raises(StorageError, match="another program is using it"):
        await other.start()

    await base.save(2)
    await base.holds(1, 2)


# What it costs.


async def test_one_save_is_one_sync_however_many_messages(base: Base) -> None:
    await base.save(1)
    del base.disk.operations[:]
    await base.save(*range(2, 300))

    synced = [operation.name for operation in base.disk.operations if operation.kind == "fsync"]
    assert synced == [LOG]
    assert base.disk.operations[-1].kind == "fsync"


async def test_the_first_save_puts_the_name_of_the_log_on_the_disk(base: Base) -> None:
    await base.save(1)

    synced = [operation.name for operation in base.disk.operations if operation.kind == "fsync"]
    assert synced[synced.index(LOG) - 1] == FOLDER


async def test_the_log_does_not_grow_without_end(base: Base) -> None:
    base.shorten_log(50)
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
    base = Base(fill(tmp_path / "data"))
    (base.folder / MESSAGES.name).unlink()
    before = apsw.memory_used()
    await base.start(iter(long))
    await base.reopen()
    await base.save(1)
    used = apsw.memory_used() - before
    await base.store.close()

    assert (base.folder / NAME).stat().st_size > 2.5 * database.CACHE_BYTES
    assert used < 1.3 * database.CACHE_BYTES


async def test_nothing_stays_behind_in_sqlite(base: Base) -> None:
    await base.reopen()
    opened = base.store._database
    name = opened._vfs.name
    assert name in apsw.vfs_names()
    await base.store.close()

    assert name not in apsw.vfs_names()


@pytest.mark.usefixtures("short_log")
async def test_the_operations_that_are_told_are_all_that_happens(base: Base) -> None:
    for n in range(0, 300, 30):
        await base.save(*range(n, n + 30))
    assert base.replay.content == base.content
    await base.reopen()
    await base.save(999)
    assert base.replay.content == base.content
    await base.store.close()

    assert base.replay.content == base.content
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


SCRIPT = """
import asyncio, sys
from pathlib import Path
from chatlab.disk.files import Files
from chatlab.chat.parts.store.sqlite import SqliteStore
from chatlab.chat.settings import Settings
from tests.support.parts import message

async def main():
    files = Files(Path(sys.argv[1]))
    for start in (0, 1_000):
        store = SqliteStore(files, None, None, None, Settings(log_pages_max=40))
        await store.start(message(n) for n in range(start, start + 200))
        for n in range(start + 200, start + 900, 70):
            await store.save([message(i) for i in range(n, n + 70)])
        await store.history("general", 500)
        await store.close()
    for name, io in sorted(files.statistics().items()):
        print(name, io.reads, io.writes, io.fsyncs, io.bytes_read, io.bytes_written)
    files.close()

asyncio.run(main())
"""
LINE = re.compile(r"(?:\d+ +)?(\w+)\(\d+<([^>]*)>.*\) += (\d+)")
CALLS = "read,pread64,write,pwrite64,fsync,fdatasync"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_is_counted_agrees_with_the_trace_of_the_system(tmp_path: Path) -> None:
    folder, trace = tmp_path / "data", tmp_path / "trace"
    folder.mkdir()
    strace = ["strace", "-f", "-y", "--seccomp-bpf", "-s", "1", "-e", f"trace={CALLS}", "-o", trace]
    told = subprocess.run(
        [*strace, sys.executable, "-c", SCRIPT, folder],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ).stdout
    counted: dict[str, list[int]] = {}
    for line in trace.read_text().splitlines():
        found = LINE.fullmatch(line)
        if found is None or not found[2].startswith(str(folder)):
            continue
        name = FOLDER if found[2] == str(folder) else Path(found[2]).name.removesuffix(".tmp")
        reads, writes, fsyncs, bytes_read, bytes_written = counted.get(name, [0] * 5)
        size = int(found[3])
        if "read" in found[1]:
            counted[name] = [reads + 1, writes, fsyncs, bytes_read + size, bytes_written]
        elif "write" in found[1]:
            counted[name] = [reads, writes + 1, fsyncs, bytes_read, bytes_written + size]
        else:
            counted[name] = [reads, writes, fsyncs + 1, bytes_read, bytes_written]

    lines = [line.split() for line in told.splitlines()]
    assert counted == {name: [int(figure) for figure in figures] for name, *figures in lines}
    assert {NAME, LOG, FOLDER} <= set(counted)
    assert min(counted[LOG][:3]) > 10


@pytest.mark.parametrize("left", SIDE_FILES)
async def test_a_log_never_meets_another_database(base: Base, left: str) -> None:
    """Somebody moved the damaged database away, as told, and left its log behind."""
    await base.save(1, 2, 3)
    await base.store.close()
    (base.folder / NAME).unlink()
    (base.folder / left).write_bytes(b"what belongs to another one")
    other = Base(base.folder)
    with pytest.raises(CorruptFile, match=re.escape(left)):
        await other.start()

    assert (base.folder / left).read_bytes() == b"what belongs to another one"
    assert not (base.folder / NAME).exists()
