"""The world that checks run in: a disk in memory that is as good as a real one, a clock that jumps,
and a story that names the learner's lines.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatlab.course.simulation import (
    STEPS_MAX,
    TURNS_AFTER_THE_END,
    Livelock,
    Story,
    VirtualClockLoop,
    now,
    run,
)
from chatlab.disk.counted import Condition, Disk, OpenFile
from chatlab.disk.failing import FailingDisk
from chatlab.disk.memory import MemoryDisk, SimulatedFiles
from chatlab.disk.recording import Recorder
from chatlab.disk.simulated import parse_fault
from chatlab.errors import StorageError
from tests.support.virtual_clock import on_virtual_clock

# A disk in memory and a real one.

NAMES = st.sampled_from(["a", "b", "a.tmp"])
DATA = st.binary(max_size=6)
SIZES = st.integers(-1, 8)
OPERATIONS = st.one_of(
    st.tuples(st.just("read"), NAMES),
    st.tuples(st.just("read_part"), NAMES, st.integers(0, 8), st.none() | st.integers(0, 8)),
    st.tuples(st.just("write"), NAMES, DATA, st.booleans()),
    st.tuples(st.just("append"), NAMES, DATA, st.booleans()),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("names")),
    st.tuples(st.just("open_as"), st.integers(0, 1), NAMES),
    st.tuples(st.just("append_open"), st.integers(0, 1), DATA),
    st.tuples(st.just("cut_open"), st.integers(0, 1), SIZES),
    st.tuples(st.just("fsync_open"), st.integers(0, 1)),
    st.tuples(st.just("fdatasync_open"), st.integers(0, 1)),
    st.tuples(st.just("close_open"), st.integers(0, 1)),
    *([] if os.name == "nt" else [st.tuples(st.just("fsync_folder"))]),
)
PLANS = st.lists(
    st.builds(
        "{}@{}{}+{}".format,
        st.sampled_from(["enospc", "eio", "erofs"]),
        st.sampled_from(["", "write:", "truncate:", "fsync:", "rename:", "remove:", "read:"]),
        st.integers(1, 4),
        st.integers(1, 2),
    ),
    max_size=2,
)


class Hand:
    """Does operations on a disk, and tells what came of each."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._open: dict[int, OpenFile] = {}
        self.do("open_as", 0, "a")

    def do(self, name: str, *words: object) -> object:
        """The result; of an error, its kind and number; of an open file, its size, too."""
        act: Callable[..., object] = getattr(self, f"_{name}", None) or getattr(self.disk, name)
        try:
            found = act(*words)
        except OSError as error:
            found = ("OSError", error.errno)
        except ValueError:
            found = "ValueError"
        return found, {number: opened.size for number, opened in sorted(self._open.items())}

    def close(self) -> None:
        for opened in self._open.values():
            opened.close()

    def _write(self, name: str, data: bytes, fsync: bool) -> None:
        self.disk.write(name, data, fsync=fsync)

    def _append(self, name: str, data: bytes, fsync: bool) -> None:
        self.disk.append(name, data, fsync=fsync)

    def _open_as(self, number: int, name: str) -> None:
        if number in self._open:
            self._open[number].close()
        self._open[number] = self.disk.open(name)

    def _append_open(self, number: int, data: bytes) -> None:
        if number in self._open:
            self._open[number].append(data)

    def _cut_open(self, number: int, size: int) -> None:
        if number in self._open:
            self._open[number].truncate(size)

    def _fsync_open(self, number: int) -> None:
        if number in self._open:
            self._open[number].fsync()

    def _fdatasync_open(self, number: int) -> None:
        if number in self._open:
            self._open[number].fdatasync()

    def _close_open(self, number: int) -> None:
        if number in self._open:
            self._open[number].close()


def conditions(plans: list[str]) -> tuple[Recorder, list[Condition]]:
    recorder, faults = Recorder(), FailingDisk([parse_fault(plan) for plan in plans])
    faults.arm()
    return recorder, [faults, recorder]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename or remove an open file")
