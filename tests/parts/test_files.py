"""The one place that touches the disk: what it does, and that its counts are the truth."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from io import FileIO as RawFile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatlab.disk.conditions import FailingDisk
from chatlab.disk.counted import FOLDER, Disk, FileIO
from chatlab.disk.files import Files
from chatlab.errors import StorageError
from tests.support.parts import fill, quiet_loop


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    files.close()


async def test_reads_what_is_on_the_disk_and_counts_it(files: Files) -> None:
    (files.folder / "a.json").write_bytes(b"hello")

    assert await files.read("a.json") == await files.read("a.json") == b"hello"
    assert files.statistics() == {"a.json": FileIO(reads=2, bytes_read=10)}


@pytest.mark.parametrize(
    ("act", "content", "fsyncs"),
    [
        ([("write", b"short")], b"short", 0),
        ([("append", b"+")], b"something longer+", 0),
        ([("append", b"1"), ("write", b"2")], b"2", 0),
        ([("write synced", b"x")], b"x", 1),
        ([("write", b"x"), ("append synced", b"y")], b"xy", 1),
        ([("replace", b"new")], b"new", 1),
    ],
    ids=str,
)
async def test_what_is_written_is_there_and_counted(files, act, content, fsyncs) -> None:
    (files.folder / "a.json").write_bytes(b"something longer")
    written = sum(len(data) for _, data in act)
    for what, data in act:
        if what == "replace":
            files.disk.replace("a.json", data)
        else:
            operation, _, synced = what.partition(" ")
            await getattr(files, operation)("a.json", data, fsync=bool(synced))

    assert (files.folder / "a.json").read_bytes() == content
    counted = files.statistics()
    cost = sum((counted[name] for name in counted if name != FOLDER), FileIO())
    assert cost == FileIO(writes=len(act), fsyncs=fsyncs, bytes_written=written)


def test_a_replace_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    for nth in range(1, 5):  # truncate, write, fsync, rename
        failing = FailingDisk()
        failing.fail(nth, error="enospc")
        with pytest.raises(OSError, match="No space left"):
            Disk(tmp_path, [failing]).replace("a.json", b"new")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


async def test_data_are_synced_after_they_are_written(files, monkeypatch) -> None:
    size_at_fsync = []
    monkeypatch.setattr(os, "fsync", lambda fd: size_at_fsync.append(os.fstat(fd).st_size))
    await files.write("a.json", b"12345", fsync=True)

    assert size_at_fsync == [5]


async def test_a_write_that_is_cut_short_by_the_system_goes_on(files, monkeypatch) -> None:
    class ThreeBytesAtATime(RawFile):
        def write(self, data: memoryview) -> int:
            return super().write(data[:3])

    monkeypatch.setattr(Path, "open", lambda path, *_, **__: ThreeBytesAtATime(path, "wb"))
    await files.write("a.json", b"0123456789")
    monkeypatch.undo()

    assert (files.folder / "a.json").read_bytes() == b"0123456789"
    assert files.statistics()["a.json"].bytes_written == 10


@pytest.mark.parametrize(
    ("operation", "words", "error"),
    [
        ("read", ["a"], "cannot read a: No such file or directory"),
        ("write", ["missing/a", b""], "cannot write missing/a: No such file or directory"),
        ("append", ["missing/a", b""], "cannot append to missing/a: No such file or directory"),
        ("rename", ["a", "b"], "cannot rename a: No such file or directory"),
        pytest.param(
            *("write", ["a.folder", b"x"], "cannot write a.folder: Is a directory"),
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows has other words"),
        ),
    ],
)
async def test_what_the_system_refuses_is_a_storage_error(files, operation, words, error) -> None:
    (files.folder / "a.folder").mkdir()
    with pytest.raises(StorageError, match=re.escape(error)) as caught:
        await getattr(files, operation)(*words)
    assert caught.value.file == words[0]
    assert files.statistics() == {}


async def test_a_failed_sync_is_a_storage_error_and_not_counted(files, monkeypatch) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("chatlab.disk.counted.full_sync", fails)

    with pytest.raises(StorageError, match="Input/output error"):
        await files.write("a.json", b"x", fsync=True)
    assert files.statistics()["a.json"] == FileIO(writes=1, bytes_written=1)


async def test_the_loop_goes_on_and_a_cancelled_caller_waits(files: Files) -> None:
    may_end = threading.Event()
    ended = threading.Event()

    def slow(_: str) -> bytes:
        assert may_end.wait(10)
        ended.set()
        return b"late"

    files.disk.read = slow  # type: ignore[method-assign]
    caller, other = (asyncio.create_task(files.read("a.json")) for _ in range(2))
    await asyncio.sleep(0)
    for _ in range(3):  # however often
        caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
    may_end.set()  # reached only if the loop is free
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()
    assert await other == b"late"


async def test_a_cancelled_caller_of_an_operation_that_fails_leaves_no_loose_error(files) -> None:
    with quiet_loop():
        caller = asyncio.create_task(files.read("missing"))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        del caller


def test_counts_add_up_and_subtract_field_by_field() -> None:
    a, b = FileIO(1, 2, 3, 4, 5), FileIO(10, 20, 30, 40, 50)

    assert a + b == FileIO(11, 22, 33, 44, 55)
    assert (a + b) - b == a
    assert b.operations == 30


async def test_counts_are_exact_when_many_work_at_once(files, monkeypatch) -> None:
    class Interrupted(FileIO, frozen=True):
        """Counts whose adding up is interrupted by other threads, as it may be at any time."""

        def __add__(self, other: FileIO) -> FileIO:
            time.sleep(0)
            return Interrupted(*msgspec.structs.astuple(super().__add__(other)))

    monkeypatch.setattr("chatlab.disk.files.FileIO", Interrupted)
    (files.folder / "a.json").write_bytes(b"12345")
    await asyncio.gather(
        *(files.read("a.json") for _ in range(200)),
        *(files.append("log", b"x") for _ in range(200)),
    )

    counted = {name: msgspec.structs.astuple(io) for name, io in files.statistics().items()}
    assert counted == {"a.json": (200, 0, 0, 1000, 0), "log": (0, 200, 0, 0, 200)}


SAVE = """
import asyncio, json, sys
from pathlib import Path
from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import assemble, parse
from chatlab.chat.settings import Settings
from chatlab.disk.files import Files
from tests.support.parts import message

