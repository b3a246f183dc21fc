"""Checks of `09_journal`: a store that only adds, and survives a power cut."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Sequence
from fnmatch import fnmatch

from chatlab.bench.labs.crash.recording import Recording
from chatlab.chat import journal_format
from chatlab.chat.datafiles import ALL_FILES
from chatlab.chat.errors import StorageError
from chatlab.chat.parts.disk import FileIO
from chatlab.chat.parts.sqlite_database import NAME as DATABASE
from chatlab.chat.protocol import Message
from chatlab.course.checks.base import Lab, Miss, check
from chatlab.course.checks.messages import expect_messages, one, said
from chatlab.course.checks.power import (
    OpenStore,
    StoryRecorder,
    folders_of,
    quiet_files,
    survives,
)
from chatlab.course.checks.troubles import BrokenDisk, FullDisk, Trouble
from chatlab.course.simulation.clock import now
from chatlab.course.simulation.files import SimulatedFiles

WORKLOAD_SEEDS, TAIL_SEEDS = 4, 24
"""Seeds that share the crash states of one workload, or of one torn tail: each tries a part."""
TAKEN = (*(file.name for file in ALL_FILES), journal_format.segment_name(0), DATABASE)
ALONE_MAX_S = 0.003
SAVE_MAX_S = 0.1
FIRST = said(2, "general", sender="carol", content="before {}")


@check(
    "examples",
    asked="What was saved comes back, by room, in order, and after a restart, too; a store that "
    "was never used begins with the messages it is given.",
    why="A store that gives back less, or something else, is none.",
)
async def keeps(lab: Lab) -> None:
    files = lab.files()
    store = await OpenStore(lab, files, FIRST).start()
    general = [*FIRST, *said(4, content='line one\nline {}, "quoted", é\u2028 \U0001f389')]
    random_room = said(3, "random", sender="bob")
    await store.save(general[2], random_room[0], general[3])
    await store.save(*random_room[1:], *general[4:])
    _check_names(lab, store)
    await _keeps_all(store, general, random_room, "after two saves")
    await _keeps_all(await _again(lab, store), general, random_room, "after a restart")
    lab.story.tell("a store that is in use is offered other messages to begin with")
    again = OpenStore(lab, quiet_files(store.files.disk.contents))
    await lab.within(1.0, again.store.start(said(1, "general", sender="dave")), "start")
    await again.expect(general, "after a start with other messages to begin with")


async def _keeps_all(
    store: OpenStore, general: list[Message], random_room: list[Message], when: str
) -> None:
    await store.expect(general, when)
    await store.expect(random_room, when, "random")
    await store.expect([], f"{when}, which nobody has ever used", "nowhere")
    expect_messages(await store.history("general", 2), general[-2:], f"the last 2 {when}")


@check(
    "counts",
    asked="A save costs the same after 5,000 messages as after none: it writes what is new, and "
    "reads nothing.",
    why="The rewriting store wrote all of history for each message. After a year, a message cost "
    "megabytes.",
)
async def append_only(lab: Lab) -> None:
    files = lab.files()
    store = await OpenStore(lab, files, _long_history()).start()
    before, began_s = _io(files), now()
    new = said(10, sender="bob")
    for message in new:
        await store.save(message)
    cost = _io(files) - before
    took_s = (now() - began_s) / len(new)
    lab.expect(
        took_s <= SAVE_MAX_S,
        expected=f"a save to take at most {SAVE_MAX_S * 1000:.0f} ms, on a disk that takes 1",
        actual=f"{took_s * 1000:,.0f} ms",
    )
    lab.expect(
        cost.operations <= 3 * len(new),
        expected="at most 3 reads and writes for a save",
        actual=f"{cost.operations / len(new):,.1f}",
    )
    moved = round((cost.bytes_read + cost.bytes_written) / len(new))
    await (await _again(lab, store)).expect([*_long_history(), *new], "after a restart")
    lab.spend(moved, "bytes read and written to save one short message after 5,000 others")


@check(
    "counts",
    asked="A batch of 100 messages costs one write and one fsync, and is on the disk when its save "
    "returns.",
    why="An fsync waits for the disk: milliseconds, where a write to memory takes microseconds. "
    "Without one, an ack promises what a power cut can take back.",
)
async def one_sync(lab: Lab) -> None:
    files = lab.files()
    store = await OpenStore(lab, files).start()
    await store.save(*said(1, "warm-up"))
    before = _io(files)
    await store.save(*said(100))
    cost = _io(files) - before
    lab.expect(
        cost.fsyncs,
        expected="at least one fsync before the save returns",
        actual=f"none, after {cost.writes} writes",
    )
    lab.spend(cost.writes + cost.fsyncs, "writes and fsyncs for a batch of 100 messages")
    await (await _again(lab, store)).expect(said(100), "after a restart")


@check(
    "counts",
    asked="Saves that come while another one waits for the disk share the next write and fsync; "
    "one that comes alone waits for nobody.",
    why="With an fsync for each, a disk that takes 5 ms ends at 200 messages a second. A timer "
    "would gather them, too, but each message of a quiet evening would wait for it.",
)
async def group_commit(lab: Lab) -> None:
    files = lab.files(steady=True)
    store = await OpenStore(lab, files).start()
    await store.save(*said(1, "warm-up"))
    lab.story.tell("one message comes alone")
    await lab.within(ALONE_MAX_S, store.store.save(said(1, "alone")), "a save that comes alone")
    await asyncio.sleep(1)
    before = _io(files).fsyncs
    people = said(100)
    lab.story.tell("100 saves begin at the same moment")
    await lab.together(*(store.save(message) for message in people))
    fsyncs = _io(files).fsyncs - before
    lab.expect(fsyncs, expected="at least one fsync for 100 saves", actual="none")
    found = await (await _again(lab, store)).history()
    expect_messages(_by_id(found), people, "after a restart, by id")
    lab.spend(fsyncs, "fsyncs for 100 saves that begin at the same moment")


@check(
    "crash states",
    asked="When a crash has left only a part of the last record, the store starts, keeps all the "
    "others, says what it has cut off, and goes on.",
    why="Every crash in the middle of a write leaves such a tail. Nobody was told that it is safe, "
    "so it may go. A server that then refuses to start has turned a small loss into a big one.",
)
async def torn_tail(lab: Lab) -> None:
    store = await OpenStore(lab, quiet_files({}), FIRST).start()
    kept = [*FIRST, *said(3)]
    await store.save(*kept[2:4])
    await store.save(kept[4])
    before = store.own_files
    last = one("last", content="é")
    await store.save(last)
    name, begin, end = _grown(before, store.own_files)
    data = store.files.disk.contents
    for size in range(begin + 1 + lab.seed % TAIL_SEEDS, end, TAIL_SEEDS):
        lab.story.tell(f"{name} is left with {size - begin} of the {end - begin} last bytes")
        torn = data[name][:size]
        await _opens(lab, data | {name: torn}, kept, last)
        if size % 4 == 0:
            lab.story.tell("the same, with zeros in place of the rest")
            await _opens(lab, data | {name: torn.ljust(end, b"\0")}, kept, last)


async def _opens(
    lab: Lab, contents: dict[str, bytes], kept: Sequence[Message], last: Message
) -> None:
    """A folder with a torn tail must open, and go on."""
    with _told_as_miss("a start on a log with a torn tail"):
        store = await OpenStore(lab, quiet_files(contents)).start()
        found = await store.history()
        # All but its last byte may be enough to know what was meant.
        whole = found == [*kept, last]
        expect_messages(found, [*kept, last] if whole else kept, "after a start on a torn tail")
        lab.expect(
            whole or store.notes,
            expected="start to return a sentence that says what was cut off",
            actual="it cut off a torn tail and returned []",
        )
        await store.save(one("later"))
        again = await _again(lab, store)
        await again.expect([*found, one("later")], "after one more save and another start")


@check(
    "crash states",
    asked="Whenever the power fails, every message whose save has returned is there after a "
    "restart: once, whole and in order.",
    why="An ack that says `synced` is a promise. Whoever got one has closed the laptop and gone.",
)
async def power_cut(lab: Lab) -> None:
    recorder = StoryRecorder(lab.story)
    files = SimulatedFiles(story=lab.story, operation_s=0.001, conditions=[recorder])
    store = await OpenStore(lab, files, FIRST).start()
    promise = store.store.promise
    lab.expect(promise == "synced", expected='promise to be "synced"', actual=f"it is {promise!r}")
    recorder.note("ready")
    saves = _workload(random.Random(lab.seed // WORKLOAD_SEEDS))
    await _talk(store, recorder, saves)
    recording = Recording(
        ack_means="synced",
        files={},
        steps=recorder.steps,
        messages={message.id: message for batch in saves for message in batch},
        base={message.id: message for message in FIRST},
    )
    for cut, state in folders_of(recording, lab.seed % WORKLOAD_SEEDS, WORKLOAD_SEEDS):
        await survives(lab, recorder, recording, cut, state)


@check(
    "faults",
    asked="When a write or an fsync fails, the save says so and none of it stays; later saves "
    "succeed, and a restart finds just what was saved.",
    why="Half a record in the middle of a log hides all that is written after it. A full disk is "
    "repaired in a minute; messages that were acked and cannot be read are gone.",
)
async def after_failure(lab: Lab) -> None:
    for trouble in (FullDisk(), BrokenDisk()):
        for retry in (False, True):
            await _fails_and_goes_on(lab, trouble, retry)
        await _fails_for_many(lab, trouble)


async def _fails_and_goes_on(lab: Lab, trouble: Trouble, retry: bool) -> None:
    store = await OpenStore(lab, lab.files(conditions=[trouble], operation_s=0.0)).start()
    # A long one first: half of it and the next is no whole record, in whatever form.
    good, bad, worse, later = (
        one("good", content="good " * 50),
        *map(one, ("bad", "worse", "later")),
    )
    await store.save(good)
    with trouble.on(lab):
        async with lab.fails_with(StorageError, f"a save on a disk with {trouble.words}"):
            await store.save(bad)
        await store.expect([good], f"after a save that failed ({trouble.words})")
        with _told_as_miss("a start after a save that failed"):
            left = await OpenStore(lab, quiet_files(store.files.disk.contents)).start()
            found = await left.history()
        wanted = [good, bad] if found == [good, bad] else [good]  # nobody has cut it off yet
        expect_messages(found, wanted, "after a restart right after the failure")
        async with lab.fails_with(StorageError, f"a second save on a disk with {trouble.words}"):
            await store.save(worse)
    again = [bad] if retry else []
    with _told_as_miss("saves after the disk is well again"):
        for message in (*again, later):
            await store.save(message)
    await store.expect([good, *again, later], "when the disk is well again")
    with _told_as_miss("a restart after that"):
        restarted = await _again(lab, store)
    await restarted.expect([good, *again, later], "after a restart")


async def _fails_for_many(lab: Lab, trouble: Trouble) -> None:
    """Of many saves at once, each must hear what became of its own message."""
    store = await OpenStore(lab, lab.files(conditions=[trouble])).start()
    saves = said(12)
    tasks = []
    fails = range(*sorted(lab.chance.sample(range(1, 12), 2)))
    with trouble.ready():
        for number, message in enumerate(saves):
            trouble.fails = number in fails
            tasks.append(asyncio.create_task(store.save(message)))
            await asyncio.sleep(lab.chance.random() * 0.001)
    heard = await asyncio.gather(*tasks, return_exceptions=True)
    for result in heard:
        if result is not None and not isinstance(result, StorageError):
            raise result  # a mistake of its own
    later = one("later")
    with _told_as_miss("a save and a restart after the failures"):
        await store.save(later)
        restarted = await _again(lab, store)
    kept = [message for message, result in zip(saves, heard, strict=True) if result is None]
    found = await restarted.history()
    what = "after a restart, by id: those whose save has returned"
    expect_messages(_by_id(found), sorted([*kept, later], key=_id), what)


@check(
    "crash states",
    asked="A damaged record in the middle, with whole ones after it, is no torn tail: start raises "
    "StorageError and changes nothing, or says so and keeps all the others.",
    why="A disk that decays damages what was safe. Whoever cuts that off, or reads over it, loses "
    "acked messages in silence, with the backup still at hand.",
)
async def damage(lab: Lab) -> None:
    store = await OpenStore(lab, quiet_files({})).start()
    saves = said(6, content="message {} " + "with a long text " * 20)
    for message in saves[:3]:
        await store.save(message)
    before = store.own_files
    await store.save(saves[3])
    name, begin, end = _grown(before, store.own_files)
    for message in saves[4:]:
        await store.save(message)
    await store.close()
    at = begin + round((end - begin) * (0.4 + 0.4 * lab.chance.random()))
    damaged = bytearray(store.files.disk.contents[name])
    damaged[at] ^= 0x04
    contents = store.files.disk.contents | {name: bytes(damaged)}
    lab.story.tell(f"one bit of byte {at:,} of {name} changes, in the record of {saves[3].id}")
    again = OpenStore(lab, quiet_files(contents))
    try:
        await again.start()
    except StorageError:
        same = again.files.disk.contents == contents
        lab.expect(same, expected="a start that refuses to change nothing", actual="it wrote")
        return
    expected = "StorageError from start, or a sentence that says what is damaged"
    lab.expect(again.notes, expected=expected, actual="start returned [], as if all were well")
    others = [message for message in saves if message is not saves[3]]
    await again.expect(others, f"after start has said {again.notes[0]!r}")


class _told_as_miss:  # noqa: N801 (reads as the function that it is)
    """A StorageError inside is not what was asked for."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        if isinstance(error, StorageError):
            raise Miss(f"{self._what}, to succeed", str(error)) from error


