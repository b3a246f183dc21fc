"""Compressed segments: smaller, the same to everyone who asks, and safe at every moment."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.chat.interchange import export_messages
from chatlab.data import journal_format as form
from chatlab.data import journal_segments as packed
from chatlab.data.inspection import inspect, read_lines
from chatlab.data.journal_segments import SegmentFiles
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES
from chatlab.disk.counted import FOLDER, TEMPORARY_SUFFIX
from chatlab.disk.memory import MemoryDisk
from chatlab.errors import CorruptFile, StorageError
from tests.parts.test_journal import Journal
from tests.support.parts import fill, ids, message
from tests.support.served_store import without_messages
from tests.support.virtual_clock import settle

BLOCKS = 4
"""About so many blocks has a segment here."""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """One that compresses, with some segments of several blocks."""
    folder, size = without_messages(fill(tmp_path / "data")), BLOCKS * packed.BLOCK_BYTES
    async with Journal(folder, segment_bytes_max=size, compress_segments=True) as made:
        yield made


async def fill_segments(journal: Journal, count: int = 3) -> list[int]:
    """Save messages until so many segments are closed; returns their numbers."""
    numbers: list[int] = []
    while len(journal.segments) + len(compressed(journal)) <= count:
        batch = range(len(numbers), len(numbers) + 200)
        await journal.save(*batch)
        numbers += batch
        await settle()
    return numbers


def compressed(journal: Journal) -> list[Path]:
    return sorted(journal.folder.glob("*.log.z"))


async def close_and_look(journal: Journal) -> list[Path]:
    await journal.store.close()
    return compressed(journal)


@given(
    data=st.binary(max_size=300),
    base=st.integers(0, 2**40),
    block=st.sampled_from([1, 7, 64]),
    parts=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 400)), max_size=9),
)
def test_what_was_compressed_comes_back_whole_and_in_parts(data, base, block, parts) -> None:
    name = packed.compressed_name(base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK_BYTES", block)
        smaller = packed.compress(base, data)
        index, begin = packed.decode_index(name, smaller)

        assert index.bytes == len(data)
        assert packed.plain_bytes(name, smaller) == data
        for number, size in enumerate(index.sizes):
            at = begin + sum(index.sizes[:number])
            part = packed.decompress(name, index, number, smaller[at : at + size])
            assert part == data[number * block : (number + 1) * block]
        files = SegmentFiles(MemoryDisk({name: smaller}))
        for offset, size in parts:  # as if it were plain
            assert files.read_part(base, offset, size) == data[offset : offset + size]


def test_after_a_crash_the_plain_one_of_two_counts() -> None:
    first, second = form.segment_name(0), form.segment_name(900)
    names = [second, first + packed.SUFFIX, first, "users.json", first + ".z.tmp"]

    assert packed.segments_among(names) == [first, second]
    assert packed.segments_among([second, first + packed.SUFFIX]) == [first + ".z", second]


async def test_history_reads_a_block_or_two_and_not_the_segment(journal: Journal) -> None:
    numbers = await fill_segments(journal)
    await journal.save(9_999, room="other")
    await journal.reopen()
    size = max(path.stat().st_size for path in compressed(journal))
    assert ids(await journal.store.history("general", 1)) == [message(numbers[-1]).id]
    await journal.save(*range(10_000, 12_500), room="other")  # general's latest is far back now
    await journal.reopen()
    before = sum(io.bytes_read for io in journal.files.statistics().values())
    assert ids(await journal.store.history("general", 1)) == [message(numbers[-1]).id]
    after = sum(io.bytes_read for io in journal.files.statistics().values())

    assert after - before < size + 16 * 1024  # the index's head, and at most two blocks of many


async def test_closed_segments_are_compressed_and_everyone_reads_them(journal, tmp_path) -> None:
    numbers = await fill_segments(journal)
    await journal.store.close()
    contents = inspect(journal.folder)
    store = contents.store("journal")
    _, exported, *_ = export_messages(journal.folder, tmp_path / "out.json")
    lines = read_lines(journal.folder, 2, segment=1)

    assert store is not None
    assert contents.damage == {}
    assert [one.compressed for one in store.segments] == [True, True, True, False]
    assert store.bytes == sum(one.file_bytes for one in store.segments)
    assert all(one.file_bytes < 0.3 * one.bytes for one in store.segments if one.compressed)
    assert [len(compressed(journal)), len(journal.segments)] == [3, 1]
    assert store.segments[0].bytes == store.segments[1].position > store.segments[0].file_bytes
    assert store.messages == exported == len(numbers)
    assert MESSAGES.decode((tmp_path / "out.json").read_bytes()) == [message(n) for n in numbers]
    assert all(line.whole for line in lines.last)
    await journal.restart()
    await journal.holds(*numbers)


async def test_segments_of_an_earlier_server_are_compressed_after_a_start(journal: Journal) -> None:
    journal.set(compress_segments=False)
    await journal.reopen()
    numbers = await fill_segments(journal)
    assert await close_and_look(journal) == []
    journal.set(compress_segments=True)
    await journal.restart()
    await settle()

    assert len(compressed(journal)) == 3
    await journal.holds(*numbers)


STEPS = {
    "read": lambda one: one.kind == "read" and one.name.endswith(".log"),
    "write": lambda one: one.kind == "write" and ".z" in one.name,
    "fsync": lambda one: one.kind == "fsync" and ".z" in one.name,
    "rename": lambda one: one.kind == "rename" and ".z" in one.name,
    "remove": lambda one: one.kind == "remove",
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_at_any_step_loses_nothing_and_is_made_up_for(journal, step) -> None:
    journal.disk.fail(count=1, error="enospc", which=STEPS[step])
    numbers = await fill_segments(journal, 1)
    await journal.save(9_998)
    await settle()
    assert journal.disk.failed == 1
    assert len(journal.segments) == 2
    await journal.holds(*numbers, 9_998)
    await journal.kill()
    await settle()
    await journal.holds(*numbers, 9_998)
    await journal.store.close()

    assert len(compressed(journal)) == 1
    assert len(journal.segments) == 1
    assert not list(journal.folder.glob("*" + TEMPORARY_SUFFIX))
    await journal.start()


async def test_a_disk_that_cannot_take_it_is_told_of_at_the_end(journal: Journal) -> None:
    journal.disk.fail(count=99, which=STEPS["write"])
    numbers = await fill_segments(journal, 1)
    await journal.save(9_999)
    with pytest.raises(StorageError, match=r"\.log\.z"):
        await journal.store.close()
    journal.disk.heal()
    await journal.restart()

    await journal.holds(*numbers, 9_999)


@pytest.mark.parametrize("at", ["index", "block", "end"])
async def test_a_damaged_one_is_never_taken_for_whole(journal: Journal, at: str) -> None:
    await journal.save(1, room="other")
    await fill_segments(journal, 2)
    path = (await close_and_look(journal))[0]
    data = bytearray(path.read_bytes())
    place = {"index": 20, "block": data.find(b"\n") + 40, "end": len(data) - 1}[at]
    data[place] ^= 1
    path.write_bytes(data)

    assert path.name in inspect(journal.folder).damage
    assert read_saved(journal.folder).damaged >= 1
    with pytest.raises(CorruptFile, match=path.name):
        packed.plain_bytes(path.name, bytes(data))
    if at == "index":
        await journal.starts_not(path.name)
    else:
        await journal.restart()
        if at == "block":
            with pytest.raises(CorruptFile, match=path.name):
                await journal.store.history("other", 1)
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda folder: sorted(folder.glob("*.z"))[1].unlink(), "what is before it ends at"),
        (lambda folder: next(folder.glob("*.log")).unlink(), "is missing"),
    ],
    ids=["a compressed one", "the last one"],
)
async def test_a_missing_segment_stops_the_start(journal: Journal, harm, why: str) -> None:
    await fill_segments(journal)
    await journal.store.close()
    harm(journal.folder)

    await journal.starts_not(why)


async def test_the_plain_one_is_removed_only_when_the_other_is_on_the_disk(journal) -> None:
    await fill_segments(journal, 1)
    await journal.store.close()
    name = packed.compressed_name(0)

    begin = journal.done.index(("write", name + TEMPORARY_SUFFIX))
    assert journal.done[begin : begin + 5] == [
        ("write", name + TEMPORARY_SUFFIX),
        ("fsync", name + TEMPORARY_SUFFIX),
        ("rename", name + TEMPORARY_SUFFIX),
        ("fsync", FOLDER),
        ("remove", form.segment_name(0)),
    ]


def test_an_index_of_another_version_is_refused() -> None:
    line = b'z {"journal":2,"base":0,"bytes":0,"sizes":[]}\n'
    data = b"%08x %b" % (zlib.crc32(line), line)
    with pytest.raises(CorruptFile, match="format 2; this chatlab reads format 1"):
        packed.decode_index(packed.compressed_name(0), data)
