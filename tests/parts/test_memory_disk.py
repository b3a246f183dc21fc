"""The disk in memory is as good as a real one, and its files take time without any thread."""

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

from chatlab.disk.conditions import FailingDisk, Recorder
from chatlab.disk.counted import Condition, Disk, OpenFile
from chatlab.disk.memory import MemoryDisk, SimulatedFiles
from chatlab.disk.simulated import parse_fault
from chatlab.errors import StorageError
from tests.support.virtual_clock import now, on_virtual_clock, run

NAMES = st.sampled_from(["a", "b", "a.tmp"])
DATA = st.binary(max_size=6)
OPEN = st.integers(0, 1)
OPERATIONS = st.one_of(
    st.tuples(st.just("read"), NAMES),
    st.tuples(st.just("read_part"), NAMES, st.integers(0, 8), st.none() | st.integers(0, 8)),
    st.tuples(st.sampled_from(["write", "append"]), NAMES, DATA, st.booleans()),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("names")),
    st.tuples(st.just("open"), NAMES, OPEN),
    st.tuples(st.just("open.append"), OPEN, DATA),
    st.tuples(st.just("open.truncate"), OPEN, st.integers(-1, 8)),
    st.tuples(st.sampled_from(["open.fsync", "open.fdatasync", "open.close"]), OPEN),
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
        self.do("open", "a", 0)

    def do(self, name: str, *words: object) -> object:
        """The result; of an error, its kind and number; of an open file, its size, too."""
        try:
            found = self._act(name, *words)
        except OSError as error:
            found = ("OSError", error.errno)
        except ValueError:
            found = "ValueError"
        return found, {number: opened.size for number, opened in sorted(self._open.items())}

    def close(self) -> None:
        for opened in self._open.values():
            opened.close()

    def _act(self, name: str, *words: object) -> object:
        if name in ("write", "append"):
            *what, fsync = words
            return getattr(self.disk, name)(*what, fsync=fsync)
        if name == "open":
            file, number = words
            if number in self._open:
                self._open[number].close()  # type: ignore[index]
            self._open[number] = self.disk.open(file)  # type: ignore[index,arg-type]
            return None
        if name.startswith("open."):
            opened = self._open.get(words[0])  # type: ignore[call-overload]
            return getattr(opened, name.removeprefix("open."))(*words[1:]) if opened else None
        act: Callable[..., object] = getattr(self.disk, name)
        return act(*words)


def conditions(plans: list[str]) -> tuple[Recorder, list[Condition]]:
    recorder, faults = Recorder(), FailingDisk([parse_fault(plan) for plan in plans])
    faults.arm()
    return recorder, [faults, recorder]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename or remove an open file")
@settings(max_examples=100, deadline=None, derandomize=True)
@given(operations=st.lists(OPERATIONS, max_size=25), plans=PLANS)
def test_a_disk_in_memory_does_what_a_real_one_does(operations, plans) -> None:
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        (Path(made) / "a").write_bytes(b"at first")
        recorder, between = conditions(plans)
        real = Hand(Disk(Path(made), between))
        recorder_of_memory, between = conditions(plans)
        memory = Hand(MemoryDisk({"a": b"at first"}, between))
        stack.callback(real.close)
        for name, *words in operations:
            assert memory.do(str(name), *words) == real.do(str(name), *words), (name, words)

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

    files = SimulatedFiles({"a": b"x"}, chance=random.Random(1), operation_s=0.001)
    for _ in range(1_000):
        await files.read("a")
    assert now() == pytest.approx(1.5, rel=0.1)

    began = now()
    files = SimulatedFiles({"a": b"x"}, operation_s=0)
    await asyncio.gather(files.read("a"), files.read("a"))
    assert now() == began
    assert files.under_way_max == 2, "they still let others go on"


@on_virtual_clock
async def test_a_write_tears_the_file_while_it_is_under_way_whatever_its_name() -> None:
    files = SimulatedFiles({"a": b"old"}, operation_s=1)
    writing = asyncio.create_task(files.write("a", b"new content"))
    await asyncio.sleep(0.25)
    assert files.disk.contents == {"a": b"old"}
    await asyncio.sleep(0.5)
    files.disk.rename("a", "b")
    assert files.disk.contents == {"b": b"new c"}
    await writing
    assert files.disk.contents == {"b": b"new content"}
    assert files.statistics()["a"].writes == 1


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
