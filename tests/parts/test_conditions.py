"""Failing and slow disks: what a plan means, to the operation, and what a journal makes of it."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatlab.chat.parts.processor.group_commit import GroupCommitProcessor
from chatlab.chat.parts.store.journal import JournalStore
from chatlab.disk.conditions import ERRORS, FailingDisk, Fault
from chatlab.disk.counted import KINDS, Disk, Operation, OperationKind
from chatlab.disk.simulated import (
    DISKS,
    PART_BYTES_MAX,
    Simulation,
    SlowDisk,
    Speed,
    parse_fault,
    parse_slow,
    simulate,
)
from chatlab.errors import StorageError, UsageError
from tests.support.parts import FakeOutcome, entry, fill, ids
from tests.support.served_store import ServedStore, quick_folder
from tests.support.virtual_clock import now, run, settle


def armed(*plans: str) -> FailingDisk:
    """The faults of some plans, on a server that is ready."""
    faults = FailingDisk([parse_fault(plan) for plan in plans])
    faults.arm()
    return faults


def failures(faults: FailingDisk, *kinds: OperationKind) -> list[int]:
    """Which of some operations fail, counted from 1."""
    failed = []
    for number, kind in enumerate(kinds, start=1):
        try:
            faults.before(Operation(kind, "a.json"))
        except OSError:
            failed.append(number)
    return failed


# What a plan says.


@pytest.mark.parametrize(
    ("text", "error", "kind", "first", "count"),
    [
        ("enospc@100", "enospc", "write", 100, 1),
        ("edquot@1", "edquot", "write", 1, 1),
        ("enospc@fsync:2", "enospc", "fsync", 2, 1),
        ("eio@7", "eio", None, 7, 1),
        ("erofs@7+3", "erofs", None, 7, 3),
        ("eio@write:3", "eio", "write", 3, 1),
        ("eio@rename:3+2", "eio", "rename", 3, 2),
        ("eio@remove:3+", "eio", "remove", 3, None),
        ("eio@truncate:3+forever", "eio", "truncate", 3, None),
    ],
)
def test_a_fault_is_read_as_it_is_written(text, error, kind, first, count) -> None:
    assert parse_fault(text) == Fault(text, error, kind, first, count)


@pytest.mark.parametrize(
    ("plan", "found", "possible"),
    [
        ("", "''", "enospc, eio, edquot, erofs"),
        ("boom@3", "'boom'", "enospc, eio, edquot, erofs"),
        ("enospc", "'enospc'", "@N"),
        ("eio@", "''", "1 is the first"),
        ("eio@0", "'0'", "1 is the first"),
        ("eio@-1", "'-1'", "1 is the first"),
        ("eio@write", "'write'", "1 is the first"),
        ("eio@scribble:3", "'scribble'", "read, write, truncate, fsync, rename, remove"),
        ("eio@:3", "''", "read, write"),
        ("eio@3+0", "'0'", "+forever"),
        ("eio@3+ever", "'ever'", "+forever"),
        ("eio@3,,eio@4", "''", "enospc"),
        ("slow", "'slow'", "20ms or 0.5s"),
        ("slow=20", "'slow=20'", "20ms or 0.5s"),
        ("slow=-1s", "'slow=-1s'", "20ms or 0.5s"),
        ("slow=0ms", "'slow=0ms'", "more than 0"),
        ("slow=61s", "'slow=61s'", "at most 60s"),
        ("slow=1ms@sync", "'sync'", "read, write, truncate, fsync, rename, remove"),
    ],
)
def test_a_mistake_in_a_plan_names_it_and_what_is_possible(plan, found, possible, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(tmp_path, plans=[plan])
    assert "--fault" in str(caught.value)
    assert found in str(caught.value)
    assert possible in str(caught.value)
    assert "an example: --fault " in str(caught.value)


@given(st.text("enospcilw@:+=,0123.ms ", max_size=20))
def test_any_text_is_a_plan_or_a_mistake(text: str) -> None:
    with suppress(UsageError):
        simulate(Path(), plans=[text])


def test_plans_may_be_repeated_or_separated_by_commas(tmp_path: Path) -> None:
    together = simulate(tmp_path, plans=["eio@3, slow=2ms,enospc@9"], disk="hdd")
    apart = simulate(tmp_path, plans=["eio@3", "slow=2ms", "enospc@9"], disk="hdd")

    for conditions in (together, apart):
        assert all(isinstance(one, Simulation) for one in conditions)
        assert [words for one in conditions for words in one.simulated] == [  # type: ignore[attr-defined]
            "disk hdd (fsync 8 ms, 120 MB/s)",
            "each operation 2 ms slower",
            "eio@3 (0 operations so far)",
            "enospc@9 (0 writes so far)",
        ]
    assert simulate(tmp_path) == []
    with pytest.raises(UsageError, match=r"'ssd'.*hdd, network"):
        simulate(tmp_path, disk="ssd")


# Failing disks.


def test_nothing_is_counted_and_nothing_fails_before_the_server_is_ready() -> None:
    faults = FailingDisk([parse_fault("eio@2")])
    assert failures(faults, *["write"] * 5) == []
    faults.arm()
    assert failures(faults, *["write"] * 5) == [2]


def test_a_disk_fails_on_command_and_heals() -> None:
    faults = armed("eio@1")
    faults.fail(2, count=2, kind="write")
    kinds: list[OperationKind] = ["fsync", "write", "write", "write", "write"]
    assert (failures(faults, *kinds), faults.seen, faults.failed) == ([3, 4], 5, 2)
    assert faults.over
    faults.fail(count=None, which=lambda operation: operation.name == "a.json")
    assert (failures(faults, *kinds), faults.over) == ([1, 2, 3, 4, 5], False)
    faults.heal()
    assert (failures(faults, *kinds), faults.over, faults.seen) == ([], True, 5)


@pytest.mark.parametrize(
    ("plan", "failed"),
    [
        ("eio@3", [3]),
        ("eio@3+2", [3, 4]),
        ("eio@3+", [3, 4, 5, 6, 7, 8]),
        ("eio@fsync:2", [4]),
        ("eio@fsync:2+2", [4, 6]),
        ("edquot@2", [3]),
        ("eio@read:1+forever", [7]),
        ("eio@1 eio@write:2", [1, 3]),  # each counts what another one lets fail
    ],
)
def test_just_the_operations_of_the_plan_fail(plan: str, failed: list[int]) -> None:
    kinds: list[OperationKind] = [*["write", "fsync"] * 3, "read", "rename"]
    assert failures(armed(*plan.split()), *kinds) == failed


@pytest.mark.parametrize("error", ERRORS)
def test_a_fault_is_the_systems_own_error(error: str) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        armed(f"{error}@rename:1").before(Operation("rename", "a", target="b"))
    assert caught.value.errno == getattr(errno, error.upper())


def test_only_a_full_disk_keeps_half_of_a_write_and_the_next_one_fits(tmp_path: Path) -> None:
    disk = Disk(tmp_path, [armed("enospc@1")])
    with pytest.raises(OSError, match=r".") as caught:
        disk.write("a.json", b"0123456789")

    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "a.json").read_bytes() == b"01234"
    disk.write("a.json", b"0123456789")
    assert (tmp_path / "a.json").read_bytes() == b"0123456789"

    with pytest.raises(OSError, match=r"."):  # a write of nothing
        armed("enospc@1").before(Operation("write", "a.json"))
    with pytest.raises(OSError, match=r"."):
        Disk(tmp_path, [armed("edquot@1")]).append("log", b"0123456789")
    assert (tmp_path / "log").read_bytes() == b""


def test_operations_of_many_threads_are_counted_once_each() -> None:
    faults = armed("eio@write:301+200")

    def work() -> int:
        return len(failures(faults, *["write"] * 100))

    with ThreadPoolExecutor(8) as threads:
        assert sum(each.result() for each in [threads.submit(work) for _ in range(8)]) == 200


def test_its_words_say_how_far_it_has_come() -> None:
    faults = armed("eio@write:2+2", "eio@fsync:1+")
    failures(faults, "fsync", "fsync")
    told = []
    for _ in range(4):
        told.append(faults.simulated[0])
        failures(faults, "write", "read")
    assert told == [
        "eio@write:2+2 (0 writes so far)",
        "eio@write:2+2 (1 write so far)",
        "eio@write:2+2 (1 of 2 failed)",
        "eio@write:2+2 (over)",
    ]
    assert faults.simulated[1] == "eio@fsync:1+ (2 failed so far)"


# Slow disks.


def waited(
    speed: Speed, folder: Path, act: Callable[[Disk], object], *, ready: bool = True
) -> list[float]:
    """How long some work waits on such a disk."""
    waits: list[float] = []
    slow = SlowDisk(speed, folder, lambda seconds: waits.append(round(seconds, 9)))
    if ready:
        slow.arm()
    act(Disk(folder, [slow]))
    return waits


def write(size: int) -> Callable[[Disk], object]:
    return lambda disk: disk.write("a", bytes(size), fsync=True)


@pytest.mark.parametrize(
    ("speed", "act", "waits"),
    [
        (DISKS["hdd"], write(1_200_000), [0.01, 0.008]),
        (DISKS["hdd"], lambda disk: disk.read("old.json"), [0.01]),
        (DISKS["hdd"], lambda disk: disk.rename("old.json", "b"), []),
        (DISKS["network"], write(100_000), [0.002, 0.003, 0.002]),
        # A part of a large log is not charged all of it.
        (Speed("", bytes_per_s=1), lambda disk: disk.read_part("big.log", 0, 10), [PART_BYTES_MAX]),
        (parse_slow("slow=20ms"), write(1), [0.02] * 3),
        (parse_slow("slow=0.5s@fsync"), write(1), [0.5]),
    ],
)
def test_a_slow_disk_takes_time_for_what_it_is_slow_at(tmp_path, speed, act, waits) -> None:
    (tmp_path / "old.json").write_bytes(bytes(1_200_000))
    (tmp_path / "big.log").write_bytes(bytes(1_000_000))

    assert waited(speed, tmp_path, act) == waits
    if waits[1:]:
        assert waited(speed, tmp_path, act, ready=False) == []


def test_a_slow_disk_serves_one_operation_at_a_time(tmp_path: Path) -> None:
    begun = threading.Barrier(2)
    together = []

    def sleep(_: float) -> None:
        # Two that sleep at once meet here; alone, one waits in vain.
        with suppress(threading.BrokenBarrierError):
            begun.wait(0.05)
            together.append(True)
        begun.reset()

    slow = SlowDisk(DISKS["network"], tmp_path, sleep)
    slow.arm()
    with ThreadPoolExecutor(2) as threads:
        for _ in threads.map(slow.before, [Operation("fsync", "a")] * 2):
            pass
    assert together == []


# A journal on such a disk.


FEW_FAULTS = st.lists(  # early enough to strike
    st.builds(
        Fault,
        text=st.just("?"),
        error=st.sampled_from(sorted(ERRORS)),
        kind=st.sampled_from([None, *KINDS]),
        first=st.integers(1, 15),
        count=st.sampled_from([1, 1, 2, 4, None]),
    ),
    min_size=1,
    max_size=4,
)


@given(
    FEW_FAULTS, st.lists(st.integers(1, 5), min_size=1, max_size=8), st.sampled_from([200, 10**7])
)
@settings(max_examples=60, deadline=None)
def test_whatever_fails_each_ack_is_kept_in_order(plan, bursts, segment_bytes_max) -> None:
    async def scenario(folder: Path) -> None:
        served = ServedStore(
            JournalStore, fill(folder), segment_bytes_max=segment_bytes_max, drain_timeout_s=1_000.0
        )
        faults = FailingDisk(plan)
        served.files.disk = Disk(folder, [faults])
        store, outcome = served.store, FakeOutcome()
        await store.start()
        faults.arm()
        processor = GroupCommitProcessor(store, outcome, served.settings, now)
        submitted = []
        for burst in bursts:
            for _ in range(burst):
                submitted.append(entry(len(submitted), now()))
                await processor.submit(submitted[-1])
            await settle()
        unsaved = await processor.drain()
        with suppress(StorageError):  # a disk that fails for ever does so at the end, too
            await store.close()

        await served.restart()
        kept = ids(await served.store.history("general", 1_000))
        wanted = ids(one.message for one in submitted)
        assert kept == wanted[: len(kept)]
        acked = outcome.of("saved")
        assert acked == wanted[: len(acked)]
        assert len(kept) >= len(acked)
        assert len(acked) + len(unsaved) == len(wanted)
        if all(fault.count for fault in plan):
            assert kept == acked == wanted
        await served.save(900)  # it is not only readable
        assert ids(await served.store.history("general", 1)) == ["m-000900"]
        await served.store.close()

    with quick_folder() as folder:
        run(scenario(Path(folder)))
