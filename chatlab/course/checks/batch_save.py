"""Checks of `05_batch_save`: a store that saves a batch at the price of one message."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence

from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.storage_seams import Reader, Store, Writer
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.settings import Settings
from chatlab.course.checks import PEOPLE, CheckBench, Mismatch, check, ms
from chatlab.course.checks.messages import (
    by_id,
    difference,
    expect_messages,
    ids_of,
    must_be_messages,
    one,
    whole_for,
)
from chatlab.course.simulation import now
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.conditions import FailingDisk
from chatlab.errors import StorageError

NAME = MESSAGES.name
ROOM, OTHER_ROOM = "general", "random"
ALL = 1_000
WITHIN_S = 1.0
QUICK_S = 0.020
"""What a read and a write of a millisecond each may take, with room for a safer writer."""
OPERATIONS_MAX = 40
"""A save that needs more has failed another check before."""


@check("examples")
async def keeps(bench: CheckBench) -> None:
    """What was saved is there when `save` returns: in order, after what was there before; `history`
    finds the last messages of a room.

    A fast store that forgets is no store.
    """
    _promises(bench)
    harness = StoreHarness(bench)
    for batch in (harness.batch("alice", 3), harness.batch("bob", 2, OTHER_ROOM), []):
        await harness.save(batch)
        harness.expect_kept("after save has returned")
    for room, limit in ((ROOM, ALL), (ROOM, 2), (OTHER_ROOM, 1), ("no such room", 5)):
        wanted = [one.id for one in harness.saved if one.room_id == room][-limit:]
        found = await harness.history(room, limit)
        bench.equal(ids_of(found), wanted, f"history({room!r}, {limit})")


def _promises(bench: CheckBench) -> None:
    bench.equal(getattr(bench.part, "kept_in", None), NAME, "the class attribute kept_in")
    for writer in (TruncateWriter, AtomicWriter):
        # The server asks for the promise before there is a data folder; see `modes.ack_means`.
        store = bench.part(None, None, writer(None), None, None)  # type: ignore[arg-type]
        what = f"promise, over a writer that promises {writer.promise!r}"
        bench.equal(store.promise, writer.promise, what)


@check("counts")
async def one_write(bench: CheckBench) -> None:
    """A batch of 100 messages costs one read and one write, and does not wait for more.

    The naive server pays a read and a write of the whole history for each message. Together, a
    hundred messages cost what one costs.
    """
    harness = StoreHarness(bench, steady=True)
    await harness.save(harness.batch("alice", 100))
    took_s = now()
    harness.expect_kept("after save has returned")
    operations = harness.files.total().operations
    bench.spend(operations, "reads and writes for a batch of 100 messages")
    expected = f"a save within {ms(QUICK_S)}: one operation takes 1 ms"
    bench.expect(took_s <= QUICK_S, expected, ms(took_s))


@check("counts")
async def tells_the_reader(bench: CheckBench) -> None:
    """With a reader that caches, a second batch costs no read, and one write.

    A cache that does not hear of a write still holds what was there before. The next save adds to
    that, and writes it back: the batch in between is gone.
    """
    harness = StoreHarness(bench, TTLReader)
    for who in ("alice", "bob"):
        before = harness.files.total()
        await harness.save(harness.batch(who, 10))
        harness.expect_kept(f"after {who}'s batch")
    second = harness.files.total() - before
    bench.equal(second.reads, 0, "reads for the second batch of 10 messages")
    bench.equal(second.writes, 1, "writes for the second batch of 10 messages")


@check("interleavings")
async def at_once(bench: CheckBench) -> None:
    """Batches that are saved at the same time are all kept, and each appears as a whole: a reader
    finds all of it or nothing.

    The reader, the writer and the lock are made to be used together. A save without the lock loses
    what others save; a history without it finds half a file.
    """
    harness = StoreHarness(bench)
    await _all_save(harness, PEOPLE[:2], apart_s=0.0)
    await _all_save(harness, PEOPLE[:3], PEOPLE[3:6], apart_s=0.004)


async def _all_save(
    harness: StoreHarness, savers: Sequence[str], readers: Sequence[str] = (), *, apart_s: float
) -> None:
    """Some save a batch each, while others read again and again what is there."""
    bench = harness.bench
    batches = [harness.batch(who, 3) for who in savers]

    async def saves(who: str, batch: Sequence[Message]) -> None:
        with whole_for(bench, who):
            await harness.save(batch)

    async def reads(who: str) -> None:
        for _ in range(3):
            with whole_for(bench, who):
                found = await harness.history()
            for batch in batches:
                there = set(ids_of(batch)) & set(ids_of(found))
                bench.expect(
                    len(there) in (0, len(batch)),
                    f"{who} to find all of {batch[0].sender}'s batch, or nothing",
                    f"{len(there)} of {len(batch)} messages",
                )

    work = [*map(saves, savers, batches), *map(reads, readers)]
    together = bench.together(*work, apart_s=apart_s)
    await bench.within(WITHIN_S, together, f"saves of {len(savers)} people")
    harness.expect_kept("after all saves have returned", in_order=False)


@check("faults")
async def all_or_nothing(bench: CheckBench) -> None:
    """When the disk fails, `save` raises StorageError and nothing of the batch shows; what was
    saved before stays.

    The sender hears that the save failed. If half of the batch is stored anyway, or the old
    messages are gone, then nobody knows any more what was said.
    """
    async for harness, batch in _troubles(bench, (1, None)):
        before = [*harness.saved]
        if not await harness.tries_to_save(batch):
            harness.trouble.heal()
            # A rename that is done and a folder that is not synced leave the batch in the file.
            wholly = harness.has(batch)
            harness.saved += batch if wholly else []
            harness.expect_kept("after a save that has failed")
            found = await harness.history()
            if not wholly:
                expect_messages(found, before, "history after a save that has failed")


@check("faults")
async def no_doubles(bench: CheckBench) -> None:
    """When the same batch is saved again after a failure, each of its messages is there once.

    A caller that gets an error tries again. A writer may fail at its last step, when the new file
    is already in place: then the first try is in the file, and the second one doubles it.
    """
    # What a disk that goes on failing leads to, `all_or_nothing` has seen.
    async for harness, batch in _troubles(bench, (1,)):
        if not await harness.tries_to_save(batch):
            harness.trouble.heal()
            bench.story.tell("the disk is well again, and the batch is saved again")
            await harness.save(batch)
        harness.trouble.heal()
        harness.expect_kept("after the second try has returned")
        await harness.save(harness.batch("carol", 2))
        harness.expect_kept("after one more batch")
        expect_messages(await harness.history(), harness.saved, "history at the end")


async def _troubles(
    bench: CheckBench, counts: Sequence[int | None]
) -> AsyncIterator[tuple[StoreHarness, list[Message]]]:
    """A store in use, and bob's batch: each operation of its save fails, with each of two readers.

    Args:
        counts: how many operations fail; None for all from there on.
    """
    for reader in (DirectReader, TTLReader):
        harness = await StoreHarness(bench, reader, AtomicWriter).in_use()
        await harness.save(harness.batch("bob", 3))
        for number in range(1, min(harness.trouble.seen, OPERATIONS_MAX) + 1):
            for count in counts:
                harness = await StoreHarness(bench, reader, AtomicWriter).in_use()
                how = "until it is well again" if count is None else "once"
                where = f"operation {number} of bob's save"
                bench.story.tell(f"a new try: the disk fails at {where}, {how}")
                harness.trouble.fail(number, count=count)
                yield harness, harness.batch("bob", 3)


class StoreHarness:
    """The learner's store over parts that work, on a disk in memory.

    Attributes:
        saved: what must be there: what was from the beginning, then every save that returned.
        trouble: makes the disk fail.
    """

    def __init__(
        self,
        bench: CheckBench,
        reader: type[Reader] = DirectReader,
        writer: type[Writer] = TruncateWriter,
        *,
        steady: bool = False,
    ) -> None:
        self.bench = bench
        self._numbers = itertools.count(1)
        self.saved = self.batch("zoe", 2)
        self.trouble = FailingDisk()
        contents = {NAME: MESSAGES.encode(self.saved)}
        self.files = bench.files(contents, conditions=[self.trouble], steady=steady)
        settings = Settings()
        parts = reader(self.files, settings, now), writer(self.files), PerFileLock()
        self.store: Store = bench.part(self.files, *parts, settings)

    async def in_use(self) -> StoreHarness:
        """The same, once it has been read from; from now on, `trouble` counts."""
        await self.history()
        self.trouble.arm()
        return self

    def batch(self, who: str, count: int, room: str = ROOM) -> list[Message]:
        """New messages, with ids not used before."""
        numbers = itertools.islice(self._numbers, count)
        return [one(f"{who}-{number}", room, sender=who) for number in numbers]

    async def save(self, batch: Sequence[Message]) -> None:
        """Have the learner's store do it; from then on it must be there."""
        whose = f" of {batch[0].sender}'s" if batch else ""
        self.bench.story.tell(f"save({len(batch)} messages{whose})")
        await self.bench.within(WITHIN_S, self.store.save(batch), "save")
        self.bench.story.tell("save returns")
        self.saved += batch

    async def tries_to_save(self, batch: Sequence[Message]) -> bool:
        """Whether it succeeded, as it can if the disk fails once and the store tries again."""
        try:
            await self.save(batch)
        except StorageError as error:
            self.bench.story.tell(f"save raises StorageError: {error}")
            return False
        self.bench.expect(
            self.trouble.over and self.has(self.saved),
            "save to raise StorageError when the disk fails",
            f"it returned; in {NAME} there are {difference(self.kept(), self.saved)}",
        )
        return True

    async def history(self, room: str = ROOM, limit: int = ALL) -> list[Message]:
        """What the learner's store finds."""
        found = await self.bench.within(WITHIN_S, self.store.history(room, limit), "history")
        return must_be_messages(found, "history")

    def kept(self) -> list[Message]:
        """What lies in the file now."""
        expected = f"{NAME} to hold all messages"
        if (data := self.files.disk.contents.get(NAME)) is None:
            raise Mismatch(expected, "there is no such file")
        with self.bench.no_error(expected):
            return MESSAGES.decode(data)

    def has(self, batch: Sequence[Message]) -> bool:
        """Whether all of these lie in the file now."""
        return set(ids_of(batch)) <= set(ids_of(self.kept()))

    def expect_kept(self, when: str, *, in_order: bool = True) -> None:
        """Go on if just what was saved lies in the file."""
        kept, wanted = self.kept(), self.saved
        if not in_order:
            kept, wanted = by_id(kept), by_id(wanted)
        expect_messages(kept, wanted, f"the messages in {NAME} {when}")