async def _again(lab: Lab, store: OpenStore) -> OpenStore:
    """A fresh store over the same files; the one before does not hear of it, as after a kill."""
    lab.story.tell("the server is killed, and starts again")
    return await OpenStore(lab, quiet_files(store.files.disk.contents)).start()


async def _talk(store: OpenStore, recorder: StoryRecorder, saves: list[list[Message]]) -> None:
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


@functools.cache
def _long_history() -> tuple[Message, ...]:
    return tuple(said(5_000, sender="carol"))


def _check_names(lab: Lab, store: OpenStore) -> None:
    """`kept_in` must match the store's own files, and no other store's."""
    lab.expect(
        store.own_files,
        expected=f"files that match kept_in, {store.kept_in!r}",
        actual=f"these: {', '.join(store.files.disk.names()) or 'none'}",
    )
    taken = [name for name in TAKEN if fnmatch(name, store.kept_in)]
    lab.expect(
        not taken,
        expected="kept_in to match no file of another store",
        actual=f"{store.kept_in!r} matches {', '.join(taken)}",
    )


def _id(message: Message) -> str:
    return message.id


def _by_id(found: object) -> object:
    """Messages whose order nobody has promised, in an order; anything else as it is."""
    if isinstance(found, list) and all(isinstance(one, Message) for one in found):
        return sorted(found, key=_id)
    return found


def _io(files: SimulatedFiles) -> FileIO:
    """What all files together have cost so far."""
    return sum(files.statistics().values(), FileIO())


def _grown(before: dict[str, bytes], after: dict[str, bytes]) -> tuple[str, int, int]:
    """Which file has grown, from how many bytes, to how many.

    Raises:
        Miss: none has.
    """
    for name, data in after.items():
        begin = len(before.get(name, b""))
        if len(data) > begin:
            return name, begin, len(data)
    raise Miss("a file that matches kept_in to have grown by what was saved", "none has")
