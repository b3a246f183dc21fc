"""Stores: one contract for all of them, and a comparison with a list in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatlab.chat.parts.lock.none import NoLock
from chatlab.chat.parts.lock.per_file import PerFileLock
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.parts.store.journal import JournalStore
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.store.sqlite import SqliteStore
from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.counted import FOLDER, FileIO
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import every, fill, ids, message
from tests.support.served_store import BETTER, PLAIN, ServedStore, quick_folder, without_messages
from tests.support.virtual_clock import run, settle

EVERY = pytest.mark.parametrize("part", every("store"))


@pytest.fixture(params=[PLAIN, BETTER], ids=["plain", "better"])
async def served(
    part: type[Store], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[ServedStore]:
    """A store that has started on a fresh folder, with plain or with better company."""
    async with ServedStore(part, fill(tmp_path / "data"), company=request.param) as made:
        yield made


# The contract of every store.


@EVERY
async def test_a_batch_comes_after_those_saved_before_also_for_a_fresh_store(served) -> None:
    await served.save(5, 3)
    await served.save()
    await served.save(4)
    await served.holds(5, 3, 4)
    await served.reopen()
    await served.save(1, 2)

    await served.holds(5, 3, 4, 1, 2)
    assert served.store.promise in ACK_LEVELS


@EVERY
async def test_the_history_is_the_last_messages_of_a_room_oldest_first(served: ServedStore) -> None:
    await served.store.save([message(n, ("general", "other")[n % 2]) for n in range(8)])

    assert ids(await served.store.history("general", 3)) == ["m-000002", "m-000004", "m-000006"]
    assert ids(await served.store.history("other", 1)) == ["m-000007"]
    assert await served.store.history("nowhere", 10) == []


@EVERY
async def test_any_text_comes_back_as_it_was(served: ServedStore) -> None:
    texts = ["", '\x00\x1f\u2028"\\/', "\U0001f386 Frohes Neues", "a\nb\r\n", "x" * 4_000]
    batch = [Message(f"m{n}", "general", "alice", text, "2026") for n, text in enumerate(texts)]
    await served.store.save(batch)
    await served.reopen()

    assert await served.store.history("general", 10) == batch


@EVERY
async def test_saves_at_the_same_time_are_kept_whole_and_in_the_order_of_asking(served) -> None:
    served.files.gate = asyncio.Event()
    together = asyncio.gather(*(served.save(n, n + 1) for n in range(0, 40, 2)))
    await asyncio.sleep(0)
    served.files.gate.set()
    await together

    await served.holds(*range(40))


@EVERY
async def test_whoever_reads_during_a_save_sees_whole_batches(served: ServedStore) -> None:
    await served.save(1)
    served.files.go_on.clear()
    saving = asyncio.create_task(served.save(2, 3))
    await settle()
    reading = asyncio.create_task(served.store.history("general", 10))
    await settle()
    served.files.go_on.set()
    await saving

    assert len(await reading) in (1, 3)
    await served.holds(1, 2, 3)


@EVERY
async def test_a_failed_save_says_so_and_saving_again_keeps_one_of_each(served) -> None:
    await served.save(1)
    served.disk.fail(count=None, which=lambda operation: operation.kind != "read")
    for _ in range(3):
        await served.refuses(2, 3)
    served.disk.heal()
    await served.save(2, 3)
    await served.reopen()

    await served.holds(1, 2, 3)


@EVERY
async def test_a_disk_that_cannot_be_read_is_a_storage_error(served: ServedStore) -> None:
    await served.save(1)
    await served.reopen()
    if served.part is SqliteStore:  # which has just read all of it
        served.store._database._connection.pragma("shrink_memory")
    served.disk.fail(count=None, kind="read")
    with pytest.raises(StorageError, match=r"cannot read .*: Input/output error"):
        await served.store.history("general", 10)
    served.disk.heal()

    await served.holds(1)


# The beginning of a store that keeps its messages elsewhere than in messages.json.

TAKES_OVER = pytest.mark.parametrize("part", [JournalStore, SqliteStore])


@TAKES_OVER
async def test_a_new_store_takes_over_messages_json_and_says_so(part, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", [message(n) for n in range(12)])
    before = (folder / MESSAGES.name).read_bytes()
    served = ServedStore(part, folder, segment_bytes_max=600)
    await served.start([message(99)])

    (note,) = served.notes
    assert note.startswith("took 12 messages from messages.json into a new ")
    await served.holds(*range(12))
    assert (folder / MESSAGES.name).read_bytes() == before
    await served.reopen()
    assert served.notes == []
    await served.holds(*range(12))
    await served.store.close()


@TAKES_OVER
async def test_a_corrupt_messages_json_is_not_taken_over(part, tmp_path: Path) -> None:
    (fill(tmp_path) / MESSAGES.name).write_bytes(b'[{"id": "half')

    await ServedStore(part, tmp_path).starts_not("messages.json")


@TAKES_OVER
@pytest.mark.parametrize("from_json", [True, False])
def test_a_filling_that_fails_anywhere_is_begun_anew(part, from_json, monkeypatch) -> None:
    """Every operation of the start fails once; the next start has all messages, once."""
    monkeypatch.setattr("chatlab.chat.parts.storage_seams.FILL_AT_ONCE", 2)
    monkeypatch.setattr("chatlab.data.sqlite_database.FILL_AT_ONCE", 2)
    messages = [message(n) for n in range(12)]
    kept_in = {"users.json", "chatrooms.json", *(["messages.json"] if from_json else [])}
    reasons = set()

    async def fails_at(nth: int, folder: Path) -> bool:
        fill(folder, messages if from_json else [])
        served = ServedStore(part, folder, segment_bytes_max=600)
        if not from_json:
            without_messages(folder)
        error = "eio" if nth % 2 else "enospc"
        served.disk.fail(nth, error=error, which=lambda operation: operation.kind != "read")
        try:
            await served.start(messages)
        except StorageError as refused:
            reasons.add(refused.reason)
            # What the data folder gives again as long as there is no such store.
            found = (folder / "messages.sqlite").exists()
            await served.restart(() if found else messages)
        else:  # of what it took over, it says so
            assert bool(served.notes) == from_json
        served.disk.heal()
        await served.holds(*range(12))
        await served.kill()
        await served.holds(*range(12))
        await served.store.close()
        left = {name for name in served.content if not name.startswith("journal-0")}
        assert left - {"messages.sqlite"} == kept_in
        assert read_saved(served.folder).damaged == 0
        return served.disk.failed > 0

    nth = 1
    with quick_folder() as place:
        while run(fails_at(nth, Path(place) / str(nth))):
            nth += 1
    assert nth > 12
    assert reasons == {"Input/output error", "No space left on device"}


# In doubt: a save that failed, yet may have reached the file.


IN_DOUBT = StorageError("fsync", FOLDER, "lost")


@pytest.fixture(params=[DirectReader, TTLReader])
def doubtful(tmp_path: Path, request: pytest.FixtureRequest) -> ServedStore:
    """A rewriting store whose cache trusts nothing: each save sees what is in the file."""
    company = (request.param, AtomicWriter, PerFileLock)
    return ServedStore(RewriteStore, fill(tmp_path), company=company, cache_ttl_s=0)


async def saves_in_doubt(served: ServedStore, error: Exception, *numbers: int) -> None:
    """A save that replaces the file, and fails then, at the sync of the folder."""

    async def fails() -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(served.files, "fsync_folder", fails)
        await served.save(*numbers)


@pytest.mark.parametrize(
    ("refused", "saved", "kept"),
    [
        ([[2, 3], [2, 3]], [2, 3], [1, 2, 3]),  # tried again: not doubled
        ([[2]], [3], [1, 3]),  # given up: gone after the next save
        ([[2], [3], [4]], [3, 9], [1, 3, 9]),
    ],
)
@pytest.mark.parametrize("error", [IN_DOUBT, RuntimeError("a bug in a writer")])
async def test_a_refused_batch_counts_once_saved(doubtful, refused, saved, kept, error) -> None:
    await doubtful.save(1)
    for numbers in refused:
        await saves_in_doubt(doubtful, error, *numbers)
        assert read_saved(doubtful.folder).messages == [message(n) for n in [1, *numbers]]
    await doubtful.save(*saved)
    await doubtful.holds(*kept)


async def test_what_is_in_doubt_is_bounded(doubtful, monkeypatch) -> None:
    monkeypatch.setattr("chatlab.chat.parts.store.rewrite.IN_DOUBT_MAX", 5)
    for n in range(20):
        await saves_in_doubt(doubtful, IN_DOUBT, n)

    assert len(doubtful.store._in_doubt) == 5


# The store of the origin.


def rewriting(folder: Path, company=PLAIN) -> ServedStore:
    return ServedStore(RewriteStore, fill(folder), company=company)


async def test_rewrite_reads_and_writes_all_of_the_history_for_each_save(tmp_path: Path) -> None:
    served, sizes = rewriting(tmp_path), []
    for n in range(3):
        sizes.append((tmp_path / MESSAGES.name).stat().st_size)
        await served.save(*[n] * (1 + 99 * n))  # a batch costs as many as one message
    size = (tmp_path / MESSAGES.name).stat().st_size
    io = served.files.statistics()[MESSAGES.name]

    assert (io.reads, io.writes) == (3, 3)
    assert io.bytes_read == sum(sizes)
    assert io.bytes_written == sum(sizes[1:]) + size


async def test_rewrite_behind_a_cache_reads_once(tmp_path: Path) -> None:
    served = rewriting(tmp_path, BETTER)
    for n in range(5):
        await served.save(n)

    assert served.files.statistics()[MESSAGES.name].reads == 1
    assert served.files.statistics()[FOLDER] == FileIO(fsyncs=5)


async def test_rewrite_never_writes_over_a_corrupt_file(tmp_path: Path) -> None:
    served = rewriting(tmp_path)
    (tmp_path / MESSAGES.name).write_bytes(b'[{"id": "half')
    await served.refuses(1, words="cannot understand messages.json")

    assert (tmp_path / MESSAGES.name).read_bytes() == b'[{"id": "half'


async def test_rewrite_without_a_lock_loses_an_update_and_shows_a_torn_file(tmp_path: Path) -> None:
    served = rewriting(tmp_path, (DirectReader, TruncateWriter, NoLock))
    served.files.gate = asyncio.Event()
    saves = [asyncio.create_task(served.save(n)) for n in (1, 2)]
    await settle()  # both have read the same history
    served.files.gate.set()
    await asyncio.gather(*saves)
    assert len(await served.store.history("general", 10)) == 1

    served.files.go_on.clear()
    saving = asyncio.create_task(served.save(3))
    await settle()
    with pytest.raises(CorruptFile):
        await served.store.history("general", 10)
    served.files.go_on.set()
    await saving


# Every store, compared with a list, on a disk that fails, by servers that are killed.

ROOMS = ("general", "other", "staff")
SAVED = [message(n, ROOMS[n % 3]) for n in range(7)]

FAULTS = st.fixed_dictionaries(
    {
        "first": st.sampled_from([1, 1, 2, 2, 3, 4, 5, 6, 8, 11, 15]),
        "count": st.sampled_from([1, 1, 3]),
        "error": st.sampled_from(["eio", "enospc"]),
    }
)
CRASHES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(ROOMS), min_size=1, max_size=5),
        st.none() | FAULTS,  # of which operation from the beginning of the save on
        st.booleans(),  # whether a failed batch is tried again
        st.sampled_from(["goes on", "is killed", "stops", "stops and compresses", "stops"]),
        st.none() | FAULTS,  # ... of the next start
    ),
    max_size=12,
)


@EVERY
@settings(max_examples=40, deadline=None)
@given(
    steps=CRASHES,
    first_fault=st.none() | FAULTS,
    segment_bytes_max=st.just(600) | st.integers(1, 2_000),
    block_bytes=st.sampled_from([1, 100, 500, 64 * 1024]),
    log_pages_max=st.sampled_from([4, 2_000]),
)
def test_what_was_saved_survives_crashes(part, steps, first_fault, block_bytes, **knobs) -> None:
    with quick_folder() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatlab.data.journal_segments.BLOCK_BYTES", block_bytes)
        served = ServedStore(part, fill(Path(place) / "data", SAVED), **knobs)
        run(compare_through_crashes(served, steps, first_fault))


@settings(max_examples=30, deadline=None)
@given(steps=CRASHES)
def test_the_plain_rewriting_store_keeps_what_was_saved_while_no_write_is_torn(steps) -> None:
    def before_the_write(fault):  # at the read, or where the file is cut to nothing
        return fault and {"first": 1 + fault["first"] % 2}

    with quick_folder() as place:
        served = ServedStore(RewriteStore, fill(Path(place) / "data", SAVED), company=PLAIN)
        mild = [(rooms, before_the_write(fault), *rest) for rooms, fault, *rest in steps]
        run(compare_through_crashes(served, mild, None))


async def compare_through_crashes(served: ServedStore, steps, first_fault) -> None:
    """Everything that was saved is there, once and in order, whatever fails.

    Of what was refused since the last save that succeeded, this may be seen, and nothing else:

    - While the server goes on, nothing; of the rewriting store, one whole refused batch: its file
      was replaced, and only then a sync failed. The next save takes it out.
    - After a kill, one of the refused batches, or its beginning: it was on its way when it failed,
      and nobody was left to take it back. It then counts as saved, and must stay.
    - After a stop in good order, nothing; of the rewriting store, the same as after a kill: it has
      no step at its end in which it could take anything back.
    """
    saved, refused, part = list(SAVED), [], served.part
    count = len(saved)
    await start(served, first_fault)
    await seen(served.store, saved, [])
    for rooms, fault, tries_again, server, start_fault in steps:
        batch = [message(count + n, room) for n, room in enumerate(rooms)]
        count += len(batch)
        if fault is not None:
            served.disk.fail(**fault)
        if await is_saved(served.store, batch) or (
            tries_again and await is_saved(served.store, batch)
        ):
            saved, refused = saved + batch, []
        else:
            refused.append(batch)
        await settle()  # what is compressed beside the saving has its turn, and fails, too
        served.disk.heal()
        await seen(served.store, saved, refused if part is RewriteStore else [])
        if server == "goes on":
            continue
        possible = [one[:size] for one in refused for size in range(1, len(one) + 1)]
        before = served.store
        if server == "stops and compresses":  # from now on, or no longer
            served.set(compress_segments=not served.settings.compress_segments)
        if server == "is killed":  # the next server gets a copy, the killed one's handles stay open
            served.folder = served.killed()
        elif part is not RewriteStore:
            possible = []
        await before.close()  # of a killed one, in the folder where nobody looks any more
        served.renew()
        await start(served, start_fault)
        saved, refused = saved + await seen(served.store, saved, possible), []
    await served.store.close()
    kept = read_saved(served.folder)
    assert kept.damaged == 0
    assert kept.messages in [saved, *(saved + one for one in refused if part is RewriteStore)]


async def start(served: ServedStore, fault) -> None:
    """Start a store that may fail; one that cannot start is started once more."""
    if fault is not None:
        served.disk.fail(**fault)
    try:
        await served.start()
    except StorageError:
        served.disk.heal()
        await served.restart()
    served.disk.heal()


async def is_saved(store: Store, batch: list[Message]) -> bool:
    try:
        await store.save(batch)
    except StorageError:
        return False
    return True


async def seen(store: Store, saved: list[Message], possible: list[list[Message]]) -> list[Message]:
    """What the history shows beyond what was saved: nothing, or one of what is possible."""
    shown = {room: await store.history(room, 999) for room in ROOMS}
    for more in [[], *possible]:
        if all(
            shown[room] == [one for one in saved + more if one.room_id == room] for room in ROOMS
        ):
            return more
    raise AssertionError(f"{shown} is not {saved}, alone or with one of {possible}")
