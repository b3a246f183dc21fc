"""The one place that touches the disk: what it does, and that its counts are the truth."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chatlab.disk.counted import FOLDER, FileIO
from chatlab.disk.files import Files
from chatlab.errors import StorageError
from tests.support.parts import fill


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    files.close()


async def test_reads_what_is_on_the_disk(files: Files) -> None:
    (files.folder / "a.json").write_bytes(b"hello")

    assert await files.read("a.json") == b"hello"


async def test_counts_a_read_and_its_bytes(files: Files) -> None:
    (files.folder / "a.json").write_bytes(b"hello")
    await files.read("a.json")
    await files.read("a.json")

    assert files.statistics() == {"a.json": FileIO(reads=2, bytes_read=10)}


async def test_write_makes_the_file_hold_just_the_data(files: Files) -> None:
    (files.folder / "a.json").write_bytes(b"something longer")
    await files.write("a.json", b"short")

    assert (files.folder / "a.json").read_bytes() == b"short"
    assert files.statistics() == {"a.json": FileIO(writes=1, bytes_written=5)}


async def test_append_adds_to_the_end(files: Files) -> None:
    await files.append("log", b"one")
    await files.append("log", b"two")

    assert (files.folder / "log").read_bytes() == b"onetwo"
    assert files.statistics() == {"log": FileIO(writes=2, bytes_written=6)}


async def test_counts_an_fsync_only_where_there_was_one(files: Files) -> None:
    await files.write("a.json", b"x")
    await files.write("a.json", b"x", fsync=True)
    await files.append("a.json", b"x", fsync=True)

    assert files.statistics()["a.json"] == FileIO(writes=3, fsyncs=2, bytes_written=3)


async def test_data_are_synced_after_they_are_written(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    size_at_fsync = []
    monkeypatch.setattr(os, "fsync", lambda fd: size_at_fsync.append(os.fstat(fd).st_size))
    await files.write("a.json", b"12345", fsync=True)

    assert size_at_fsync == [5]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
async def test_counts_a_sync_of_the_folder(files: Files) -> None:
    await files.fsync_folder()

    assert files.statistics() == {FOLDER: FileIO(fsyncs=1)}


async def test_counts_a_temporary_file_under_its_final_name(files: Files) -> None:
    await files.write("a.json.tmp", b"12345")

    assert files.statistics() == {"a.json": FileIO(writes=1, bytes_written=5)}


async def test_rename_replaces_the_target(files: Files) -> None:
    (files.folder / "old").write_bytes(b"old")
    (files.folder / "new").write_bytes(b"new")
    await files.rename("new", "old")

    assert (files.folder / "old").read_bytes() == b"new"
    assert not (files.folder / "new").exists()


async def test_a_large_write_is_written_whole(files: Files) -> None:
    data = bytes(range(256)) * 20_000
    await files.write("big", data)

    assert (files.folder / "big").read_bytes() == data
    assert files.statistics()["big"].bytes_written == len(data)


async def test_a_write_that_is_cut_short_by_the_system_goes_on(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_open = Path.open

    class ThreeBytesAtATime:
        def __init__(self, path: Path) -> None:
            self._file = true_open(path, "wb", buffering=0)

        def close(self) -> None:
            self._file.close()

        def write(self, data: memoryview) -> int:
            return self._file.write(data[:3])

    monkeypatch.setattr(Path, "open", lambda path, *_, **__: ThreeBytesAtATime(path))
    await files.write("a.json", b"0123456789")
    monkeypatch.undo()

    assert (files.folder / "a.json").read_bytes() == b"0123456789"


@pytest.mark.parametrize("operation", ["read", "write", "append", "rename"])
async def test_a_missing_folder_is_a_storage_error(tmp_path: Path, operation: str) -> None:
    files = Files(tmp_path / "missing")
    act = {
        "read": lambda: files.read("a"),
        "write": lambda: files.write("a", b""),
        "append": lambda: files.append("a", b""),
        "rename": lambda: files.rename("a", "b"),
    }
    with pytest.raises(StorageError, match="No such file or directory"):
        await act[operation]()
    assert files.statistics() == {}
    files.close()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
async def test_no_permission_is_a_storage_error(files: Files) -> None:
    # A folder in the file's place: even the superuser may not write into that.
    (files.folder / "a.json").mkdir()

    with pytest.raises(StorageError, match=r"cannot write a\.json: Is a directory") as caught:
        await files.write("a.json", b"x")
    assert (caught.value.operation, caught.value.file) == ("write", "a.json")


async def test_a_failed_sync_is_a_storage_error_and_not_counted(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("chatlab.disk.counted.full_sync", fails)

    with pytest.raises(StorageError, match="Input/output error"):
        await files.write("a.json", b"x", fsync=True)
    assert files.statistics()["a.json"] == FileIO(writes=1, bytes_written=1)


async def test_a_cancelled_caller_waits_for_its_operation_to_end(files: Files) -> None:
    may_end = threading.Event()
    ended = threading.Event()

    def slow(_: str) -> bytes:
        may_end.wait(10)
        ended.set()
        return b""

    files.disk.read = slow  # type: ignore[method-assign]
    caller = asyncio.create_task(files.read("a.json"))
    await asyncio.sleep(0)
    for _ in range(3):  # however often
        caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


async def test_a_cancelled_caller_of_an_operation_that_fails_leaves_no_loose_error(
    files: Files,
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: complaints.append(context["message"])
    )
    caller = asyncio.create_task(files.read("missing"))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    del caller
    gc.collect()

    assert complaints == []


async def test_the_loop_goes_on_while_a_file_is_slow(files: Files) -> None:
    may_end = threading.Event()

    def slow(_: str) -> bytes:
        assert may_end.wait(10)
        return b"late"

    files.disk.read = slow  # type: ignore[method-assign]
    reading = asyncio.create_task(files.read("a.json"))
    await asyncio.sleep(0)
    may_end.set()  # reached only if the loop is free

    assert await reading == b"late"


def test_counts_add_up_and_subtract_field_by_field() -> None:
    a, b = FileIO(1, 2, 3, 4, 5), FileIO(10, 20, 30, 40, 50)

    assert a + b == FileIO(11, 22, 33, 44, 55)
    assert (a + b) - b == a
    assert b.operations == 30


async def test_counts_are_exact_when_many_work_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
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


SAVE_FIVE = """
import asyncio, json, sys
from pathlib import Path
from chatlab.chat.metrics import Metrics
from chatlab.chat.modes import assemble, parse
from chatlab.disk.files import Files
from chatlab.chat.protocol import Message
from chatlab.chat.settings import Settings

