"""Checks of `09_journal`: a store that only adds, and survives power cuts and failing disks."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Sequence
from fnmatch import fnmatch

from chatlab.bench.crash.workload import Recording
from chatlab.course.checks import CheckBench, Mismatch, check, ms
from chatlab.course.checks.journal_harness import (
    FIRST,
    JournalHarness,
    StoryRecorder,
    states_of,
    survives,
)
from chatlab.course.checks.messages import by_id, expect_messages, one, said
from chatlab.course.simulation import now
from chatlab.data import journal_format
from chatlab.data.records import ALL_FILES, Message
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.conditions import FailingDisk
from chatlab.disk.counted import OperationKind
from chatlab.disk.memory import SimulatedFiles
from chatlab.errors import StorageError

TAKEN = (*(file.name for file in ALL_FILES), journal_format.segment_name(0), DATABASE)
ALONE_MAX_S = 0.003
SAVE_MAX_S = 0.1
WORKLOAD_SEEDS, TAIL_SEEDS = 4, 24
"""Seeds that share the crash states of one workload, or of one torn tail: each tries a part."""
TROUBLES: dict[str, tuple[str, OperationKind]] = {
    "no space left": ("enospc", "write"),
    "an error at each fsync": ("eio", "fsync"),
}
"""What a disk may have, to its error, and the operations that fail with it."""


@check("examples")
async def keeps(bench: CheckBench) -> None:
    """What was saved comes back, by room, in order, and after a restart, too; a store that was
    never used begins with the messages it is given.

    A store that returns less, or something else, is no store.
    """
    store = await JournalHarness(bench, starting=FIRST, files=bench.files()).start()
    general = [*FIRST, *said(4, content='line one\nline {}, "quoted", é\u2028 \U0001f389')]
    random_room = said(3, "random", sender="bob")
    await store.save(general[2], random_room[0], general[3])
    await store.save(*random_room[1:], *general[4:])
    _check_names(bench, store)
    await _keeps_all(store, general, random_room, "after two saves")
    await _keeps_all(await store.restarted(), general, random_room, "after a restart")
    bench.story.tell("a store that is in use is offered other messages to begin with")
    again = JournalHarness(bench, store.contents)
    await bench.within(1.0, again.store.start(said(1, "general", sender="dave")), "start")
    await again.expect(general, "after a start with other messages to begin with")


async def _keeps_all(
    store: JournalHarness, general: list[Message], random_room: list[Message], when: str
) -> None:
    await store.expect(general, when)
    await store.expect(random_room, when, "random")
    await store.expect([], f"{when}, which nobody has ever used", "nowhere")
    expect_messages(await store.history("general", 2), general[-2:], f"the last 2 {when}")


def _check_names(bench: CheckBench, store: JournalHarness) -> None:
    """`kept_in` must match the store's own files, and no other store's."""
    bench.expect(
        store.own_files,
        f"files that match kept_in, {store.kept_in!r}",
        f"these: {', '.join(store.files.disk.names()) or 'none'}",
    )
    taken = [name for name in TAKEN if fnmatch(name, store.kept_in)]
    matches = f"{store.kept_in!r} matches {', '.join(taken)}"
    bench.expect(not taken, "kept_in to match no file of another store", matches)


@check("counts")
async def append_only(bench: CheckBench) -> None:
    """A save costs the same after 5,000 messages as after none: it writes what is new, and reads
    nothing.

    The rewriting store wrote the whole history for each message. After a year, a message cost
    megabytes.
    """
    files = bench.files()
    store = await JournalHarness(bench, starting=_long_history(), files=files).start()
    before, began_s = files.total(), now()
    new = said(10, sender="bob")
    for message in new:
        await store.save(message)
    cost = files.total() - before
    took_s = (now() - began_s) / len(new)
    expected = f"a save to take at most {ms(SAVE_MAX_S)}, on a disk that takes 1"
    bench.expect(took_s <= SAVE_MAX_S, expected, ms(took_s))
    operations = cost.operations / len(new)
    bench.expect(operations <= 3, "at most 3 reads and writes for a save", f"{operations:,.1f}")
    moved = round((cost.bytes_read + cost.bytes_written) / len(new))
    await (await store.restarted()).expect([*_long_history(), *new], "after a restart")
    bench.spend(moved, "bytes read and written to save one short message after 5,000 others")


@functools.cache
def _long_history() -> tuple[Message, ...]:
    return tuple(said(5_000, sender="carol"))


@check("counts")
async def one_sync(bench: CheckBench) -> None:
    """A batch of 100 messages costs one write and one fsync, and is on the disk when its save
    returns.

    An fsync waits for the disk: milliseconds, where a write to memory takes microseconds. Without
    one, an ack promises what a power cut can take back.
    """
    files = bench.files()
    store = await _warmed_up(bench, files)
    before = files.total()
    await store.save(*said(100))
    cost = files.total() - before
    none = f"none, after {cost.writes} writes"
    bench.expect(cost.fsyncs, "at least one fsync before the save returns", none)
    bench.spend(cost.writes + cost.fsyncs, "writes and fsyncs for a batch of 100 messages")
    await (await store.restarted()).expect(said(100), "after a restart")


@check("counts")
async def group_commit(bench: CheckBench) -> None:
    """Saves that come while another one waits for the disk share the next write and fsync; one that
    comes alone waits for nobody.

    With an fsync for each save, a disk that takes 5 ms ends at 200 messages a second. A timer would
    gather them, too, but each message of a quiet evening would wait for it.
    """
    files = bench.files(steady=True)
    store = await _warmed_up(bench, files)
    bench.story.tell("one message comes alone")
    await bench.within(ALONE_MAX_S, store.store.save(said(1, "alone")), "a save that comes alone")
    await asyncio.sleep(1)
    before = files.total().fsyncs
    people = said(100)
    bench.story.tell("100 saves begin at the same moment")
    await bench.together(*(store.save(message) for message in people))
    fsyncs = files.total().fsyncs - before
    bench.expect(fsyncs, "at least one fsync for 100 saves", "none")
    found = await (await store.restarted()).history()
    expect_messages(by_id(found), people, "after a restart, by id")
    bench.spend(fsyncs, "fsyncs for 100 saves that begin at the same moment")


async def _warmed_up(bench: CheckBench, files: SimulatedFiles) -> JournalHarness:
    """A started store that has saved before."""
    store = await JournalHarness(bench, files=files).start()
    await store.save(*said(1, "warm-up"))
    return store


@check("crash states")
async def torn_tail(bench: CheckBench) -> None:
    """When a crash has left only part of the last record, the store starts, keeps all the others,
    says what it has cut off, and goes on.

    Every crash in the middle of a write leaves such a tail. Nobody was told that this message is
    safe, so it may go. A server that then refuses to start turns a small loss into a big one.
    """
    store = await JournalHarness(bench, starting=FIRST).start()
    kept = [*FIRST, *said(3)]
    await store.save(*kept[2:4])
    await store.save(kept[4])
    before = store.own_files
    last = one("last", content="é")
    await store.save(last)
    name, begin, end = _grown(before, store.own_files)
    data = store.contents
    for size in range(begin + 1 + bench.seed % TAIL_SEEDS, end, TAIL_SEEDS):
        bench.story.tell(f"{name} is left with {size - begin} of the {end - begin} last bytes")
        torn = data[name][:size]
        await _opens(bench, data | {name: torn}, kept, last)
        if size % 4 == 0:
            bench.story.tell("the same, with zeros in place of the rest")
            await _opens(bench, data | {name: torn.ljust(end, b"\0")}, kept, last)


async def _opens(
    bench: CheckBench, contents: dict[str, bytes], kept: Sequence[Message], last: Message
) -> None:
    """A folder with a torn tail must open, and go on."""
    with bench.no_error("a start on a log with a torn tail, to succeed"):
        store = await JournalHarness(bench, contents).start()
        found = await store.history()
        # All but its last byte may be enough to know what was meant.
        whole = found == [*kept, last]
        expect_messages(found, [*kept, last] if whole else kept, "after a start on a torn tail")
        bench.expect(
            whole or store.notes,
            "start to return a sentence that says what was cut off",
            "it cut off a torn tail and returned []",
        )
        await store.save(one("later"))
        again = await store.restarted()
        await again.expect([*found, one("later")], "after one more save and another start")


@check("crash states")
async def power_cut(bench: CheckBench) -> None:
    """Whenever the power fails, every message whose save has returned is there after a restart:
    once, whole and in order.

    An ack that says `synced` is a promise. Whoever got one has closed the laptop and left.
    """
    recorder = StoryRecorder(bench.story)
    files = SimulatedFiles(tell=bench.story.tell, conditions=[recorder])
    store = await JournalHarness(bench, starting=FIRST, files=files).start()
    promise = store.store.promise
    bench.expect(promise == "synced", 'promise to be "synced"', f"it is {promise!r}")
    recorder.note("ready")
    saves = _workload(random.Random(bench.seed // WORKLOAD_SEEDS))
    await _talk(store, recorder, saves)
    recording = Recording(
        ack_means="synced",
        files={},
        steps=recorder.steps,
        messages={message.id: message for batch in saves for message in batch},
        base={message.id: message for message in FIRST},
    )
    for cut, state in states_of(recording, bench.seed % WORKLOAD_SEEDS, WORKLOAD_SEEDS):
        await survives(bench, recorder, recording, cut, state)


async def _talk(store: JournalHarness, recorder: StoryRecorder, saves: list[list[Message]]) -> None:
    """The first save and the last come alone, the others at once."""

    async def save(batch: list[Message]) -> None:
        for message in batch:
            recorder.note("sent", message.id)
        await store.save(*batch)
        for message in batch:
            recorder.note("acked", message.id)

    await save(saves[0])
    await asyncio.gather(*map(save, saves[1:-1]))
    await save(saves[-1])


def _workload(chance: random.Random) -> list[list[Message]]:
    """A few saves, of one to three messages each, in two rooms."""
    count = iter(range(1, 100))
    return [
        [
            one(
                f"sent-{next(count):02d}",
                chance.choice(("general", "random")),
                sender=f"user {sender}",
                content="é!" * chance.randrange(1, 12),
            )
            for _ in range(chance.randrange(1, 4))
        ]
        for sender in range(5)
    ]


@check("faults")
async def after_failure(bench: CheckBench) -> None:
    """When a write or an fsync fails, the save raises StorageError and leaves nothing behind; later
    saves succeed, and a restart finds just what was saved.

    Half a record in the middle of a log hides everything that is written after it. A full disk is
    repaired in a minute; messages that were acked and cannot be read are gone.
    """
    for trouble in TROUBLES:
        for retry in (False, True):
            await _fails_and_goes_on(bench, trouble, retry)
        await _fails_for_many(bench, trouble)


async def _fails_and_goes_on(bench: CheckBench, trouble: str, retry: bool) -> None:
    disk = FailingDisk()
    error, kind = TROUBLES[trouble]
    store = JournalHarness(bench, files=bench.files(conditions=[disk], operation_s=0.0))
    await store.start()
    # A long one first: half of it and the next is no whole record, in whatever form.
    good = one("good", content="good " * 50)
    bad, worse, later = map(one, ("bad", "worse", "later"))
    await store.save(good)
    bench.story.tell(f"from now on, the disk has {trouble}")
    disk.fail(count=None, error=error, kind=kind)
    with bench.fails_with(StorageError, f"a save on a disk with {trouble}"):
        await store.save(bad)
    await store.expect([good], f"after a save that failed ({trouble})")
    with bench.no_error("a start after a save that failed, to succeed"):
        found = await (await JournalHarness(bench, store.contents).start()).history()
    wanted = [good, bad] if found == [good, bad] else [good]  # nobody has cut it off yet
    expect_messages(found, wanted, "after a restart right after the failure")
    with bench.fails_with(StorageError, f"a second save on a disk with {trouble}"):
        await store.save(worse)
    disk.heal()
    tried_again = [bad] if retry else []
    with bench.no_error("saves after the disk is well again, to succeed"):
        for message in (*tried_again, later):
            await store.save(message)
    await store.expect([good, *tried_again, later], "when the disk is well again")
    with bench.no_error("a restart after that, to succeed"):
        again = await store.restarted()
    await again.expect([good, *tried_again, later], "after a restart")


async def _fails_for_many(bench: CheckBench, trouble: str) -> None:
    """Of many saves at once, each must hear what became of its own message."""
    disk = FailingDisk()
    error, kind = TROUBLES[trouble]
    store = await JournalHarness(bench, files=bench.files(conditions=[disk])).start()
    saves = said(12)
    tasks = []
    fails = range(*sorted(bench.chance.sample(range(1, 12), 2)))
    for number, message in enumerate(saves):
        if number in fails:
            disk.fail(count=None, error=error, kind=kind)
        else:
            disk.heal()
        tasks.append(asyncio.create_task(store.save(message)))
        await asyncio.sleep(bench.chance.random() * 0.001)
    disk.heal()
    heard = await asyncio.gather(*tasks, return_exceptions=True)
    for result in heard:
        if result is not None and not isinstance(result, StorageError):
            raise result  # another mistake
    later = one("later")
    with bench.no_error("a save and a restart after the failures, to succeed"):
        await store.save(later)
        again = await store.restarted()
    kept = [message for message, result in zip(saves, heard, strict=True) if result is None]
    found = await again.history()
    what = "after a restart, by id: those whose save has returned"
    expect_messages(by_id(found), by_id([*kept, later]), what)


@check("crash states")
async def damage(bench: CheckBench) -> None:
    """A damaged record in the middle, with whole ones after it, is no torn tail: start raises
    StorageError and changes nothing, or says so and keeps all the others.

    A decaying disk damages what was safe. A store that cuts that off, or reads over it, loses acked
    messages in silence, while the backup is still at hand.
    """
    store = await JournalHarness(bench).start()
    saves = said(6, content="message {} " + "with a long text " * 20)
    for message in saves[:3]:
        await store.save(message)
    before = store.own_files
    await store.save(saves[3])
    name, begin, end = _grown(before, store.own_files)
    for message in saves[4:]:
        await store.save(message)
    await store.close()
    at = begin + round((end - begin) * (0.4 + 0.4 * bench.chance.random()))
    damaged = bytearray(store.contents[name])
    damaged[at] ^= 0x04
    contents = store.contents | {name: bytes(damaged)}
    bench.story.tell(f"one bit of byte {at:,} of {name} changes, in the record of {saves[3].id}")
    again = JournalHarness(bench, contents)
    try:
        await again.start()
    except StorageError:
        same = again.contents == contents
        bench.expect(same, "a start that refuses to change nothing", "it wrote")
        return
    expected = "StorageError from start, or a sentence that says what is damaged"
    bench.expect(again.notes, expected, "start returned [], as if all were well")
    others = [message for message in saves if message is not saves[3]]
    await again.expect(others, f"after start has said {again.notes[0]!r}")


def _grown(before: dict[str, bytes], after: dict[str, bytes]) -> tuple[str, int, int]:
    """Which file has grown, from how many bytes, to how many.

    Raises:
        Mismatch: none has.
    """
    for name, data in after.items():
        begin = len(before.get(name, b""))
        if len(data) > begin:
            return name, begin, len(data)
    raise Mismatch("a file that matches kept_in to have grown by what was saved", "none has")
