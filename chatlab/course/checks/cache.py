"""Checks of `02_cache`: a reader that keeps in memory what it has read."""

from __future__ import annotations

import asyncio
import errno
import os

from chatlab.chat.parts.reader import Reader
from chatlab.chat.settings import Settings
from chatlab.course.checks import CheckBench, check, io_of
from chatlab.course.simulation import now
from chatlab.data.records import CHATROOMS, Room
from chatlab.disk.counted import Operation
from chatlab.disk.memory import SimulatedFiles
from chatlab.errors import StorageError

TTL_S = 3.0
OLD = [Room("general", "General", ("alice",))]
NEW = [Room("general", "General", ("alice", "bob"))]


class _Moody:
    """A disk that fails when it is told to."""

    fails = False

    def before(self, operation: Operation) -> int | None:
        if self.fails and operation.kind == "read":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return None

    def after(self, operation: Operation) -> None:
        pass


def _reader(bench: CheckBench, files: SimulatedFiles) -> Reader:
    made: Reader = bench.part(files, Settings(cache_ttl_s=TTL_S), now)
    return made


def _rooms_files(bench: CheckBench, moody: _Moody | None = None) -> SimulatedFiles:
    return bench.files({CHATROOMS.name: CHATROOMS.encode(OLD)}, conditions=[moody] if moody else ())


def _reads(files: SimulatedFiles) -> int:
    return io_of(files, CHATROOMS.name).reads


@check(
    "examples",
    asked="A read returns what the file holds.",
    why="A cache that gives the wrong answer is worse than none.",
)
async def reads(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    bench.equal(await reader.read(CHATROOMS), OLD, "the rooms")
    bench.expect(_reads(files) > 0, expected="the file to be read through self.files", actual="no")


@check(
    "counts",
    asked="A thousand reads within the time to live go to the disk once.",
    why="The naive server reads chatrooms.json for each message: a thousand messages, a thousand "
    "reads of a file that did not change.",
)
async def few_reads(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    for _ in range(1_000):
        bench.equal(await reader.read(CHATROOMS), OLD, "the rooms")
    bench.spend(_reads(files), "reads of chatrooms.json for 1,000 questions")


@check(
    "counts",
    asked="When the copy is older than the time to live, the file is read again, once.",
    why="Other programs change files, too. Without an end to trust, a cache serves what was true "
    "once: a user who was removed from a room goes on talking in it.",
)
async def expires(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    await reader.read(CHATROOMS)
    files.disk.put(CHATROOMS.name, CHATROOMS.encode(NEW))
    bench.story.tell("another program changes chatrooms.json")
    await asyncio.sleep(TTL_S - 1)
    await reader.read(CHATROOMS)
    bench.equal(_reads(files), 1, "reads of chatrooms.json before the time to live is over")
    await asyncio.sleep(1.1)
    bench.story.tell(f"the copy is older than {TTL_S:g} s")
    bench.equal(await reader.read(CHATROOMS), NEW, "the rooms after the time to live")
    await reader.read(CHATROOMS)
    bench.equal(_reads(files), 2, "reads of chatrooms.json in all")


@check(
    "counts",
    asked="What the server has written itself is known at once, without a trip to the disk.",
    why="Someone who joins a room must be let in at once, not three seconds later.",
)
async def own_writes(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    await reader.read(CHATROOMS)
    await files.write(CHATROOMS.name, CHATROOMS.encode(NEW))
    reader.written(CHATROOMS, NEW)
    bench.equal(await reader.read(CHATROOMS), NEW, "the rooms after a write")
    bench.equal(_reads(files), 1, "reads of chatrooms.json")


@check(
    "interleavings",
    asked="Of many who miss at the same moment, one goes to the disk and the others wait for it; "
    "one who gives up takes nobody along.",
    why="When a popular entry expires, everyone misses at once. A thousand reads in that moment "
    "are called a cache stampede, and they come just when the server is busy.",
)
async def single_flight(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    first = asyncio.create_task(reader.read(CHATROOMS))
    others = [asyncio.create_task(reader.read(CHATROOMS)) for _ in range(20)]
    await asyncio.sleep(0)
    gives_up = bench.chance.choice([first, *others])
    gives_up.cancel()
    bench.story.tell("one of 21 who wait for the same read gives up")
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    answers.remove(answers[[first, *others].index(gives_up)])
    for answer in answers:
        bench.equal(answer, OLD, "the rooms, for those who did not give up")
    bench.equal(_reads(files), 1, "reads of chatrooms.json for 21 who ask at once")


@check(
    "interleavings",
    asked="A slow read that began before a write does not bring the old content back.",
    why="The read comes home last, with what was there before. Put into the cache, it hides a "
    "write that has succeeded: a lost update that no lock on the file prevents.",
)
async def late_read(bench: CheckBench) -> None:
    files = _rooms_files(bench)
    reader = _reader(bench, files)
    before = asyncio.create_task(reader.read(CHATROOMS))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    files.disk.put(CHATROOMS.name, CHATROOMS.encode(OLD))
    reader.written(CHATROOMS, NEW)
    bench.story.tell("while a read is under way, the server writes chatrooms.json")
    await before
    files.disk.put(CHATROOMS.name, CHATROOMS.encode(NEW))
    reads_before = _reads(files)
    bench.equal(await reader.read(CHATROOMS), NEW, "the rooms after the write")
    bench.equal(_reads(files) - reads_before, 0, "further reads of chatrooms.json")


@check(
    "faults",
    asked="When the disk fails, an old copy is served, and counted as stale; without a copy, the "
    "error is passed on.",
    why="For a moment, three-second-old rooms are better than no chat. But it must show: a figure "
    "on the dashboard, not silence.",
)
async def stale_on_error(bench: CheckBench) -> None:
    moody = _Moody()
    files = _rooms_files(bench, moody)
    reader = _reader(bench, files)
    moody.fails = True
    async with bench.fails_with(StorageError, "a first read from a disk that fails"):
        await reader.read(CHATROOMS)
    moody.fails = False
    bench.equal(await reader.read(CHATROOMS), OLD, "the rooms once the disk is well again")
    await asyncio.sleep(TTL_S + 0.1)
    moody.fails = True
    bench.story.tell("the copy is too old, and the disk fails")
    try:
        found = await reader.read(CHATROOMS)
    except StorageError as error:
        bench.expect(False, expected="the old rooms", actual=f"StorageError: {error}")
        return
    bench.equal(found, OLD, "the rooms while the disk fails")
    bench.equal(reader.statistics().stale_served, 1, "statistics().stale_served")
    moody.fails = False
    files.disk.put(CHATROOMS.name, CHATROOMS.encode(NEW))
    await asyncio.sleep(TTL_S + 0.1)
    bench.equal(await reader.read(CHATROOMS), NEW, "the rooms when the disk is well again")