folder, mode = Path(sys.argv[1]), sys.argv[2]
opened = []
sys.addaudithook(lambda event, args: opened.append(Path(str(args[0])))
                 if event == "open" and str(args[0]).startswith(str(folder)) else None)

async def main():
    files = Files(folder)
    clock = asyncio.get_running_loop().time
    for start in (0, 1_000):
        parts = assemble(parse(mode), files=files, settings=Settings(log_pages_max=40),
                         clock=clock, metrics=Metrics(clock), members=lambda room_id: ())
        await parts.store.start(message(n) for n in range(start, start + 200))
        for n in range(start + 200, start + 900, 140):
            await parts.store.save([message(i) for i in range(n, n + 140)])
        await parts.store.history("general", 500)
        await parts.store.close()
    files.close()
    counts = {name: {f: getattr(io, f) for f in io.__struct_fields__}
              for name, io in files.statistics().items()}
    print(json.dumps({"counts": counts, "opened": [path.name for path in opened]}))

asyncio.run(main())
"""


def save(folder: Path, mode: str, *under: str) -> dict[str, Any]:
    """Save some messages in a process of its own; its counters, and what it opened."""
    done = subprocess.run(
        [*under, sys.executable, "-c", SAVE, str(folder), mode],
        capture_output=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
    )
    return msgspec.json.decode(done.stdout)


@pytest.mark.real
@pytest.mark.parametrize("mode", ["naive", "optimized"])
def test_the_counts_agree_with_the_opens_that_python_reports(tmp_path: Path, mode: str) -> None:
    told = save(fill(tmp_path / "data"), mode)
    counted = Counter({name: io["reads"] + io["writes"] for name, io in told["counts"].items()})
    counted["data"] = told["counts"].get(FOLDER, {}).get("fsyncs", 0)
    opened = Counter(name.removesuffix(".tmp") for name in told["opened"])

    assert opened == +counted
    assert opened["messages.json"] == {"naive": 22, "optimized": 12}[mode]


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "true"], capture_output=True, check=False).returncode == 0


CALLS = "read,pread64,write,pwrite64,fsync,fdatasync"
# 123 write(5</folder/messages.json>, ""..., 100) = 100
CALL = re.compile(r"^(?:\d+ +)?(?P<call>\w+)\(\d+<(?P<path>[^>]*)>.*\) += (?P<result>\d+)")
KINDS = {"read": "reads", "pread64": "reads", "write": "writes", "pwrite64": "writes"}


@pytest.mark.real
@pytest.mark.skipif(not strace_works(), reason="needs strace, and the permission to use it")
@pytest.mark.parametrize("mode", ["naive", "optimized", "journal", "sqlite"])
def test_the_counts_agree_with_the_system_calls(tmp_path: Path, mode: str) -> None:
    folder, trace = fill(tmp_path / "data"), tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(trace))
    told = save(folder, mode, *strace)["counts"]
    seen = system_calls(trace.read_text(), folder)

    for counts in (told, seen):
        for name, io in counts.items():
            if "sqlite" not in name:  # Python reads and writes a file in several calls
                io.update(reads=0, writes=0)
    assert seen == told
    changed = {"journal": "journal-0000000000000000.log", "sqlite": "messages.sqlite-wal"}
    assert min(seen[changed.get(mode, "messages.json")].values()) >= (mode == "sqlite") * 10


def system_calls(trace: str, folder: Path) -> dict[str, dict[str, int]]:
    """What a trace says about the files of a folder, in the words of the counters."""
    seen: dict[str, dict[str, int]] = {}
    for line in whole_calls(trace):
        call, path, result = CALL.match(line).groups()  # type: ignore[union-attr]
        if path != str(folder) and Path(path).parent != folder:
            continue
        name = FOLDER if path == str(folder) else Path(path).name.removesuffix(".tmp")
        io = seen.setdefault(name, dict.fromkeys(FileIO.__struct_fields__, 0))
        io[KINDS.get(call, "fsyncs")] += 1
        if call in KINDS:
            io["bytes_read" if "read" in call else "bytes_written"] += int(result)
    return seen


def whole_calls(trace: str) -> Iterator[str]:
    """The lines of a trace; a call that another thread interrupted is put together again."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in line and thread in begun:
            whole = begun.pop(thread) + line.split("resumed>", 1)[1]
            yield from [whole] if CALL.match(whole) else []
        elif CALL.match(line):
            yield line
