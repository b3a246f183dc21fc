"""Checks of `05_batch_save`: a store that saves many messages at the price of one."""

from __future__ import annotations

from collections.abc import Sequence

from chatlab.chat.datafiles import MESSAGES
from chatlab.chat.errors import StorageError
from chatlab.chat.parts.locks.per_file import PerFileLock
from chatlab.chat.parts.readers.direct import DirectReader
from chatlab.chat.parts.readers.ttl import TTLReader
from chatlab.chat.parts.stores.base import Store
from chatlab.chat.parts.writers.atomic import AtomicWriter
from chatlab.chat.parts.writers.truncate import TruncateWriter
from chatlab.chat.protocol import Message
from chatlab.chat.settings import Settings
from chatlab.course.checks.base import Lab, check, io_of
from chatlab.course.checks.failing import FailingDisk
from chatlab.course.checks.messages import expect_messages, said
from chatlab.course.simulation.clock import now
from chatlab.course.simulation.files import SimulatedFiles

OPERATION_S = 0.001
QUICK_S = 0.02
"""Virtual seconds for a save: a handful of operations of 1 ms, and no waiting for anything."""
PATIENCE_S = 60.0
ALL = 10_000
FAULTS_MAX = 40
"""More operations than any save of one batch needs."""

BEFORE = said(5, sender="bob", content="earlier {}")


