"""Checks of `05_batch_save`: a store that saves a batch at the price of one message."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.reader import Reader
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.store import Store
from chatlab.chat.parts.writer import Writer
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.settings import Settings
from chatlab.course.checks import PEOPLE, CheckBench, Mismatch, check
from chatlab.course.checks.failing import FailingDisk
from chatlab.course.simulation import now
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.counted import FileIO
from chatlab.errors import StorageError

NAME = MESSAGES.name
ROOM, OTHER_ROOM = "general", "random"
ALL = 1_000
WITHIN_S = 1.0
QUICK_S = 0.020
"""What a read and a write of a millisecond each may take, with room for a safer writer."""


@check(
    "examples",
    asked="What is saved is there when `save` returns: in order, after what was there before; "
    "`history` finds the last of a room.",
    why="A store that is fast and forgets is no store.",
)
async def keeps(bench: CheckBench) -> None:
    _promises(bench)
    stand = _Stand(bench)
    for batch in (stand.batch("alice", 3), stand.batch("bob", 2, OTHER_ROOM), []):
        await stand.save(batch)
        stand.expect_kept(stand.saved, "after save has returned")
    for room, limit in ((ROOM, ALL), (ROOM, 2), (OTHER_ROOM, 1), ("no such room", 5)):
        wanted = [one.id for one in stand.saved if one.room_id == room][-limit:]
        found = await stand.history(room, limit)
        bench.equal(_ids(found), wanted, f"history({room!r}, {limit})")


def _promises(bench: CheckBench) -> None:
    bench.equal(getattr(bench.part, "kept_in", None), NAME, "the class attribute kept_in")
    for writer in (TruncateWriter, AtomicWriter):
        # The server asks for the promise before there is a data folder; see `modes.ack_means`.
        store = bench.part(None, None, writer(None), None, None)  # type: ignore[arg-type]
        what = f"promise, over a writer that promises {writer.promise!r}"
        bench.equal(store.promise, writer.promise, what)


@check(
    "counts",
    asked="A batch of 100 messages costs one read and one write, and does not wait for more.",
    why="The naive server pays a read and a write of the whole history for each message. In one "
    "go, a hundred messages cost what one costs.",
)
async def one_write(bench: CheckBench) -> None:
    stand = _Stand(bench, steady=True)
    batch = stand.batch("alice", 100)
    await stand.save(batch)
    took_s = now()
    stand.expect_kept(stand.saved, "after save has returned")
    bench.spend(stand.operations, "reads and writes for a batch of 100 messages")
    bench.expect(
        took_s <= QUICK_S,
        expected=f"a save within {QUICK_S * 1000:.0f} ms: one operation takes 1 ms",
        actual=f"{took_s * 1000:.0f} ms",
    )


@check(
    "counts",
    asked="With a reader that caches, a second batch costs no read, and one write.",
    why="A cache that is not told what was written holds what was there before. The next save adds "
    "to that, and writes it back: the batch in between is gone.",
)
async def tells_the_reader(bench: CheckBench) -> None:
    stand = _Stand(bench, TTLReader)
    for who in ("alice", "bob"):
        before = stand.io
        await stand.save(stand.batch(who, 10))
        stand.expect_kept(stand.saved, f"after {who}'s batch")
    second = stand.io - before
    bench.equal(second.reads, 0, "reads for the second batch of 10 messages")
    bench.equal(second.writes, 1, "writes for the second batch of 10 messages")


@check(
    "interleavings",
    asked="Batches that are saved at the same time all stay, and each comes in whole: whoever "
    "reads meanwhile finds all of it or nothing.",
    why="The reader, the writer and the lock are made to be used together. A save without the lock "
    "loses what others save; a history without it finds half a file.",
)
async def at_once(bench: CheckBench) -> None:
    stand = _Stand(bench)
    await _all_save(stand, PEOPLE[:2], apart_s=0.0)
    await _all_save(stand, PEOPLE[:3], PEOPLE[3:6], apart_s=0.004)


async def _all_save(
    stand: _Stand, savers: Sequence[str], readers: Sequence[str] = (), *, apart_s: float
) -> None:
    """Some save a batch each, while others read again and again what is there."""
    batches = [stand.batch(who, 3) for who in savers]

    async def saves(who: str, batch: Sequence[Message]) -> None:
        try:
            await stand.save(batch)
        except StorageError as error:
            raise _half(who, error) from error

    async def reads(who: str) -> None:
        for _ in range(3):
            try:
                found = await stand.history()
            except StorageError as error:
                raise _half(who, error) from error
            for batch in batches:
                there = set(_ids(batch)) & set(_ids(found))
                stand.bench.expect(
                    len(there) in (0, len(batch)),
                    expected=f"{who} to find all of {batch[0].sender}'s batch, or nothing",
                    actual=f"{len(there)} of {len(batch)} messages",
                )

    work = [*map(saves, savers, batches), *map(reads, readers)]
    together = stand.bench.together(*work, apart_s=apart_s)
    await stand.bench.within(WITHIN_S, together, f"saves of {len(savers)} people")
    stand.expect_kept(stand.saved, "after all saves have returned", in_order=False)


@check(
    "faults",
    asked="When the disk fails, `save` raises StorageError and nothing of the batch shows; what "
    "was saved before stays.",
    why="A save that fails is told to the sender. If half of the batch is there all the same, or "
    "the old messages are not, then nobody knows any more what was said.",
)
async def all_or_nothing(bench: CheckBench) -> None:
    for reader, number, once in await _troubles(bench):
        stand, batch = await _in_trouble(bench, reader, number, once=once)
        before = [*stand.saved]
        if not await stand.tries_to_save(batch):
            stand.trouble.heal()
            wholly = _is_there(stand.kept(), batch)
            # A rename that is done and a folder that is not synced leave the batch in the file.
            there = [*before, *batch] if wholly else before
            stand.expect_kept(there, "after a save that has failed")
            found = await stand.history()
            if not wholly:
                bench.equal(_ids(found), _ids(before), "history after a save that has failed")


@check(
    "faults",
    asked="The same batch is saved again after a failure: then each of its messages is there once.",
    why="Whoever gets an error tries again. A writer may fail at its last step, when the new file "
    "is in its place already: then the first try is in the file, and the second one doubles it.",
)
async def no_doubles(bench: CheckBench) -> None:
    for reader, number, once in await _troubles(bench):
        if not once:
            continue  # where that leads, `all_or_nothing` has seen
        stand, batch = await _in_trouble(bench, reader, number)
        if not await stand.tries_to_save(batch):
            stand.trouble.heal()
            bench.story.tell("the disk is well again, and the batch is saved again")
            await stand.save(batch)
        stand.trouble.heal()
        stand.expect_kept(stand.saved, "after the second try has returned")
        await stand.save(stand.batch("carol", 2))
        stand.expect_kept(stand.saved, "after one more batch")
        found = await stand.history()
        bench.equal(_ids(found), _ids(stand.saved), "history at the end")


async def _troubles(bench: CheckBench) -> list[tuple[type[Reader], int, bool]]:
    """Each operation of a save may fail, once or for a while, with each of two readers."""
    found: list[tuple[type[Reader], int, bool]] = []
    for reader in (DirectReader, TTLReader):
        stand, batch = await _in_trouble(bench, reader, 0)
        await stand.save(batch)
        numbers = range(1, min(stand.trouble.seen, OPERATIONS_MAX) + 1)
        found += [(reader, *each) for each in itertools.product(numbers, (True, False))]
    return found


OPERATIONS_MAX = 40
"""Whoever needs more has failed another check before."""


async def _in_trouble(
    bench: CheckBench, reader: type[Reader], number: int, *, once: bool = True
) -> tuple[_Stand, list[Message]]:
    """A store in use, and bob's batch, at which the disk will fail; it never fails if 0."""
    stand = _Stand(bench, reader, AtomicWriter)
    await stand.history()
    stand.trouble.heal()
    if number:
        how = "once" if once else "until it is well again"
        bench.story.tell(f"a new try: the disk fails at operation {number} of bob's save, {how}")
        stand.trouble.fail(number, once=once)
    return stand, stand.batch("bob", 3)


