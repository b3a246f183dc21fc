"""Writers: one contract for all of them, then what each of the two is about."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.disk.counted import FOLDER, FileIO
from chatlab.disk.files import Files
from chatlab.errors import StorageError
from tests.support.parts import every

NAME = "messages.json"
EVERY = pytest.mark.parametrize("part", every("writer"))
OLD, NEW = b"the old content, which is longer", b"the new one"


class RecordingFiles(Files):
    """Real files that keep a record of what was asked, and refuse one thing if told to.

    Attributes:
        record: the operations asked for, in order.
        seen: the file's content after each write.
        refuse: the operation that fails, if any; a refused write leaves half of its data.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.record: list[tuple[str, ...]] = []
        self.seen: list[bytes] = []
        self.refuse: str | None = None

    async def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        if self.refuse == "write":
            (self.folder / name).write_bytes(data[: len(data) // 2])
        self._note("write", name, "fsync" if fsync else "no fsync")
        await super().write(name, data, fsync=fsync)
        if (self.folder / NAME).exists():
            self.seen.append(on_disk(self))

    async def rename(self, source: str, target: str) -> None:
        self._note("rename", source, target)
        await super().rename(source, target)

    async def fsync_folder(self) -> None:
        self._note("fsync folder")
        await super().fsync_folder()

    def _note(self, *operation: str) -> None:
        self.record.append(operation)
        if self.refuse == operation[0]:
            raise StorageError(operation[0], NAME, "Input/output error")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[RecordingFiles]:
    (tmp_path / NAME).write_bytes(OLD)
    files = RecordingFiles(tmp_path)
    yield files
    files.close()


def on_disk(files: Files) -> bytes:
    return (files.folder / NAME).read_bytes()


# The contract of every writer.


@EVERY
@pytest.mark.parametrize("data", [NEW, OLD * 10_000, b"", b"\x00\xff\r\n"])
@pytest.mark.parametrize("there", [True, False])
async def test_the_file_then_holds_the_data_and_no_other_changed(files, part, data, there) -> None:
    (files.folder / "other.json").write_bytes(b"other")
    if not there:
        (files.folder / NAME).unlink()
    writer = part(files)
    for content in (b"an earlier one", data):
        await writer.replace(NAME, content)
        assert on_disk(files) == content

    assert sorted(path.name for path in files.folder.iterdir()) == [NAME, "other.json"]
    assert (files.folder / "other.json").read_bytes() == b"other"


@EVERY
async def test_promises_no_more_than_it_does(files, part) -> None:
    await part(files).replace(NAME, NEW)
    io = files.statistics()

    assert part.promise in ACK_LEVELS
    assert io[NAME].bytes_written >= len(NEW)
    if part.promise == "synced":
        assert io[NAME].fsyncs >= 1
        if os.name != "nt":
            assert io[FOLDER].fsyncs >= 1


@EVERY
async def test_a_failure_is_a_storage_error_not_the_end(files, part, tmp_path) -> None:
    missing = Files(tmp_path / "missing")
    with pytest.raises(StorageError):
        await part(missing).replace(NAME, NEW)
    missing.close()

    writer = part(files)
    files.refuse = "write"
    with pytest.raises(StorageError):
        await writer.replace(NAME, NEW)
    files.refuse = None
    await writer.replace(NAME, NEW)
    assert on_disk(files) == NEW


# The plain writer.


async def test_truncate_writes_in_place_and_syncs_nothing(files) -> None:
    await TruncateWriter(files).replace(NAME, NEW)

    assert files.record == [("write", NAME, "no fsync")]
    assert files.statistics() == {NAME: FileIO(writes=1, bytes_written=len(NEW))}


async def test_truncate_tears_the_file_when_a_write_fails_half_way(files) -> None:
    files.refuse = "write"
    with pytest.raises(StorageError):
        await TruncateWriter(files).replace(NAME, NEW)

    assert on_disk(files) == NEW[: len(NEW) // 2]


async def test_truncate_shows_a_reader_an_empty_file_while_it_writes(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(OLD)
    files = Files(tmp_path)
    seen = []
    true_open = Path.open

    def open_and_look(path: Path, *args, **kwargs):
        opened = true_open(path, *args, **kwargs)
        seen.append(path.stat().st_size)
        return opened

    monkeypatch.setattr(Path, "open", open_and_look)
    await TruncateWriter(files).replace(NAME, NEW)
    files.close()

    assert seen == [0]


# The atomic writer.


async def test_atomic_writes_syncs_renames_and_syncs_the_folder_in_this_order(files) -> None:
    await AtomicWriter(files).replace(NAME, NEW)

    assert files.record == [
        ("write", NAME + ".tmp", "fsync"),
        ("rename", NAME + ".tmp", NAME),
        ("fsync folder",),
    ]
    assert files.seen == [OLD], "a reader sees the old content while it writes"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
async def test_atomic_costs_one_write_and_two_fsyncs(files) -> None:
    await AtomicWriter(files).replace(NAME, NEW)

    assert files.statistics() == {
        NAME: FileIO(writes=1, fsyncs=1, bytes_written=len(NEW)),
        FOLDER: FileIO(fsyncs=1),
    }


@pytest.mark.parametrize(("step", "left"), [("write", OLD), ("rename", OLD), ("fsync folder", NEW)])
async def test_atomic_leaves_a_whole_file_whichever_step_fails(files, step, left) -> None:
    files.refuse = step
    with pytest.raises(StorageError):
        await AtomicWriter(files).replace(NAME, NEW)

    assert on_disk(files) == left


async def test_atomic_keeps_the_old_content_if_the_data_cannot_be_synced(
    files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("chatlab.disk.counted.full_sync", fails)
    with pytest.raises(StorageError, match="Input/output error"):
        await AtomicWriter(files).replace(NAME, NEW)

    assert on_disk(files) == OLD