folder, mode, watch = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "watch"
opened = []
if watch:
    def see(event, args):
        if event == "open" and str(args[0]).startswith(str(folder)):
            opened.append(Path(args[0]).name)
    sys.addaudithook(see)

async def main():
    files = Files(folder)
    clock = asyncio.get_running_loop().time
    parts = assemble(parse(mode), files=files, settings=Settings(), clock=clock,
                     metrics=Metrics(clock), members=lambda room_id: ())
    for n in range(5):
        text = Message(f"m{n}", "general", "alice", "x" * 1000, "2026-01-01T00:00:00.000Z")
        await parts.store.save([text])
    files.close()
    counts = {name: {f: getattr(io, f) for f in io.__struct_fields__}
              for name, io in files.statistics().items()}
    print(json.dumps({"counts": counts, "opened": opened}))

asyncio.run(main())
"""
MODES = ["naive", "optimized"]


def save_five(folder: Path, mode: str, *, watch: bool, under: tuple[str, ...] = ()) -> dict:
    """Save five messages in a process of its own; its counters, and what it opened."""
    import json

    done = subprocess.run(
        [*under, sys.executable, "-c", SAVE_FIVE, str(folder), mode, "watch" if watch else "no"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("mode", MODES)
def test_the_counts_agree_with_the_opens_that_python_reports(tmp_path: Path, mode: str) -> None:
    told = save_five(fill(tmp_path / "data"), mode, watch=True)
    counted = Counter({name: io["reads"] + io["writes"] for name, io in told["counts"].items()})
    counted[tmp_path.joinpath("data").name] = counted.pop(FOLDER, 0) + (
        told["counts"].get(FOLDER, {}).get("fsyncs", 0)
    )
    opened = Counter(name.removesuffix(".tmp") for name in told["opened"])

    assert opened == +counted
    assert opened["messages.json"] == {"naive": 10, "optimized": 6}[mode]


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "true"], capture_output=True, check=False).returncode == 0


CALLS = "openat,read,write,fsync,fdatasync,rename,renameat,renameat2"
# 123 write(5</folder/messages.json>, ""..., 100) = 100
CALL = re.compile(
    r"^(?:\d+ +)?(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?:<(?P<path>[^>]*)>)?"
)


@pytest.mark.skipif(not strace_works(), reason="needs strace, and the permission to use it")
@pytest.mark.parametrize("mode", MODES)
def test_the_counts_agree_with_the_system_calls(tmp_path: Path, mode: str) -> None:
    folder, trace = fill(tmp_path / "data"), tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(trace))
    told = save_five(folder, mode, watch=False, under=strace)["counts"]
    seen = system_calls(trace.read_text(), folder)

    messages = Counter(told["messages.json"])
    assert seen["open", "messages.json"] == messages["reads"] + messages["writes"]
    assert seen["read bytes", "messages.json"] == messages["bytes_read"]
    assert seen["write bytes", "messages.json"] == messages["bytes_written"]
    assert seen["fsync", "messages.json"] == messages["fsyncs"]
    assert seen["fsync", FOLDER] == told.get(FOLDER, {}).get("fsyncs", 0)
    assert seen["rename", "messages.json"] == {"naive": 0, "optimized": 5}[mode]
    assert (messages["reads"], messages["writes"]) == {"naive": (5, 5), "optimized": (1, 5)}[mode]


def system_calls(trace: str, folder: Path) -> Counter[tuple[str, str]]:
    """What a trace says about the files of a folder: (call, file) to how often, or bytes."""
    seen: Counter[tuple[str, str]] = Counter()
    for line in whole_calls(trace):
        call, arguments, result, path = CALL.match(line).groups()  # type: ignore[union-attr]
        if int(result) < 0:
            continue
        if call == "openat":
            seen["open", name_in(folder, path)] += 1
        elif call in ("read", "write"):
            seen[f"{call} bytes", name_in(folder, first_path(arguments))] += int(result)
        elif call in ("fsync", "fdatasync"):
            seen["fsync", name_in(folder, first_path(arguments))] += 1
        elif f'"{folder}/messages.json"' in arguments:  # the second path is the target
            seen["rename", "messages.json"] += 1
    return seen


def whole_calls(trace: str) -> Iterator[str]:
    """The lines of a trace; a call that another thread interrupted is put together again."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in line:
            yield begun.pop(thread) + line.split("resumed>", 1)[1]
        elif CALL.match(line):
            yield line


def first_path(arguments: str) -> str:
    found = re.match(r"\d+<([^>]*)>", arguments)
    return found[1] if found else ""


def name_in(folder: Path, path: str | None) -> str:
    """A file's name as the counters have it; of a file elsewhere, the whole path."""
    if path == str(folder):
        return FOLDER
    if path and Path(path).parent == folder:
        return Path(path).name.removesuffix(".tmp")
    return path or ""
