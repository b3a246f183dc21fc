"""Checks of `09_journal`, continued: what becomes of the log when the power or the disk fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from chatlab.bench.crash.workload import Recording
from chatlab.course.checks import CheckBench, Mismatch, check
from chatlab.course.checks.messages import by_id, expect_messages, one, said
from chatlab.course.checks.power import (
    FIRST,
    JournalHarness,
    StoryRecorder,
    folders_of,
    must_succeed,
    quiet_files,
    restarted,
    survives,
)
from chatlab.course.checks.troubles import BrokenDisk, FullDisk, Trouble
from chatlab.data.records import Message
from chatlab.disk.memory import SimulatedFiles
from chatlab.errors import StorageError

WORKLOAD_SEEDS, TAIL_SEEDS = 4, 24
"""Seeds that share the crash states of one workload, or of one torn tail: each tries a part."""


@check(
    "crash states",
    asked="When a crash has left only a part of the last record, the store starts, keeps all the "
    "others, says what it has cut off, and goes on.",
    why="Every crash in the middle of a write leaves such a tail. Nobody was told that it is safe, "
    "so it may go. A server that then refuses to start has turned a small loss into a big one.",
)
async def torn_tail(bench: CheckBench) -> None:
    store = await JournalHarness(bench, quiet_files({}), FIRST).start()
    kept = [*FIRST, *said(3)]
    await store.save(*kept[2:4])
    await store.save(kept[4])
    before = store.own_files
    last = one("last", content="é")
    await store.save(last)
    name, begin, end = _grown(before, store.own_files)
    data = store.files.disk.contents
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
    with must_succeed("a start on a log with a torn tail"):
        store = await JournalHarness(bench, quiet_files(contents)).start()
        found = await store.history()
        # All but its last byte may be enough to know what was meant.
        whole = found == [*kept, last]
        expect_messages(found, [*kept, last] if whole else kept, "after a start on a torn tail")
        bench.expect(
            whole or store.notes,
            expected="start to return a sentence that says what was cut off",
            actual="it cut off a torn tail and returned []",
        )
        await store.save(one("later"))
        again = await restarted(bench, store)
        await again.expect([*found, one("later")], "after one more save and another start")


@check(
    "crash states",
    asked="Whenever the power fails, every message whose save has returned is there after a "
    "restart: once, whole and in order.",
    why="An ack that says `synced` is a promise. Whoever got one has closed the laptop and gone.",
)
async def power_cut(bench: CheckBench) -> None:
    recorder = StoryRecorder(bench.story)
    files = SimulatedFiles(tell=bench.story.tell, operation_s=0.001, conditions=[recorder])
    store = await JournalHarness(bench, files, FIRST).start()
    promise = store.store.promise
    bench.expect(
        promise == "synced", expected='promise to be "synced"', actual=f"it is {promise!r}"
    )
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
    for cut, state in folders_of(recording, bench.seed % WORKLOAD_SEEDS, WORKLOAD_SEEDS):
        await survives(bench, recorder, recording, cut, state)


@check(
    "faults",
    asked="When a write or an fsync fails, the save says so and none of it stays; later saves "
    "succeed, and a restart finds just what was saved.",
    why="Half a record in the middle of a log hides all that is written after it. A full disk is "
    "repaired in a minute; messages that were acked and cannot be read are gone.",
)
async def after_failure(bench: CheckBench) -> None:
    for trouble in (FullDisk(), BrokenDisk()):
        for retry in (False, True):
            await _fails_and_goes_on(bench, trouble, retry)
        await _fails_for_many(bench, trouble)


async def _fails_and_goes_on(bench: CheckBench, trouble: Trouble, retry: bool) -> None:
    store = await JournalHarness(bench, bench.files(conditions=[trouble], operation_s=0.0)).start()
    # A long one first: half of it and the next is no whole record, in whatever form.
    good = one("good", content="good " * 50)
    bad, worse, later = map(one, ("bad", "worse", "later"))
    await store.save(good)
    with trouble.on(bench):
        async with bench.fails_with(StorageError, f"a save on a disk with {trouble.words}"):
            await store.save(bad)
        await store.expect([good], f"after a save that failed ({trouble.words})")
        with must_succeed("a start after a save that failed"):
            left = await JournalHarness(bench, quiet_files(store.files.disk.contents)).start()
            found = await left.history()
        wanted = [good, bad] if found == [good, bad] else [good]  # nobody has cut it off yet
        expect_messages(found, wanted, "after a restart right after the failure")
        async with bench.fails_with(StorageError, f"a second save on a disk with {trouble.words}"):
            await store.save(worse)
    tried_again = [bad] if retry else []
    with must_succeed("saves after the disk is well again"):
        for message in (*tried_again, later):
            await store.save(message)
    await store.expect([good, *tried_again, later], "when the disk is well again")
    with must_succeed("a restart after that"):
        again = await restarted(bench, store)
    await again.expect([good, *tried_again, later], "after a restart")


async def _fails_for_many(bench: CheckBench, trouble: Trouble) -> None:
    """Of many saves at once, each must hear what became of its own message."""
    store = await JournalHarness(bench, bench.files(conditions=[trouble])).start()
    saves = said(12)
    tasks = []
    fails = range(*sorted(bench.chance.sample(range(1, 12), 2)))
    with trouble.ready():
        for number, message in enumerate(saves):
            trouble.fails = number in fails
            tasks.append(asyncio.create_task(store.save(message)))
            await asyncio.sleep(bench.chance.random() * 0.001)
    heard = await asyncio.gather(*tasks, return_exceptions=True)
    for result in heard:
        if result is not None and not isinstance(result, StorageError):
            raise result  # a mistake of its own
    later = one("later")
    with must_succeed("a save and a restart after the failures"):
        await store.save(later)
        again = await restarted(bench, store)
    kept = [message for message, result in zip(saves, heard, strict=True) if result is None]
    found = await again.history()
    what = "after a restart, by id: those whose save has returned"
    expect_messages(by_id(found), by_id([*kept, later]), what)


@check(
    "crash states",
    asked="A damaged record in the middle, with whole ones after it, is no torn tail: start raises "
    "StorageError and changes nothing, or says so and keeps all the others.",
    why="A disk that decays damages what was safe. Whoever cuts that off, or reads over it, loses "
    "acked messages in silence, with the backup still at hand.",
)
async def damage(bench: CheckBench) -> None:
    store = await JournalHarness(bench, quiet_files({})).start()
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
    damaged = bytearray(store.files.disk.contents[name])
    damaged[at] ^= 0x04
    contents = store.files.disk.contents | {name: bytes(damaged)}
    bench.story.tell(f"one bit of byte {at:,} of {name} changes, in the record of {saves[3].id}")
    again = JournalHarness(bench, quiet_files(contents))
    try:
        await again.start()
    except StorageError:
        same = again.files.disk.contents == contents
        bench.expect(same, expected="a start that refuses to change nothing", actual="it wrote")
        return
    expected = "StorageError from start, or a sentence that says what is damaged"
    bench.expect(again.notes, expected=expected, actual="start returned [], as if all were well")
    others = [message for message in saves if message is not saves[3]]
    await again.expect(others, f"after start has said {again.notes[0]!r}")


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
            Message(
                id=f"sent-{next(count):02d}",
                room_id=chance.choice(("general", "random")),
                sender=f"user {sender}",
                content="é!" * chance.randrange(1, 12),
                timestamp="2026-01-01T00:00:00Z",
            )
            for _ in range(chance.randrange(1, 4))
        ]
        for sender in range(5)
    ]


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
