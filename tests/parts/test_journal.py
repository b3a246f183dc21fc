"""The journal: nothing acked is lost, nothing refused comes back, and little is read.

What holds for every store stands in `test_stores.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatlab.chat.parts.store.journal import AHEAD, BEHIND, LONG_MESSAGE, JournalStore
from chatlab.chat.settings import Settings
from chatlab.data import journal_format as form
from chatlab.data.journal_format import FILLING
from chatlab.data.readers import read_saved
from chatlab.data.records import Message
from chatlab.disk.counted import FOLDER, Operation
from chatlab.disk.files import to_the_end
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import fill, ids, message
from tests.support.served_store import ServedStore, without_messages
from tests.support.virtual_clock import settle

LARGE = Settings().segment_bytes_max
TINY = 600
"""Bytes of a segment: room for three or four messages."""


class Journal(ServedStore):
    """A journal over a folder, as servers that come and go have it."""

    def __init__(self, folder: Path, **knobs: int | bool) -> None:
        super().__init__(JournalStore, folder, **knobs)

    @property
    def segments(self) -> list[Path]:
        return sorted(self.folder.glob(form.PATTERN))


@pytest.fixture
async def journal(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    """An empty one, with segments of the size that the test is parametrized with."""
    size = getattr(request, "param", LARGE)
    folder = without_messages(fill(tmp_path / "data"))
    async with Journal(folder, segment_bytes_max=size) as made:
        yield made


IN_TINY_SEGMENTS = pytest.mark.parametrize("journal", [TINY], indirect=True)


# A torn tail.


async def test_a_torn_tail_is_cut_and_said(journal: Journal) -> None:
    await journal.save(1, 2)
    size = journal.segments[0].stat().st_size
    await journal.save(3)
    whole = journal.segments[0].read_bytes()
    await journal.store.close()
    for end in [size + 1, size + 9, *range(size + 10, len(whole), 17), len(whole) - 1]:
        journal.segments[0].write_bytes(whole[:end])
        await journal.restart()
        await journal.holds(1, 2)
        assert journal.segments[0].stat().st_size == size
        (note,) = journal.notes
        assert f"cut {end - size:,} bytes" in note
        assert journal.segments[0].name in note
        await journal.store.close()
    await journal.restart()
    await journal.save(4)
    await journal.kill()

    assert journal.notes == []
    await journal.holds(1, 2, 4)


async def test_whole_lines_that_a_kill_left_are_put_on_the_disk_before_they_count(journal) -> None:
    await journal.save(1)
    await journal.kill()
    done = journal.done[-3:]
    await journal.save(2)

    name = journal.segments[0].name
    assert done == [("truncate", name), ("fsync", name), ("fsync", FOLDER)]
    await journal.holds(1, 2)


# Decay.


async def test_a_flipped_bit_in_a_synced_batch_stops_the_start(journal: Journal) -> None:
    await journal.save(1, 2)
    safe = journal.segments[0].stat().st_size
    await journal.save(3)
    await journal.store.close()
    whole = journal.segments[0].read_bytes()
    for at in [*range(0, safe, 7), safe - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        journal.segments[0].write_bytes(damaged)
        await journal.starts_not("cannot understand journal-0")


@IN_TINY_SEGMENTS
async def test_decay_in_an_earlier_segment_is_told_by_a_history_that_needs_it(journal) -> None:
    await journal.save(1, room="other")
    for n in range(2, 12):
        await journal.save(n)
    first = journal.segments[0]
    first.write_bytes(first.read_bytes().replace(b'"text 1"', b'"text X"'))
    await journal.reopen()

    assert ids(await journal.store.history("general", 2)) == ["m-000010", "m-000011"]
    with pytest.raises(CorruptFile, match=first.name):
        await journal.store.history("other", 1)


@pytest.mark.parametrize("journal", [1], indirect=True)
async def test_a_message_of_another_room_is_never_shown(journal: Journal) -> None:
    await journal.save(1, room="other")
    await journal.save(2)
    before = journal.segments[-2]  # somebody restores a file of another journal, just as long
    index, line = before.read_bytes().splitlines(keepends=True)
    base = form.base_of(before.name)
    lines, _ = form.encode_batch([message(1, "staff")], base + len(index), {})
    assert len(lines) == len(line)
    before.write_bytes(index + lines)

    with pytest.raises(CorruptFile, match=before.name):
        await journal.store.history("other", 1)


@IN_TINY_SEGMENTS
@pytest.mark.parametrize(
    ("which", "change"),
    [(0, None), (1, None), (-2, None), (1, lambda data: data[:-1]), (1, lambda data: data + b"x")],
    ids=["first missing", "second missing", "last but one missing", "shorter", "longer"],
)
async def test_a_missing_or_resized_segment_stops_the_start(journal, which, change) -> None:
    for n in range(20):
        await journal.save(n)
    await journal.store.close()
    path = journal.segments[which]
    data = path.read_bytes()
    path.unlink()
    if change:
        path.write_bytes(change(data))

    await journal.starts_not("but what is before it")


# Segments.


@IN_TINY_SEGMENTS
async def test_history_goes_back_over_many_segments(journal: Journal) -> None:
    await journal.save(0, room="other")
    for n in range(1, 60):
        await journal.save(n)
    await journal.save(60, room="other")
    for _ in range(2):
        assert len(journal.segments) > 10
        await journal.holds(*range(1, 60))
        await journal.holds(0, 60, room="other")
        await journal.reopen()
    reads = {name: io.reads for name, io in journal.files.statistics().items() if io.reads}

    assert reads == {journal.segments[-1].name: 1}  # a start needs no more


async def test_a_save_is_one_write_and_one_sync_and_a_history_few_reads(journal: Journal) -> None:
    await journal.save(0)
    journal.forget()
    await journal.save(*range(1, 5_000))
    assert [kind for kind, _ in journal.done] == ["write", "fsync"]
    size = journal.segments[0].stat().st_size
    await journal.reopen()
    before = journal.files.statistics()[journal.segments[0].name]
    assert len(await journal.store.history("general", 500)) == 500
    io = journal.files.statistics()[journal.segments[0].name] - before

    assert io.reads <= size / 10 / BEHIND + 2
    assert io.bytes_read <= io.reads * (BEHIND + AHEAD)


# Long messages.

LONG = "\U0001f386" * 4_000


def long(n: int, content: str = LONG) -> Message:
    return Message(f"m-{n:06d}", "general", "alice", content, "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("journal", [TINY, LARGE], indirect=True)
async def test_long_messages_at_any_place_in_a_block_come_back(journal: Journal) -> None:
    kept = []
    for n in range(40):
        kept += [long(n, LONG[: 4_000 - 97 * n]), long(100 + n, "x" * n)]
        await journal.store.save(kept[-2:])
    await journal.reopen()

    for limit in (1, 2, 7, 999):
        assert await journal.store.history("general", limit) == kept[-limit:]


@pytest.mark.parametrize(
    "size",
    [
        *(edge + off for edge in (AHEAD, BEHIND + AHEAD, LONG_MESSAGE) for off in (-150, 0, 1)),
        5 * LONG_MESSAGE,
    ],
)
async def test_a_message_of_any_size_comes_back(journal: Journal, size: int) -> None:
    """The protocol bounds what clients send; a `messages.json` from elsewhere may hold more."""
    kept = [long(1, "x" * 50), long(2, "y" * size), long(3, "z" * 50)]
    for one in kept:
        await journal.store.save([one])
    await journal.reopen()

    assert await journal.store.history("general", 9) == kept
    assert await journal.store.history("general", 2) == kept[1:]


# Saves that fail.


@pytest.mark.parametrize(
    "fault",
    [{"kind": "write"}, {"kind": "write", "error": "enospc"}, {"kind": "fsync"}],
    ids=["write", "half a write", "fsync"],
)
async def test_a_close_or_the_next_save_leaves_nothing_of_a_refused_batch(journal, fault) -> None:
    await journal.save(1)
    before = journal.content
    journal.disk.fail(**fault)
    await journal.refuses(2, 3)
    await journal.store.close()
    assert journal.content == before
    await journal.restart()
    journal.disk.fail(**fault)
    await journal.refuses(2, 3)
    journal.forget()
    await journal.save(2)  # written anew rather than synced again
    assert [kind for kind, _ in journal.done] == ["truncate", "fsync", "write", "fsync"]
    await journal.kill()

    await journal.holds(1, 2)


def written_to_a_segment(operation: Operation) -> bool:
    return operation.kind == "write" and form.is_segment(operation.name)


@pytest.mark.parametrize("step", ["truncate", "fsync"])
@pytest.mark.parametrize("journal", [1, LARGE], indirect=True, ids=["each its own", "one"])
async def test_a_cut_that_fails_is_done_again_until_it_is_on_the_disk(journal, step) -> None:
    """Before anything else is written, in a segment that is begun for it, too."""
    await journal.save(1)
    journal.disk.fail(error="enospc", which=written_to_a_segment)
    await journal.refuses(2)
    journal.disk.fail(count=2, kind=step)
    await journal.refuses(3)
    await journal.refuses(4)
    journal.forget()
    await journal.save(5)

    assert [kind for kind, _ in journal.done[:2]] == ["truncate", "fsync"]
    await journal.holds(1, 5)


async def test_closing_on_a_broken_disk_says_so_and_lets_go(journal: Journal) -> None:
    await journal.save(1)
    journal.disk.fail(error="enospc", kind="write")
    await journal.refuses(2)
    journal.disk.fail()
    with pytest.raises(StorageError, match="cut"):
        await journal.store.close()
    await journal.restart()

    await journal.holds(1)


# A new segment that cannot be begun.


async def fill_the_segment(journal: Journal) -> list[int]:
    """Save until the next save must begin a segment; returns what was saved."""
    numbers: list[int] = []
    while journal.segments[-1].stat().st_size < TINY:
        numbers.append(len(numbers))
        await journal.save(numbers[-1])
    return numbers


ENDS = pytest.mark.parametrize("end", ["kill", "reopen", "go on"])
STEPS = {  # of the beginning of a segment
    "write": lambda operation: operation.kind == "write",
    "fsync": lambda operation: operation.kind == "fsync" and operation.name != FOLDER,
    "rename": lambda operation: operation.kind == "rename",
    "folder": lambda operation: operation == ("fsync", FOLDER, 0, b"", ""),
}


@IN_TINY_SEGMENTS
@ENDS
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("error", ["eio", "enospc"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_later_save_begins_the_segment(journal, step, error, count, end) -> None:
    numbers = await fill_the_segment(journal)
    journal.disk.fail(count=count, error=error, which=STEPS[step])
    for n in range(count):
        await journal.refuses(100 + n)
    if end != "go on":
        await getattr(journal, end)()
    await journal.holds(*numbers)
    await journal.save(200, 201)
    await journal.save(202)
    await journal.reopen()

    await journal.holds(*numbers, 200, 201, 202)
    assert len(journal.segments) == 2
    assert read_saved(journal.folder).damaged == 0
    assert not list(journal.folder.glob("*.tmp"))


async def test_a_start_removes_what_a_segment_that_was_never_begun_left(journal: Journal) -> None:
    await journal.save(1)
    stray = journal.folder / (form.segment_name(999) + ".tmp")
    stray.write_bytes(b"half an ind")
    other = journal.folder / "messages.json.tmp"
    other.write_bytes(b"not ours")
    await journal.reopen()

    assert (stray.exists(), other.exists()) == (False, True)
    await journal.holds(1)


# Saves that are cancelled.


async def test_a_cancelled_save_ends_first_and_leaves_nothing(journal: Journal) -> None:
    at_once = journal.files.perform
    journal.files.perform = lambda call: to_the_end(at_once(call))  # as it is with threads
    await journal.save(1)
    journal.files.gate = asyncio.Event()
    saving = asyncio.create_task(journal.save(2, 3))
    await settle()
    saving.cancel()
    waiting = asyncio.create_task(journal.save(4))
    await settle()
    journal.files.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    await waiting

    await journal.holds(1, 4)


# The beginning of a journal.


async def test_the_marker_of_a_filling_is_off_the_disk_before_anything_is_saved(tmp_path) -> None:
    """Or else a power cut could bring it back, and the next start would begin anew."""
    journal = Journal(fill(tmp_path / "data", [message(1)]))
    journal.disk.fail(
        which=lambda operation: operation.name == FOLDER and ("remove", FILLING) in journal.done
    )
    with pytest.raises(StorageError):
        await journal.start()
    assert not (journal.folder / FILLING).exists()
    journal.forget()
    await journal.restart()

    assert ("fsync", FOLDER) in journal.done
    await journal.store.close()
