"""Readers: one contract for all of them, then what the caching one adds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from chatlab.chat.parts.reader.ttl import TTLReader
from chatlab.chat.parts.storage_seams import Reader, ReaderStatistics
from chatlab.chat.settings import Settings
from chatlab.data.records import CHATROOMS, MESSAGES, Message
from chatlab.disk.counted import FileIO
from chatlab.disk.files import Files
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import DISK_FULL, FakeClock, InlineFiles, every, fill, message, quiet_loop
from tests.support.virtual_clock import settle

TTL_S = 3.0
EVERY = pytest.mark.parametrize("part", every("reader"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def files(tmp_path: Path) -> InlineFiles:
    return InlineFiles(fill(tmp_path, [message(1), message(2)]))


@pytest.fixture
def make(files: InlineFiles, clock: FakeClock) -> Callable[[type[Reader]], Reader]:
    return lambda part: part(files, Settings(cache_ttl_s=TTL_S, reads_at_once_max=5), clock)


@pytest.fixture
def ttl(make: Callable[[type[Reader]], Reader]) -> Reader:
    return make(TTLReader)


def write_outside(files: Files, count: int) -> None:
    """Change the file as another program would."""
    data = MESSAGES.encode([message(n) for n in range(1, count + 1)])
    (files.folder / MESSAGES.name).write_bytes(data)


def reads(files: Files) -> int:
    return files.statistics().get(MESSAGES.name, FileIO()).reads


# The contract of every reader.


@EVERY
async def test_reads_each_file_from_the_disk_also_for_many_at_once(make, part) -> None:
    reader = make(part)
    answers = await asyncio.gather(*(reader.read(MESSAGES) for _ in range(50)))
    assert answers == [[message(1), message(2)]] * 50
    assert [room.id for room in await reader.read(CHATROOMS)] == ["general", "other", "staff"]


@EVERY
async def test_sees_own_writes_at_once_and_others_in_time(make, part, files, clock) -> None:
    reader = make(part)
    await reader.read(MESSAGES)
    write_outside(files, 3)
    reader.written(MESSAGES, [message(1), message(2), message(3)])
    assert len(await reader.read(MESSAGES)) == 3

    write_outside(files, 4)
    clock.advance(TTL_S)
    assert len(await reader.read(MESSAGES)) == 4


@EVERY
@pytest.mark.parametrize(
    "content",
    [b"", b"[", b'{"id": 1}', b'[{"id": 1}]', b"\xff", b"[" * 9999, b'[{"x":' + b"[" * 9999],
)
async def test_a_file_that_does_not_parse_is_corrupt(make, part, files, content) -> None:
    (files.folder / MESSAGES.name).write_bytes(content)

    with pytest.raises(CorruptFile, match=r"messages\.json"):
        await make(part).read(MESSAGES)
    assert (files.folder / MESSAGES.name).read_bytes() == content


@EVERY
async def test_a_missing_file_is_a_storage_error_until_it_is_back(make, part, files) -> None:
    reader = make(part)
    (files.folder / MESSAGES.name).unlink()
    with pytest.raises(StorageError, match=r"cannot read messages\.json"):
        await reader.read(MESSAGES)
    write_outside(files, 1)

    assert len(await reader.read(MESSAGES)) == 1


# What the caching reader adds.


@pytest.mark.parametrize(
    ("pauses_s", "read"),
    [
        ([TTL_S - 0.001], ReaderStatistics(hits=1, misses=1)),
        ([TTL_S, 0], ReaderStatistics(hits=1, misses=2)),
        # A hit does not prolong the time to live.
        ([TTL_S / 2] * 3, ReaderStatistics(hits=2, misses=2)),
    ],
)
async def test_ttl_reads_again_after_the_time_to_live(ttl, files, clock, pauses_s, read) -> None:
    await ttl.read(MESSAGES)
    for pause_s in pauses_s:
        clock.advance(pause_s)
        await ttl.read(MESSAGES)

    assert ttl.statistics() == read
    assert reads(files) == read.misses


async def test_ttl_a_write_starts_the_time_to_live_anew(ttl, files, clock) -> None:
    await ttl.read(MESSAGES)
    clock.advance(TTL_S - 1)
    ttl.written(MESSAGES, [message(1)])
    for pause_s, read in [(TTL_S - 1, 1), (1, 2)]:
        clock.advance(pause_s)
        await ttl.read(MESSAGES)
        assert reads(files) == read


async def test_ttl_fifty_misses_at_once_share_one_read_or_its_error(ttl, files) -> None:
    files.fail = lambda operation, _name: DISK_FULL if operation == "read" else None
    answers = await asyncio.gather(*(ttl.read(MESSAGES) for _ in range(50)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageError] * 50
    assert len(files.operations) == 1

    files.fail = lambda _operation, _name: None
    answers = await asyncio.gather(*(ttl.read(MESSAGES) for _ in range(50)))
    assert answers == [[message(1), message(2)]] * 50
    assert len(files.operations) == 2
    assert ttl.statistics() == ReaderStatistics(misses=100)


async def begin(reader: Reader) -> asyncio.Task[list[Message]]:
    """A read that has what is in the file, and waits at the gate on its way back."""
    reading = asyncio.create_task(reader.read(MESSAGES))
    await settle()
    return reading


@pytest.mark.parametrize("waiters", [1, 3])
async def test_ttl_a_waiter_who_is_cancelled_does_not_cancel_the_read(ttl, files, waiters) -> None:
    files.gate = asyncio.Event()
    first, *others = [await begin(ttl) for _ in range(waiters)]
    first.cancel()  # the one who started the read
    await settle()
    files.gate.set()

    assert [len(await waiter) for waiter in others] == [2] * (waiters - 1)
    await settle()
    assert first.cancelled()
    assert len(await ttl.read(MESSAGES)) == 2
    assert reads(files) == 1


@pytest.mark.parametrize("expired", [False, True])
async def test_ttl_a_write_during_a_read_wins(ttl, files, clock, expired) -> None:
    """Who reads after it is not served what the read brings; nor is that kept."""
    files.gate = asyncio.Event()
    early = await begin(ttl)
    write_outside(files, 3)
    ttl.written(MESSAGES, [message(1), message(2), message(3)])
    if expired:  # then it takes a read of its own
        clock.advance(TTL_S)
    late = await begin(ttl)
    assert late.done() != expired
    files.gate.set()

    assert [len(await early), len(await late), len(await ttl.read(MESSAGES))] == [2, 3, 3]
    assert reads(files) == 1 + expired


async def test_ttl_the_end_of_an_old_read_leaves_a_new_one_shared(ttl, files, clock) -> None:
    files.gate = old_gate = asyncio.Event()
    waiters = [await begin(ttl)]
    ttl.written(MESSAGES, [message(1)])
    clock.advance(TTL_S)
    files.gate = new_gate = asyncio.Event()
    waiters.append(await begin(ttl))
    old_gate.set()
    await settle()
    waiters.append(await begin(ttl))
    new_gate.set()
    await asyncio.gather(*waiters)

    assert reads(files) == 2


async def test_ttl_a_failed_read_that_nobody_waits_for_leaves_no_loose_error(ttl, files) -> None:
    gate = asyncio.Event()

    async def fails(_name: str) -> bytes:
        await gate.wait()
        raise StorageError("read", MESSAGES.name, "Input/output error")

    files.read = fails
    with quiet_loop():
        waiter = await begin(ttl)
        waiter.cancel()
        await settle()
        gate.set()
        await settle()


async def test_ttl_at_most_five_reads_of_one_file_are_under_way(ttl, files, clock) -> None:
    # Only a disk slower than the time to live gets here: each write sends the readers after it
    # on a flight of their own once the written value is too old.
    files.gate = asyncio.Event()
    waiters = []
    for _ in range(12):
        waiters.append(await begin(ttl))
        ttl.written(MESSAGES, [message(1)])
        clock.advance(TTL_S)
    assert files.under_way == 5

    files.gate.set()
    await asyncio.gather(*waiters)
    assert files.under_way_max == 5
    assert reads(files) == 12


@pytest.mark.parametrize("corrupt", [False, True])
async def test_ttl_serves_and_counts_old_values_on_failure(ttl, files, clock, corrupt) -> None:
    await ttl.read(MESSAGES)
    if corrupt:
        (files.folder / MESSAGES.name).write_bytes(b"[")
    else:
        files.fail = lambda _operation, _name: DISK_FULL
    clock.advance(TTL_S)
    answers = await asyncio.gather(*(ttl.read(MESSAGES) for _ in range(10)))
    assert answers == [[message(1), message(2)]] * 10
    assert ttl.statistics() == ReaderStatistics(misses=11, stale_served=10)

    write_outside(files, 3)
    files.fail = lambda _operation, _name: None
    assert len(await ttl.read(MESSAGES)) == 3
    assert ttl.statistics().stale_served == 10
