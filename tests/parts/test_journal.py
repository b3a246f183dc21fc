"""The journal: nothing acked is lost, nothing refused comes back, and little is read."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatlab.chat.parts.store.journal import AHEAD, BEHIND, LONG_MESSAGE, JournalStore
from chatlab.chat.settings import Settings
from chatlab.data import journal_format as form
from chatlab.data import journal_segments as packed
from chatlab.data.journal_format import FILLING
from chatlab.data.journal_segments import SegmentFiles
from chatlab.data.readers import read_saved
from chatlab.data.records import MESSAGES, Message
from chatlab.disk.counted import FOLDER, Disk, Operation
from chatlab.disk.files import Files
from chatlab.errors import CorruptFile, StorageError
from tests.support.parts import InlineFiles, fill, ids, message
from tests.support.unlucky import Unlucky, kinds
from tests.support.virtual_clock import run, settle

LARGE = Settings().segment_bytes_max
TINY = 600
"""Bytes of a segment: room for three or four messages."""


class Journal:
    """A journal over a folder, as servers that come and go have it.

    Attributes:
        disk: make it fail with this.
        store: the one that runs now.
        notes: what it said when it started.
    """

    def __init__(self, folder: Path, segment_bytes_max: int = LARGE) -> None:
        self.folder = folder
        self.segment_bytes_max = segment_bytes_max
        self.compress_segments = False
        self.disk = Unlucky()
        self.notes: list[str] = []
        self._make()

    def _make(self) -> None:
        self.files = InlineFiles(self.folder)
        self.files.disk = Disk(self.folder, [self.disk])
        knobs = Settings(
            segment_bytes_max=self.segment_bytes_max, compress_segments=self.compress_segments
        )
        self.store = JournalStore(self.files, None, None, None, knobs)  # type: ignore[arg-type]

    async def start(self, starting: Iterable[Message] = ()) -> None:
        self.notes = await self.store.start(starting)

    async def reopen(self) -> None:
        """Stop the server, and start another one."""
        await self.store.close()
        self._make()
        await self.start()

    async def kill(self) -> None:
        """Go on in a copy of the folder: just what a killed server would have left."""
        left = self.folder
        self.folder = left.with_name(left.name + "-")
        shutil.copytree(left, self.folder)
        self.disk.heal()
        await self.store.close()  # in the old folder, where nobody looks any more
        self._make()
        await self.start()

    async def save(self, *numbers: int, room: str = "general") -> None:
        await self.store.save([message(n, room) for n in numbers])

    async def refuses(self, *numbers: int) -> None:
        with pytest.raises(StorageError):
            await self.save(*numbers)

    async def holds(self, *numbers: int, room: str = "general") -> None:
        """Whether it has these messages: by its history, and as an auditor reads the files."""
        assert await self.store.history(room, 99_999) == [message(n, room) for n in numbers]
        saved = read_saved(self.folder)
        assert [one for one in saved.messages if one.room_id == room] == [
            message(n, room) for n in numbers
        ]

    @property
    def segments(self) -> list[Path]:
        return sorted(self.folder.glob(form.PATTERN))

    @property
    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
async def journal(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    """An empty one, with segments of the size that the test is parametrized with."""
    made = Journal(fill(tmp_path / "data"), getattr(request, "param", LARGE))
    (made.folder / MESSAGES.name).unlink()
    await made.start()
    yield made
    made.disk.heal()
    await made.store.close()


IN_TINY_SEGMENTS = pytest.mark.parametrize("journal", [TINY], indirect=True)
IN_ANY_SEGMENTS = pytest.mark.parametrize("journal", [TINY, LARGE], indirect=True)


# A torn tail.


async def test_a_torn_tail_is_cut_and_said(journal: Journal) -> None:
    await journal.save(1, 2)
    size = journal.segments[0].stat().st_size
    await journal.save(3)
    whole = journal.segments[0].read_bytes()
    await journal.store.close()
    for end in [size + 1, size + 9, *range(size + 10, len(whole), 17), len(whole) - 1]:
        journal.segments[0].write_bytes(whole[:end])
        journal._make()
        await journal.start()
        await journal.holds(1, 2)
        assert journal.segments[0].stat().st_size == size
        (note,) = journal.notes
        assert f"cut {end - size:,} bytes" in note
        assert journal.segments[0].name in note
        await journal.store.close()


async def test_nothing_is_said_of_a_journal_that_is_whole(journal: Journal) -> None:
    await journal.save(1)
    await journal.reopen()

    assert journal.notes == []


async def test_whole_lines_that_a_kill_left_are_put_on_the_disk_before_they_count(
    journal: Journal,
) -> None:
    await journal.save(1)
    await journal.kill()
    told = [(operation.kind, operation.name) for operation in journal.disk.operations[-3:]]
    await journal.save(2)

    name = journal.segments[0].name
    assert told == [("truncate", name), ("fsync", name), ("fsync", FOLDER)]
    await journal.holds(1, 2)


async def test_what_is_saved_after_a_cut_tail_stays(journal: Journal) -> None:
    await journal.save(1)
    with journal.segments[0].open("ab") as file:
        file.write(b"half a li")
    await journal.kill()
    await journal.save(2)
    await journal.kill()

    assert journal.notes == []
    await journal.holds(1, 2)


# Decay.


async def starts_not(journal: Journal, why: str) -> None:
    """A start refuses with this reason, and changes nothing."""
    before = journal.content
    journal._make()
    with pytest.raises(CorruptFile, match=why):
        await journal.start()
    assert journal.content == before


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
        await starts_not(journal, "cannot understand journal-0")


async def test_decay_in_an_earlier_segment_is_told_by_a_history_that_needs_it(
    journal: Journal,
) -> None:
    journal.segment_bytes_max = TINY
    await journal.reopen()
    await journal.save(1, room="other")
    for n in range(2, 12):
        await journal.save(n)
    first = journal.segments[0]
    first.write_bytes(first.read_bytes().replace(b'"text 1"', b'"text X"'))
    await journal.reopen()

    assert ids(await journal.store.history("general", 2)) == ["m-000010", "m-000011"]
    with pytest.raises(CorruptFile, match=first.name):
        await journal.store.history("other", 1)


async def test_a_message_of_another_room_is_never_shown(journal: Journal) -> None:
    journal.segment_bytes_max = 1
    await journal.reopen()
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
@pytest.mark.parametrize("which", [0, 1, -2])
async def test_a_missing_segment_stops_the_start(journal: Journal, which: int) -> None:
    for n in range(20):
        await journal.save(n)
    await journal.store.close()
    journal.segments[which].unlink()

    await starts_not(journal, "but what is before it ends at")


@IN_TINY_SEGMENTS
@pytest.mark.parametrize("change", [b"", b"more"])
async def test_an_earlier_segment_of_another_size_stops_the_start(
    journal: Journal, change: bytes
) -> None:
    for n in range(20):
        await journal.save(n)
    await journal.store.close()
    data = journal.segments[1].read_bytes()
    journal.segments[1].write_bytes(data + change if change else data[:-1])

    await starts_not(journal, "but what is before it")


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


@IN_TINY_SEGMENTS
async def test_every_index_says_what_came_before(journal: Journal) -> None:
    for n in range(20):
        await journal.save(n, n + 100, room=f"room-{n % 3}")
        if n % 7 == 0:
            await journal.reopen()
    messages, latest = 0, {}
    for path in journal.segments:
        found = form.scan(path.name, path.read_bytes())
        assert (found.header.messages, found.header.rooms) == (messages, latest)
        messages, latest = messages + found.messages, found.rooms

    assert messages == 40
    assert len(latest) == 3


@IN_TINY_SEGMENTS
async def test_a_start_reads_the_last_segment_only(journal: Journal) -> None:
    for n in range(50):
        await journal.save(n)
    await journal.reopen()
    reads = {name: io.reads for name, io in journal.files.statistics().items() if io.reads}

    assert reads == {journal.segments[-1].name: 1}


async def test_history_of_a_busy_room_reads_few_blocks(journal: Journal) -> None:
    await journal.store.save([message(n) for n in range(5_000)])
    size = journal.segments[0].stat().st_size
    await journal.reopen()
    before = journal.files.statistics()[journal.segments[0].name]
    assert len(await journal.store.history("general", 500)) == 500
    io = journal.files.statistics()[journal.segments[0].name] - before

    assert io.reads <= size / 10 / BEHIND + 2
    assert io.bytes_read <= io.reads * (BEHIND + AHEAD)


async def test_one_save_is_one_write_and_one_sync(journal: Journal) -> None:
    await journal.save(1)
    before = journal.files.statistics()[journal.segments[0].name]
    await journal.save(*range(2, 100))
    io = journal.files.statistics()[journal.segments[0].name] - before

    assert (io.reads, io.writes, io.fsyncs) == (0, 1, 1)


# Long messages.

LONG = "\U0001f386" * 4_000


def long(n: int, content: str = LONG) -> Message:
    return Message(f"m-{n:06d}", "general", "alice", content, "2026-01-01T00:00:00.000Z")


@IN_ANY_SEGMENTS
async def test_long_messages_at_any_place_in_a_block_come_back(journal: Journal) -> None:
    kept = []
    for n in range(40):
        kept += [long(n, LONG[: 4_000 - 97 * n]), long(100 + n, "x" * n)]
        await journal.store.save(kept[-2:])
    await journal.reopen()

    assert await journal.store.history("general", 999) == kept
    for limit in (1, 2, 7):
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

FAULTS = pytest.mark.parametrize(
    "fault",
    [
        {"kind": "write"},
        {"kind": "write", "error": "enospc"},
        {"kind": "fsync"},
    ],
    ids=["write", "half a write", "fsync"],
)
ENDS = pytest.mark.parametrize("end", ["kill", "reopen", "go on"])


@FAULTS
@ENDS
@IN_ANY_SEGMENTS
async def test_after_a_failed_save_the_next_one_loses_and_doubles_nothing(
    journal: Journal, fault, end: str
) -> None:
    await journal.save(1, 2)
    journal.disk.fail(**fault)
    await journal.refuses(3, 4)
    assert ids(await journal.store.history("general", 9)) == ["m-000001", "m-000002"]
    await journal.save(5)
    await journal.save(3, 4)
    if end != "go on":
        await getattr(journal, end)()

    await journal.holds(1, 2, 5, 3, 4)


@FAULTS
async def test_closing_leaves_nothing_of_a_refused_batch_in_the_file(
    journal: Journal, fault
) -> None:
    await journal.save(1)
    before = journal.content
    journal.disk.fail(**fault)
    await journal.refuses(2, 3)
    await journal.store.close()

    assert journal.content == before
    await journal.reopen()
    await journal.holds(1)


async def test_a_refused_batch_may_be_there_after_a_kill_and_then_stays(journal: Journal) -> None:
    await journal.save(1)
    journal.disk.fail(kind="fsync")
    await journal.refuses(2, 3)
    await journal.kill()
    await journal.holds(1, 2, 3)
    await journal.save(4)
    await journal.kill()

    await journal.holds(1, 2, 3, 4)


async def test_what_was_refused_is_written_anew_rather_than_synced_again(journal: Journal) -> None:
    journal.disk.fail(kind="fsync")
    await journal.refuses(1)
    del journal.disk.operations[:]
    await journal.save(1)

    assert [operation.kind for operation in journal.disk.operations] == [
        *("truncate", "fsync"),
        *("write", "fsync"),
    ]


def written_to_a_segment(operation: Operation) -> bool:
    return operation.kind == "write" and form.is_segment(operation.name)


@pytest.mark.parametrize("step", ["truncate", "fsync"])
@pytest.mark.parametrize("journal", [1, LARGE], indirect=True, ids=["each its own", "one"])
async def test_a_cut_that_fails_is_done_again_until_it_is_on_the_disk(
    journal: Journal, step: str
) -> None:
    """Before anything else is written, in a segment that is begun for it, too."""
    await journal.save(1)
    journal.disk.fail(error="enospc", which=written_to_a_segment)
    await journal.refuses(2)
    journal.disk.fail(count=2, kind=step)
    await journal.refuses(3)
    await journal.refuses(4)
    del journal.disk.operations[:]
    await journal.save(5)

    assert [operation.kind for operation in journal.disk.operations[:2]] == ["truncate", "fsync"]
    await journal.holds(1, 5)


async def test_saves_fail_as_long_as_the_disk_does(journal: Journal) -> None:
    await journal.save(1)
    journal.disk.fail(count=99, error="enospc")
    for n in range(2, 6):
        await journal.refuses(n)
    journal.disk.heal()
    await journal.save(6)
    await journal.kill()

    await journal.holds(1, 6)


async def test_closing_on_a_broken_disk_says_so_and_lets_go(journal: Journal) -> None:
    await journal.save(1)
    journal.disk.fail(error="enospc", kind="write")
    await journal.refuses(2)
    journal.disk.fail()
    with pytest.raises(StorageError, match="cut"):
        await journal.store.close()
    journal._make()
    await journal.start()

    await journal.holds(1)


# A new segment that cannot be begun.


async def fill_the_segment(journal: Journal) -> list[int]:
    """Save until the next save must begin a segment; returns what was saved."""
    numbers: list[int] = []
    while journal.segments[-1].stat().st_size < TINY:
        numbers.append(len(numbers))
        await journal.save(numbers[-1])
    return numbers


STEPS = {  # of the beginning of a segment
    "write": kinds("write"),
    "fsync": lambda operation: operation.kind == "fsync" and operation.name != FOLDER,
    "rename": kinds("rename"),
    "folder": lambda operation: operation == ("fsync", FOLDER, 0, b"", ""),
}


@IN_TINY_SEGMENTS
@ENDS
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("error", ["eio", "enospc"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_segment_that_cannot_be_begun_is_begun_by_a_later_save(
    journal: Journal, step: str, error: str, count: int, end: str
) -> None:
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


@IN_TINY_SEGMENTS
async def test_a_segment_counts_once_its_name_is_on_the_disk(journal: Journal) -> None:
    await fill_the_segment(journal)
    del journal.disk.operations[:]
    await journal.save(100)

    assert [
        (operation.kind, operation.name == FOLDER) for operation in journal.disk.operations
    ] == [
        *(("truncate", False), ("write", False), ("fsync", False), ("rename", False)),
        ("fsync", True),
        *(("write", False), ("fsync", False)),
    ]


async def test_a_start_removes_what_a_segment_that_was_never_begun_left(journal: Journal) -> None:
    await journal.save(1)
    stray = journal.folder / (form.segment_name(999) + ".tmp")
    stray.write_bytes(b"half an ind")
    other = journal.folder / "messages.json.tmp"
    other.write_bytes(b"not ours")
    await journal.reopen()

    assert (stray.exists(), other.exists()) == (False, True)
    await journal.holds(1)


# Saves that are cancelled, and saves at the same time.


class Held:
    """Lets a test stop the disk in the middle of things."""

    def __init__(self) -> None:
        self.hold = ""
        self.reached, self.go_on = threading.Event(), threading.Event()

    def before(self, operation: Operation) -> None:
        if operation.kind == self.hold:
            self.hold = ""
            self.reached.set()
            assert self.go_on.wait(10)

    def after(self, operation: Operation) -> None:
        pass


@pytest.mark.parametrize("hold", ["write", "fsync"])
async def test_a_cancelled_save_ends_first_and_leaves_nothing(journal: Journal, hold: str) -> None:
    held = Held()
    journal.files = Files(journal.folder, [held])
    await journal.store.close()
    journal.store = JournalStore(journal.files, None, None, None, Settings())  # type: ignore[arg-type]
    await journal.start()
    await journal.save(1)
    held.hold = hold
    saving = asyncio.create_task(journal.save(2, 3))
    await asyncio.to_thread(held.reached.wait, 10)
    saving.cancel()
    waiting = asyncio.create_task(journal.save(4))
    await asyncio.sleep(0)
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    await waiting

    await journal.holds(1, 4)
    await journal.store.close()
    journal.files.close()


@IN_ANY_SEGMENTS
async def test_saves_at_the_same_time_are_kept_whole_and_in_the_order_of_asking(
    journal: Journal,
) -> None:
    journal.files.gate = asyncio.Event()
    saves = [asyncio.create_task(journal.save(n, n + 1)) for n in range(0, 40, 2)]
    await asyncio.sleep(0)
    journal.files.gate.set()
    await asyncio.gather(*saves)

    await journal.holds(*range(40))


# The beginning of a journal.


async def begun(folder: Path, starting: Iterable[Message], segment_bytes_max: int) -> Journal:
    journal = Journal(folder, segment_bytes_max)
    await journal.start(starting)
    return journal


async def test_a_new_journal_takes_over_messages_json_and_says_so(tmp_path: Path) -> None:
    folder = fill(tmp_path, [message(n) for n in range(12)])
    before = (folder / MESSAGES.name).read_bytes()
    journal = await begun(folder, [message(99)], TINY)

    assert journal.notes == ["took 12 messages from messages.json into a new journal"]
    await journal.holds(*range(12))
    assert (folder / MESSAGES.name).read_bytes() == before
    await journal.reopen()
    assert journal.notes == []
    await journal.holds(*range(12))
    await journal.store.close()


async def test_a_corrupt_messages_json_is_not_taken_over_and_nothing_is_begun(
    tmp_path: Path,
) -> None:
    (fill(tmp_path) / MESSAGES.name).write_bytes(b'[{"id": "half')
    journal = Journal(tmp_path)
    await starts_not(journal, "messages.json")


async def test_a_new_journal_begins_with_the_starting_messages(journal: Journal) -> None:
    for path in journal.segments:
        path.unlink()
    await journal.store.close()
    journal._make()
    await journal.start(message(n) for n in range(9))

    assert journal.notes == []
    await journal.holds(*range(9))


@pytest.mark.parametrize("from_json", [True, False])
def test_a_filling_that_fails_anywhere_is_begun_anew(
    from_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operation of the start fails once; the next start has all messages, once."""
    monkeypatch.setattr("chatlab.chat.parts.store.FILL_AT_ONCE", 2)
    messages = [message(n) for n in range(12)]

    async def fails_at(nth: int) -> bool:
        folder = fill(tmp_path / f"{nth}", messages if from_json else [])
        if not from_json:
            (folder / MESSAGES.name).unlink()
        journal = Journal(folder, TINY)
        journal.disk.fail(nth, error="enospc")
        try:
            await journal.start(messages)
        except StorageError:
            journal._make()
            await journal.start(messages)
        fired = journal.disk.failed
        journal.disk.heal()
        await journal.holds(*range(12))
        await journal.kill()
        await journal.holds(*range(12))
        assert not (journal.folder / FILLING).exists()
        assert read_saved(journal.folder).damaged == 0
        await journal.store.close()
        return bool(fired)

    nth = 1
    while run(fails_at(nth)):
        nth += 1
    assert nth > 20