class _Stand:
    """A learner's store over parts that work, on a disk in memory.

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
        self._files = bench.files(contents, conditions=[self.trouble], steady=steady)
        settings = Settings()
        parts = reader(self._files, settings, now), writer(self._files), PerFileLock()
        self.store: Store = bench.part(self._files, *parts, settings)

    def batch(self, who: str, count: int, room: str = ROOM) -> list[Message]:
        """Messages that there have not been yet."""
        numbers = itertools.islice(self._numbers, count)
        return [_message(who, room, number) for number in numbers]

    async def save(self, batch: Sequence[Message]) -> None:
        """Have the learner's store do it; from then on it must be there."""
        self.bench.story.tell(f"save({_words(batch)})")
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
            self.trouble.over and _is_there(self.kept(), self.saved),
            expected="save to raise StorageError when the disk fails",
            actual=f"it returned; in {NAME} there are {_found(self.kept(), self.saved)}",
        )
        return True

    async def history(self, room: str = ROOM, limit: int = ALL) -> list[Message]:
        """What the learner's store finds."""
        found = await self.bench.within(WITHIN_S, self.store.history(room, limit), "history")
        self.bench.expect(
            isinstance(found, list) and all(isinstance(one, Message) for one in found),
            expected="history to return a list of messages",
            actual=f"it returned {str(found)[:100]}",
        )
        return found

    @property
    def io(self) -> FileIO:
        """What all files have cost so far."""
        return sum(self._files.statistics().values(), FileIO())

    @property
    def operations(self) -> int:
        """Reads and writes so far."""
        return self.io.operations

    def kept(self) -> list[Message]:
        """What lies in the file now."""
        try:
            return MESSAGES.decode(self._files.disk.contents[NAME])
        except (StorageError, KeyError) as error:
            raise Mismatch(f"{NAME} to hold all messages", str(error)) from error

    def expect_kept(self, wanted: Sequence[Message], when: str, *, in_order: bool = True) -> None:
        """Whether just these lie in the file."""
        kept = self.kept()
        self.bench.expect(
            sorted(_ids(kept)) == sorted(_ids(wanted)),
            expected=f"{len(wanted)} messages in {NAME}, each once, {when}",
            actual=_found(kept, wanted),
        )
        self.bench.expect(
            not in_order or kept == list(wanted),
            expected=f"the messages in {NAME} in the order in which they were saved, {when}",
            actual=f"they stand in another order: {_short_list(_ids(kept))}",
        )