@settings(max_examples=200, deadline=None, derandomize=True)
@given(operations=st.lists(OPERATIONS, max_size=25), plans=PLANS)
def test_a_disk_in_memory_does_what_a_real_one_does(
    operations: list[tuple[object, ...]], plans: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        (Path(made) / "a").write_bytes(b"at first")
        recorder, between = conditions(plans)
        real = Hand(Disk(Path(made), between))
        recorder_of_memory, between = conditions(plans)
        memory = Hand(MemoryDisk({"a": b"at first"}, between))
        stack.callback(real.close)
        for name, *words in operations:
            assert memory.do(name, *words) == real.do(name, *words), (name, words)

        contents = {path.name: path.read_bytes() for path in Path(made).iterdir()}
        assert memory.disk.contents == contents  # type: ignore[attr-defined]
        assert memory.disk.statistics() == real.disk.statistics()
        assert recorder_of_memory.steps == recorder.steps


def test_what_another_program_changes_is_seen_by_whoever_has_the_file_open() -> None:
    disk = MemoryDisk({"log": b"one"})
    opened = disk.open("log")
    disk.put("log", b"other")
    opened.append(b"two")

    assert disk.contents == {"log": b"othertwo"}


# Files that take virtual time.


async def order_of_ends(seed: int) -> list[int]:
    """In which order ten reads come home that begin together."""
    files = SimulatedFiles({"a": b"x"}, chance=random.Random(seed))
    ended: list[int] = []

    async def read(number: int) -> None:
        await files.read("a")
        ended.append(number)

    await asyncio.gather(*map(read, range(10)))
    return ended


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    orders = [run(order_of_ends(seed)) for seed in (1, 1, 2)]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


@on_virtual_clock
async def test_an_operation_takes_the_time_that_it_is_given() -> None:
    files = SimulatedFiles({"a": b"x"}, operation_s=0.25)
    await files.read("a")
    await files.write("a", b"y")

    assert now() == pytest.approx(0.5)


@on_virtual_clock
async def test_by_chance_an_operation_takes_its_time_on_average() -> None:
    files = SimulatedFiles({"a": b"x"}, chance=random.Random(1), operation_s=0.001)
    for _ in range(1_000):
        await files.read("a")

    assert now() == pytest.approx(1.0, rel=0.1)


@on_virtual_clock
async def test_operations_that_take_no_time_still_let_others_go_on() -> None:
    files = SimulatedFiles({"a": b"x"}, operation_s=0)
    await asyncio.gather(files.read("a"), files.read("a"))

    assert now() == 0
    assert files.under_way_max == 2


@on_virtual_clock
async def test_a_write_tears_the_file_while_it_is_under_way() -> None:
    files = SimulatedFiles({"a": b"old"}, operation_s=1)
    writing = asyncio.create_task(files.write("a", b"new content"))
    await asyncio.sleep(0.25)
    assert files.disk.contents["a"] == b"old"
    await asyncio.sleep(0.5)
    assert files.disk.contents["a"] == b"new c"
    await writing
    assert files.disk.contents["a"] == b"new content"
    assert files.statistics()["a"].writes == 1


@on_virtual_clock
async def test_a_file_that_is_renamed_during_a_write_is_whole_under_its_new_name() -> None:
    files = SimulatedFiles(operation_s=1)
    writing = asyncio.create_task(files.write("a.tmp", b"content"))
    await asyncio.sleep(0.75)
    files.disk.rename("a.tmp", "a")
    assert files.disk.contents == {"a": b"con"}
    await writing

    assert files.disk.contents == {"a": b"content"}


@on_virtual_clock
async def test_a_write_that_fails_leaves_what_it_had_written() -> None:
    _, between = conditions(["enospc@write:1"])
    files = SimulatedFiles({"a": b"old"}, conditions=between)
    with pytest.raises(StorageError, match="cannot write a: No space left") as caught:
        await files.write("a", b"12345678")

    assert (caught.value.operation, caught.value.file) == ("write", "a")
    assert b"12345678".startswith(files.disk.contents["a"])
    assert files.under_way == 0


@on_virtual_clock
async def test_a_cancelled_caller_waits_for_its_operation() -> None:
    files = SimulatedFiles(operation_s=1)
    caller = asyncio.create_task(files.write("a", b"content"))
    await asyncio.sleep(0.25)
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0.1)
        assert not caller.done()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert now() == pytest.approx(1)
    assert files.disk.contents == {"a": b"content"}
    assert files.under_way == 0


