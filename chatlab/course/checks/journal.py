"""Checks of `09_journal`: a store that only adds, and survives a power cut.

What becomes of it when the power or the disk fails is asked in `journal_crashes.py`.
"""

from __future__ import annotations

import asyncio
import functools
from fnmatch import fnmatch

from chatlab.course.checks import CheckBench, check
from chatlab.course.checks.journal_crashes import after_failure, damage, power_cut, torn_tail
from chatlab.course.checks.messages import by_id, expect_messages, said
from chatlab.course.checks.power import FIRST, JournalHarness, quiet_files, restarted
from chatlab.course.simulation import now
from chatlab.data import journal_format
from chatlab.data.records import ALL_FILES, Message
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import FileIO
from chatlab.disk.memory import SimulatedFiles

__all__ = [
    "after_failure",
    "append_only",
    "damage",
    "group_commit",
    "keeps",
    "one_sync",
    "power_cut",
    "torn_tail",
]

TAKEN = (*(file.name for file in ALL_FILES), journal_format.segment_name(0), DATABASE)
ALONE_MAX_S = 0.003
SAVE_MAX_S = 0.1


@check(
    "examples",
    asked="What was saved comes back, by room, in order, and after a restart, too; a store that "
    "was never used begins with the messages it is given.",
    why="A store that gives back less, or something else, is none.",
)
async def keeps(bench: CheckBench) -> None:
    files = bench.files()
    store = await JournalHarness(bench, files, FIRST).start()
    general = [*FIRST, *said(4, content='line one\nline {}, "quoted", é\u2028 \U0001f389')]
    random_room = said(3, "random", sender="bob")
    await store.save(general[2], random_room[0], general[3])
    await store.save(*random_room[1:], *general[4:])
    _check_names(bench, store)
    await _keeps_all(store, general, random_room, "after two saves")
    await _keeps_all(await restarted(bench, store), general, random_room, "after a restart")
    bench.story.tell("a store that is in use is offered other messages to begin with")
    again = JournalHarness(bench, quiet_files(store.files.disk.contents))
    await bench.within(1.0, again.store.start(said(1, "general", sender="dave")), "start")
    await again.expect(general, "after a start with other messages to begin with")


async def _keeps_all(
    store: JournalHarness, general: list[Message], random_room: list[Message], when: str
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
async def append_only(bench: CheckBench) -> None:
    files = bench.files()
    store = await JournalHarness(bench, files, _long_history()).start()
    before, began_s = _io(files), now()
    new = said(10, sender="bob")
    for message in new:
        await store.save(message)
    cost = _io(files) - before
    took_s = (now() - began_s) / len(new)
    bench.expect(
        took_s <= SAVE_MAX_S,
        expected=f"a save to take at most {SAVE_MAX_S * 1000:.0f} ms, on a disk that takes 1",
        actual=f"{took_s * 1000:,.0f} ms",
    )
    bench.expect(
        cost.operations <= 3 * len(new),
        expected="at most 3 reads and writes for a save",
        actual=f"{cost.operations / len(new):,.1f}",
    )
    moved = round((cost.bytes_read + cost.bytes_written) / len(new))
    await (await restarted(bench, store)).expect([*_long_history(), *new], "after a restart")
    bench.spend(moved, "bytes read and written to save one short message after 5,000 others")


@check(
    "counts",
    asked="A batch of 100 messages costs one write and one fsync, and is on the disk when its save "
    "returns.",
    why="An fsync waits for the disk: milliseconds, where a write to memory takes microseconds. "
    "Without one, an ack promises what a power cut can take back.",
)
async def one_sync(bench: CheckBench) -> None:
    files = bench.files()
    store = await JournalHarness(bench, files).start()
    await store.save(*said(1, "warm-up"))
    before = _io(files)
    await store.save(*said(100))
    cost = _io(files) - before
    bench.expect(
        cost.fsyncs,
        expected="at least one fsync before the save returns",
        actual=f"none, after {cost.writes} writes",
    )
    bench.spend(cost.writes + cost.fsyncs, "writes and fsyncs for a batch of 100 messages")
    await (await restarted(bench, store)).expect(said(100), "after a restart")


@check(
    "counts",
    asked="Saves that come while another one waits for the disk share the next write and fsync; "
    "one that comes alone waits for nobody.",
    why="With an fsync for each, a disk that takes 5 ms ends at 200 messages a second. A timer "
    "would gather them, too, but each message of a quiet evening would wait for it.",
)
async def group_commit(bench: CheckBench) -> None:
    files = bench.files(steady=True)
    store = await JournalHarness(bench, files).start()
    await store.save(*said(1, "warm-up"))
    bench.story.tell("one message comes alone")
    await bench.within(ALONE_MAX_S, store.store.save(said(1, "alone")), "a save that comes alone")
    await asyncio.sleep(1)
    before = _io(files).fsyncs
    people = said(100)
    bench.story.tell("100 saves begin at the same moment")
    await bench.together(*(store.save(message) for message in people))
    fsyncs = _io(files).fsyncs - before
    bench.expect(fsyncs, expected="at least one fsync for 100 saves", actual="none")
    found = await (await restarted(bench, store)).history()
    expect_messages(by_id(found), people, "after a restart, by id")
    bench.spend(fsyncs, "fsyncs for 100 saves that begin at the same moment")


@functools.cache
def _long_history() -> tuple[Message, ...]:
    return tuple(said(5_000, sender="carol"))


def _check_names(bench: CheckBench, store: JournalHarness) -> None:
    """`kept_in` must match the store's own files, and no other store's."""
    bench.expect(
        store.own_files,
        expected=f"files that match kept_in, {store.kept_in!r}",
        actual=f"these: {', '.join(store.files.disk.names()) or 'none'}",
    )
    taken = [name for name in TAKEN if fnmatch(name, store.kept_in)]
    bench.expect(
        not taken,
        expected="kept_in to match no file of another store",
        actual=f"{store.kept_in!r} matches {', '.join(taken)}",
    )


def _io(files: SimulatedFiles) -> FileIO:
    """What all files together have cost so far."""
    return sum(files.statistics().values(), FileIO())