async def test_what_an_interrupted_filling_left_is_forgotten(journal: Journal) -> None:
    await journal.save(1, 2)
    await journal.store.close()
    (journal.folder / FILLING).touch()
    journal._make()
    await journal.start([message(7)])

    await journal.holds(7)
    assert not (journal.folder / FILLING).exists()


async def test_the_marker_of_a_filling_is_off_the_disk_before_anything_is_saved(
    tmp_path: Path,
) -> None:
    """Or else a power cut could bring it back, and the next start would begin anew."""
    journal = Journal(fill(tmp_path / "data", [message(1)]))
    removed = False

    def folder_sync_after_the_removal(operation: Operation) -> bool:
        nonlocal removed
        removed = removed or operation.kind == "remove"
        return removed and operation.name == FOLDER

    journal.disk.fail(which=folder_sync_after_the_removal)
    with pytest.raises(StorageError):
        await journal.start()
    assert not (journal.folder / FILLING).exists()
    journal._make()
    del journal.disk.operations[:]
    await journal.start()

    assert ("fsync", FOLDER) in [(one.kind, one.name) for one in journal.disk.operations]
    await journal.store.close()


# Compared with a list in memory.

HISTORIES = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["a", "b", "c", "sparse"]), min_size=1, max_size=6),
        st.just("reopen"),
        st.just("reopen the other way"),  # with segments compressed from now on, or no longer
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    steps=HISTORIES,
    segment_bytes_max=st.integers(1, 2_000),
    length=st.integers(0, 300),
    block_bytes=st.sampled_from([1, 100, 500, 64 * 1024]),
)
def test_behaves_like_a_list_over_any_segments(
    steps, segment_bytes_max: int, length: int, block_bytes: int
) -> None:
    async def compare(folder: Path) -> None:
        journal, oracle = Journal(folder, segment_bytes_max), []
        await journal.start()
        for step in steps:
            if isinstance(step, str):
                journal.compress_segments ^= step == "reopen the other way"
                await journal.reopen()
                continue
            batch = [
                Message(f"{len(oracle) + n}", room, "bob", "é" * (n * length % 301), "now")
                for n, room in enumerate(step)
            ]
            await journal.store.save(batch)
            oracle += batch
            await settle()  # what is compressed beside the saving has its turn
        for room in ("a", "b", "c", "sparse"):
            mine = [one for one in oracle if one.room_id == room]
            assert await journal.store.history(room, 999) == mine
            assert await journal.store.history(room, 3) == mine[-3:]
        await journal.store.close()
        saved = read_saved(folder)
        assert saved.messages == oracle
        segments = SegmentFiles(Disk(folder))
        names = packed.segments_among(journal.content)
        form.check_row((name, segments.size(name)) for name in names)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK_BYTES", block_bytes)
        run(compare(Path(folder)))