class _World:
    """A learner's store over a data folder in memory.

    Args:
        lab: of the check.
        caching: whether the reader has a cache.
        atomic: whether the writer replaces files in one go.
        disk: to make operations fail.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        caching: bool = False,
        atomic: bool = False,
        disk: FailingDisk | None = None,
    ) -> None:
        self.lab = lab
        self.files = lab.files(
            {MESSAGES.name: MESSAGES.encode(BEFORE)},
            operation_s=OPERATION_S,
            conditions=[disk] if disk else (),
        )
        settings = Settings(cache_ttl_s=1e6)
        reader = (TTLReader if caching else DirectReader)(self.files, settings, now)
        writer = (AtomicWriter if atomic else TruncateWriter)(self.files)
        self.store: Store = lab.part(self.files, reader, writer, PerFileLock(), settings)

    async def save(self, batch: Sequence[Message], within_s: float = PATIENCE_S) -> None:
        self.lab.story.tell(f"save {len(batch)} messages")
        await self.lab.within(within_s, self.store.save(batch), "save")

    async def history(self, limit: int = ALL, room_id: str = "general") -> object:
        work = self.store.history(room_id, limit)
        return await self.lab.within(PATIENCE_S, work, "history")

    @property
    def on_disk(self) -> list[Message]:
        return MESSAGES.decode(self.files.disk.contents[MESSAGES.name])


def _reads(files: SimulatedFiles) -> int:
    return io_of(files, MESSAGES.name).reads


def _writes(files: SimulatedFiles) -> int:
    return io_of(files, MESSAGES.name).writes


@check(
    "examples",
    asked="What was saved is there: in its order, after what was there before, and room by room.",
    why="A store that forgets or mixes up messages is fast at the wrong thing.",
)
async def keeps(lab: Lab) -> None:
    world = _World(lab)
    first, second, other = said(3, sender="alice"), said(2, sender="carol"), said(2, "other")
    first = [Message(f"a-{m.id}", *_rest(m)) for m in first]
    second = [Message(f"c-{m.id}", *_rest(m)) for m in second]
    await world.save([first[0], other[0], first[1], first[2]])
    await world.save([*second, other[1]])
    wanted = [*BEFORE, *first, *second]
    expect_messages(await world.history(), wanted, "the history of general")
    expect_messages(await world.history(3), wanted[-3:], "the last 3 messages of general")
    expect_messages(await world.history(room_id="other"), other, "the history of other")
    expect_messages(await world.history(room_id="nobody's"), [], "the history of an unknown room")
    lab.equal(len(world.on_disk), len(wanted) + 2, "messages in messages.json")
    lab.equal(world.store.promise, "written", "the promise, over a writer that promises `written`")


@check(
    "counts",
    asked="A batch of 100 messages costs one read and one write of messages.json, and waits for "
    "nothing else.",
    why="The naive server reads and rewrites the file for each message: 100 messages, 200 "
    "operations, each over all messages that there ever were.",
)
async def one_save(lab: Lab) -> None:
    world = _World(lab)
    batch = _fresh(100)
    await world.save(batch, within_s=1.0)
    expect_messages(await world.history(), [*BEFORE, *batch], "the history, after the save")
    before = io_of(world.files, MESSAGES.name).operations
    more = _fresh(100, "more")
    began_s = now()
    await world.save(more)
    took_s = now() - began_s
    expect_messages(world.on_disk, [*BEFORE, *batch, *more], "messages.json, after the save")
    operations = io_of(world.files, MESSAGES.name).operations - before
    lab.spend(operations, "reads and writes of messages.json for a batch of 100")
    lab.expect(
        took_s <= QUICK_S,
        expected=f"a save to take at most {QUICK_S * 1000:.0f} ms: it has a handful of operations "
        "to do, and nothing to wait for",
        actual=f"it took {took_s * 1000:,.0f} ms",
    )


@check(
    "counts",
    asked="A reader with a cache is told of each save: ten batches then cost one read, and ten "
    "writes.",
    why="The store knows what it has just written. If it keeps that to itself, the cache has to "
    "fetch from the disk what was in memory a moment ago, or shows what is no longer true.",
)
async def tells_the_reader(lab: Lab) -> None:
    world = _World(lab, caching=True)
    wanted = list(BEFORE)
    for number in range(10):
        batch = _fresh(10, f"batch{number}")
        await world.save(batch)
        wanted += batch
        expect_messages(await world.history(), wanted, "the history after each batch")
    lab.equal(_reads(world.files), 1, "reads of messages.json")
    lab.equal(_writes(world.files), 10, "writes of messages.json")


@check(
    "interleavings",
    asked="Several saves at the same time lose nothing, and each is one write.",
    why="Two who read the same file, add to it and write it back overwrite each other: the later "
    "one wins, and the other one's messages are gone although their senders were told `saved`.",
)
async def together(lab: Lab) -> None:
    world = _World(lab)
    batches = [_fresh(10, f"sender{number}") for number in range(5)]
    await lab.together(*(world.save(batch) for batch in batches), apart_s=3 * OPERATION_S)
    found = world.on_disk
    ids = {message.id for message in found}
    missing = [message.id for batch in batches for message in batch if message.id not in ids]
    lab.expect(
        not missing,
        expected="all 50 messages of five saves in messages.json",
        actual=f"{len(missing)} are lost, among them {', '.join(missing[:3])}",
    )
    for batch in batches:
        own = [message for message in found if message in batch]
        expect_messages(own, batch, "the messages of one save, in messages.json")
    lab.equal(_writes(world.files), len(batches), "writes of messages.json for five saves")


@check(
    "faults",
    asked="When the disk fails, save raises StorageError, and the history shows none of the batch "
    "that is not on the disk.",
    why="Whoever calls save must know that it failed: it will try again, or tell the senders. And "
    "what people are shown must not vanish with the next restart.",
)
async def all_or_nothing(lab: Lab) -> None:
    for number in range(1, FAULTS_MAX + 1):
        disk = FailingDisk()
        world = _World(lab, caching=True, atomic=True, disk=disk)
        await world.history()
        batch = _fresh(10)
        disk.fail(number, once=True)
        lab.story.tell(f"operation {number} from here will fail")
        failed = await _fails(world, batch)
        struck = disk.seen >= number
        disk.heal()
        if not struck:
            return
        shown = _of(batch, await world.history())
        kept = _of(batch, world.on_disk)
        lab.expect(
            failed or kept == batch,
            expected=f"save to raise StorageError when its operation {number} fails",
            actual=f"it returned, and {len(kept)} of {len(batch)} messages are on the disk",
        )
        lab.expect(
            len(kept) in (0, len(batch)),
            expected="all of the batch on the disk, or nothing of it",
            actual=f"{len(kept)} of {len(batch)} messages",
        )
        lab.expect(
            not shown or kept == batch,
            expected="a history without the messages of a save that has failed",
            actual=f"it shows {len(shown)} messages that are not on the disk",
        )


@check(
    "faults",
    asked="After a failure the same batch can be saved again: then each message is there once.",
    why="A rename can succeed and the sync after it fail: then the batch is in the file although "
    "save has failed. Who tries again, as one must, says everything twice.",
)
async def again(lab: Lab) -> None:
    for number in range(1, FAULTS_MAX + 1):
        disk = FailingDisk()
        world = _World(lab, atomic=True, disk=disk)
        batch = _fresh(10)
        disk.fail(number, once=True)
        lab.story.tell(f"operation {number} from here will fail")
        failed = await _fails(world, batch)
        struck = disk.seen >= number
        disk.heal()
        if failed:
            await world.save(batch)
        after = _fresh(3, "after")
        await world.save(after)
        wanted = [*BEFORE, *batch, *after]
        what = f"messages.json after a failure at operation {number} and a second try"
        expect_messages(world.on_disk, wanted, what)
        if not struck:
            lab.equal(_writes(world.files), 2, "writes of messages.json for two saves")
            return


async def _fails(world: _World, batch: Sequence[Message]) -> bool:
    try:
        await world.save(batch)
    except StorageError:
        return True
    return False


def _fresh(count: int, name: str = "new") -> list[Message]:
    return [Message(f"{name}-{m.id}", *_rest(m)) for m in said(count)]


def _rest(message: Message) -> tuple[str, str, str, str]:
    return message.room_id, message.sender, message.content, message.timestamp


def _of(batch: Sequence[Message], found: object) -> list[Message]:
    return [one for one in found if one in batch] if isinstance(found, list) else []