def _message(who: str, room: str, number: int) -> Message:
    timestamp = "2026-12-31T23:59:59.000Z"
    return Message(f"{who}-{number}", room, who, f"{who} says hello", timestamp)


def _ids(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]


def _is_there(kept: Sequence[Message], batch: Sequence[Message]) -> bool:
    return set(_ids(batch)) <= set(_ids(kept))


def _words(batch: Sequence[Message]) -> str:
    whose = f" of {batch[0].sender}'s" if batch else ""
    return f"{len(batch)} messages{whose}"


def _found(kept: Sequence[Message], wanted: Sequence[Message]) -> str:
    """What is missing, doubled or too much, in words."""
    ids, right = _ids(kept), _ids(wanted)
    unlike = {
        "missing": [one for one in right if one not in ids],
        "there more than once": [one for one in dict.fromkeys(ids) if ids.count(one) > 1],
        "too many": [one for one in ids if one not in right],
    }
    said = [f"{what}: {_short_list(those)}" for what, those in unlike.items() if those]
    return f"{len(ids)} messages{'; ' if said else ''}{'; '.join(said)}"


def _short_list(names: Sequence[str], at_most: int = 8) -> str:
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _half(who: str, error: StorageError) -> Mismatch:
    return Mismatch(
        f"{who} to find {NAME} whole",
        f"{who} read it while someone else was writing it, and found half of it ({error})",
    )