@on_virtual_clock
async def test_a_log_can_be_appended_to_and_cut() -> None:
    files = SimulatedFiles()
    log = await files.open_log("log")
    await log.append(b"one,two", fsync=True)
    await log.cut(3)
    await log.append(b";")
    await log.close()

    assert files.disk.contents == {"log": b"one;"}
    with pytest.raises(ValueError, match="closed"):
        await log.append(b"more")


# The story.

LEARNERS_CODE = """
async def save(files):
    await files.write("a", b"x")
    await read(files)

async def read(files):
    return await files.read("a")
"""


def learners(path: Path) -> dict[str, object]:
    """The names in a learner's file."""
    names: dict[str, object] = {}
    exec(compile(LEARNERS_CODE, str(path), "exec"), names)
    return names


def test_a_story_names_who_did_what_when_and_from_which_line(tmp_path: Path) -> None:
    story = Story(now, tmp_path / "work.py")

    async def happens() -> None:
        files = SimulatedFiles(tell=story.tell, operation_s=0.001)
        with story.on_behalf_of("alice"):
            alice = asyncio.create_task(learners(tmp_path / "work.py")["save"](files))  # type: ignore[operator]
        await alice
        story.tell("the end")

    run(happens())

    assert [tuple(step) for step in story.steps] == [
        (0.0, "alice", "write a", 3),
        (pytest.approx(0.001), "alice", "read a", 7),
        (pytest.approx(0.002), "", "the end", 0),
    ]
    assert str(story.steps[1]) == "      1.0 ms  alice: read a  (line 7)"
    assert str(story.steps[2]) == "      2.0 ms  the end"


def test_a_story_tells_of_an_operation_that_fails(tmp_path: Path) -> None:
    story = Story(now, tmp_path / "work.py")

    async def happens() -> None:
        with pytest.raises(StorageError):
            await learners(tmp_path / "work.py")["read"](SimulatedFiles(tell=story.tell))  # type: ignore[operator]

    run(happens())

    assert [(step.what, step.line) for step in story.steps] == [
        ("read a", 7),
        ("read a: No such file or directory", 7),
    ]


def test_a_long_story_keeps_its_end(tmp_path: Path) -> None:
    story = Story(lambda: 0.0, tmp_path / "work.py")
    for number in range(STEPS_MAX + 5):
        story.tell(str(number))

    assert len(story.steps) == STEPS_MAX
    assert story.steps[-1].what == str(STEPS_MAX + 4)


# The clock: what would look like hanging is said.


def test_tasks_that_give_way_to_each_other_for_ever_are_restless() -> None:
    async def restless() -> None:
        while True:  # noqa: ASYNC110 (just this is tried)
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="after 1,000 turns"):
        run(restless(), turns_max=1_000)


def test_timers_that_are_set_again_and_again_are_restless() -> None:
    async def restless() -> None:
        while True:  # noqa: ASYNC110 (just this is tried)
            await asyncio.sleep(60)

    with pytest.raises(Livelock, match="after 3,660 s on the clock"):
        run(restless(), time_max_s=3_600)


def test_a_task_that_will_not_be_cancelled_cannot_go_on_for_ever_either() -> None:
    turns = 0

    async def stubborn() -> None:
        nonlocal turns
        asyncio.current_task()._log_destroy_pending = False  # type: ignore[union-attr]
        while True:
            try:
                await asyncio.sleep(0)
                turns += 1
            except asyncio.CancelledError:
                pass

    with pytest.raises(Livelock):
        run(stubborn(), turns_max=100)
    assert turns <= 100 + TURNS_AFTER_THE_END


def test_what_is_cancelled_at_the_end_may_tidy_up() -> None:
    tidied = []

    async def untidy() -> None:
        try:
            while True:  # noqa: ASYNC110 (just this is tried)
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(3_600)
            tidied.append(now())

    with pytest.raises(Livelock):
        run(untidy(), turns_max=100, time_max_s=100)
    assert tidied == [pytest.approx(3_600)]


def test_a_loop_that_is_done_in_time_is_not_restless() -> None:
    async def busy() -> str:
        for _ in range(90):
            await asyncio.sleep(1)
        return "done"

    assert run(busy(), turns_max=1_000, time_max_s=100) == "done"


def test_the_clock_starts_at_zero_and_jumps_only_to_timers() -> None:
    loop = VirtualClockLoop()
    try:
        assert loop.time() == 0
        loop.run_until_complete(asyncio.sleep(2.5))
        assert loop.time() == 2.5
    finally:
        loop.close()
