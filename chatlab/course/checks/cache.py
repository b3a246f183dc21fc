"""Checks of `02_cache`: a reader that keeps in memory what it has read."""

from __future__ import annotations

import asyncio

from chatlab.chat.parts.storage_seams import Reader
from chatlab.chat.settings import Settings
from chatlab.course.checks import CheckBench, check
from chatlab.course.simulation import now
from chatlab.data.records import CHATROOMS, Room
from chatlab.disk.conditions import FailingDisk
from chatlab.errors import StorageError

TTL_S = 3.0
OLD = [Room("general", "General", ("alice",))]
NEW = [Room("general", "General", ("alice", "bob"))]


class ReaderHarness:
    """The learner's reader over a disk that holds the old rooms at first.

    Attributes:
        trouble: makes reads fail.
    """

    def __init__(self, bench: CheckBench) -> None:
        self._bench = bench
        self.trouble = FailingDisk()
        contents = {CHATROOMS.name: CHATROOMS.encode(OLD)}
        self.files = bench.files(contents, conditions=[self.trouble])
        self.reader: Reader = bench.part(self.files, Settings(cache_ttl_s=TTL_S), now)

    @property
    def reads(self) -> int:
        """Reads of the file so far."""
        return self.files.total().reads

    async def expect(self, wanted: list[Room], what: str = "the rooms") -> None:
        """Go on if that is what the reader reads; `what` names it."""
        self._bench.equal(await self.reader.read(CHATROOMS), wanted, what)

    def expect_reads(self, reads: int, which: str) -> None:
        """Go on if the file was read that often; `which` says what for."""
        self._bench.equal(self.reads, reads, f"reads of chatrooms.json {which}".strip())

    def put(self, rooms: list[Room]) -> None:
        """Change the file as another program would."""
        self.files.disk.put(CHATROOMS.name, CHATROOMS.encode(rooms))

    def fail_reads(self) -> None:
        """From now on, every read fails."""
        self.trouble.fail(count=None, kind="read")


@check("examples")
async def reads(bench: CheckBench) -> None:
    """A read returns what the file holds.

    A cache that gives the wrong answer is worse than none.
    """
    harness = ReaderHarness(bench)
    await harness.expect(OLD)
    bench.expect(harness.reads > 0, "the file to be read through self.files", "it was not")


@check("counts")
async def few_reads(bench: CheckBench) -> None:
    """A thousand reads within the time to live cost one read of the disk.

    The naive server reads chatrooms.json for each message: a thousand messages, a thousand reads of
    a file that did not change.
    """
    harness = ReaderHarness(bench)
    for _ in range(1_000):
        await harness.expect(OLD)
    bench.spend(harness.reads, "reads of chatrooms.json for 1,000 questions")


@check("counts")
async def expires(bench: CheckBench) -> None:
    """When the copy is older than the time to live, the file is read again, once.

    Other programs change files, too. A cache without an expiry serves what was true once: a user
    who was removed from a room goes on talking in it.
    """
    harness = ReaderHarness(bench)
    await harness.reader.read(CHATROOMS)
    harness.put(NEW)
    bench.story.tell("another program changes chatrooms.json")
    await asyncio.sleep(TTL_S - 1)
    await harness.reader.read(CHATROOMS)
    harness.expect_reads(1, "before the time to live is over")
    await asyncio.sleep(1.1)
    bench.story.tell(f"the copy is older than {TTL_S:g} s")
    await harness.expect(NEW, "the rooms after the time to live")
    await harness.reader.read(CHATROOMS)
    harness.expect_reads(2, "in all")


@check("counts")
async def own_writes(bench: CheckBench) -> None:
    """What the server itself has written is known at once, without a read of the disk.

    Someone who joins a room must be let in at once, not three seconds later.
    """
    harness = ReaderHarness(bench)
    await harness.reader.read(CHATROOMS)
    await harness.files.write(CHATROOMS.name, CHATROOMS.encode(NEW))
    harness.reader.written(CHATROOMS, NEW)
    await harness.expect(NEW, "the rooms after a write")
    harness.expect_reads(1, "")


@check("interleavings")
async def single_flight(bench: CheckBench) -> None:
    """When many miss at the same moment, one reads the disk and the others wait for it; if one of
    them is cancelled, the others still get their answer.

    When a popular entry expires, everyone misses at once. A thousand reads in that moment are
    called a cache stampede, and they come just when the server is busy.
    """
    harness = ReaderHarness(bench)
    waiting = [asyncio.create_task(harness.reader.read(CHATROOMS)) for _ in range(21)]
    await asyncio.sleep(0)
    gives_up = bench.chance.choice(waiting)
    gives_up.cancel()
    bench.story.tell("one of 21 who wait for the same read gives up")
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    answers.remove(answers[waiting.index(gives_up)])
    for answer in answers:
        bench.equal(answer, OLD, "the rooms, for those who did not give up")
    harness.expect_reads(1, "for 21 who ask at once")


@check("interleavings")
async def late_read(bench: CheckBench) -> None:
    """A slow read that began before a write does not bring the old content back.

    The read returns last, with what was there before. Put into the cache, it hides a write that has
    succeeded: a lost update that no lock on the file prevents.
    """
    harness = ReaderHarness(bench)
    before = asyncio.create_task(harness.reader.read(CHATROOMS))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    harness.put(OLD)
    harness.reader.written(CHATROOMS, NEW)
    bench.story.tell("while a read is under way, the server writes chatrooms.json")
    await before
    harness.put(NEW)
    reads_before = harness.reads
    await harness.expect(NEW, "the rooms after the write")
    bench.equal(harness.reads - reads_before, 0, "further reads of chatrooms.json")


@check("faults")
async def stale_on_error(bench: CheckBench) -> None:
    """When the disk fails, the reader serves an old copy, and counts it as stale; without a copy,
    it passes the error on.

    For a moment, three-second-old rooms are better than no chat. But it must show: as a figure on
    the dashboard, not as silence.
    """
    harness = ReaderHarness(bench)
    harness.fail_reads()
    with bench.fails_with(StorageError, "a first read from a disk that fails"):
        await harness.reader.read(CHATROOMS)
    harness.trouble.heal()
    await harness.expect(OLD, "the rooms once the disk is well again")
    await asyncio.sleep(TTL_S + 0.1)
    harness.fail_reads()
    bench.story.tell("the copy is too old, and the disk fails")
    with bench.no_error("the old rooms", "StorageError: {}"):
        await harness.expect(OLD, "the rooms while the disk fails")
    bench.equal(harness.reader.statistics().stale_served, 1, "statistics().stale_served")
    harness.trouble.heal()
    harness.put(NEW)
    await asyncio.sleep(TTL_S + 0.1)
    await harness.expect(NEW, "the rooms when the disk is well again")
