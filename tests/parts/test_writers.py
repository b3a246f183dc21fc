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
OLD, NEW = b"the old content, which is longer", b"the new one"


class RecordingFiles(Files):
    """Real files that keep a record of what was asked, and refuse one thing if told to.

    Attributes:
        record: the operations asked for, in order.
        refuse: the operation that fails, if any; a refused write leaves half of its data.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.record: list[tuple[object, ...]] = []
        self.refuse: str | None = None

    async def write(self, name: str, data: bytes, *, fsync: bool = False) -> None:
        self.record.append(("write", name, "fsync" if fsync else "no fsync"))
        if self.refuse == "write":
            (self.folder / name).write_bytes(data[: len(data) // 2])
            raise StorageError("write", name, "No space left on device")
        await super().write(name, data, fsync=fsync)

    async def rename(self, source: str, target: str) -> None:
        self.record.append(("rename", source, target))
        if self.refuse == "rename":
            raise StorageError("rename", source, "Input/output error")
        await super().rename(source, target)

    async def fsync_folder(self) -> None:
        self.record.append(("fsync folder",))
        if self.refuse == "fsync folder":
            raise StorageError("fsync", FOLDER, "Input/output error")
        await super().fsync_folder()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[RecordingFiles]:
    (tmp_path / NAME).write_bytes(OLD)
    files = RecordingFiles(tmp_path)
    yield files
    files.close()


def on_disk(files: Files) -> bytes:
    return (files.folder / NAME).read_bytes()


# The contract of every writer.


@pytest.mark.parametrize("part", every("writer"))
@pytest.mark.parametrize("data", [NEW, OLD * 10_000, b"", b"\x00\xff\r\n"])
async def test_the_file_then_holds_exactly_the_data(files, part, data) -> None:
    await part(files).replace(NAME, data)

    assert on_disk(files) == data


@pytest.mark.parametrize("part", every("writer"))
async def test_makes_a_file_that_does_not_exist(files, part) -> None:
    (files.folder / NAME).unlink()
    await part(files).replace(NAME, NEW)

    assert on_disk(files) == NEW


@pytest.mark.parametrize("part", every("writer"))
async def test_leaves_nothing_else_behind(files, part) -> None:
    (files.folder / "other.json").write_bytes(b"other")
    await part(files).replace(NAME, NEW)

    assert sorted(path.name for path in files.folder.iterdir()) == [NAME, "other.json"]
    assert (files.folder / "other.json").read_bytes() == b"other"


@pytest.mark.parametrize("part", every("writer"))
async def test_the_last_of_several_wins(files, part) -> None:
    writer = part(files)
    for n in range(5):
        await writer.replace(NAME, b"content %d" % n)

    assert on_disk(files) == b"content 4"


@pytest.mark.parametrize("part", every("writer"))
async def test_promises_no_more_than_it_does(files, part) -> None:
    await part(files).replace(NAME, NEW)
    io = files.statistics()

    assert part.promise in ACK_LEVELS
    assert io[NAME].bytes_written >= len(NEW)
    if part.promise == "synced":
        assert io[NAME].fsyncs >= 1
        if os.name != "nt":
            assert io[FOLDER].fsyncs >= 1


@pytest.mark.parametrize("part", every("writer"))
async def test_a_failure_is_a_storage_error(tmp_path, part) -> None:
    files = Files(tmp_path / "missing")
    with pytest.raises(StorageError):
        await part(files).replace(NAME, NEW)
    files.close()


@pytest.mark.parametrize("part", every("writer"))
async def test_works_again_after_a_failure(files, part) -> None:
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


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
async def test_atomic_costs_one_write_and_two_fsyncs(files) -> None:
    await AtomicWriter(files).replace(NAME, NEW)

    assert files.statistics() == {
        NAME: FileIO(writes=1, fsyncs=1, bytes_written=len(NEW)),
        FOLDER: FileIO(fsyncs=1),
    }


@pytest.mark.parametrize("step", ["write", "rename"])
async def test_atomic_keeps_the_old_content_if_a_step_before_the_rename_fails(files, step) -> None:
    files.refuse = step
    with pytest.raises(StorageError):
        await AtomicWriter(files).replace(NAME, NEW)

    assert on_disk(files) == OLD


async def test_atomic_keeps_the_old_content_if_the_data_cannot_be_synced(
    files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("chatlab.disk.counted.full_sync", fails)
    with pytest.raises(StorageError, match="Input/output error"):
        await AtomicWriter(files).replace(NAME, NEW)

    assert on_disk(files) == OLD


async def test_atomic_says_so_if_the_folder_cannot_be_synced_and_the_file_is_whole(files) -> None:
    files.refuse = "fsync folder"
    with pytest.raises(StorageError):
        await AtomicWriter(files).replace(NAME, NEW)

    assert on_disk(files) == NEW


async def test_atomic_shows_a_reader_the_old_content_while_it_writes(
    files, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    true_write = Files.write

    async def write_and_look(self, name, data, *, fsync=False):
        await true_write(self, name, data, fsync=fsync)
        seen.append(on_disk(files))

    monkeypatch.setattr(Files, "write", write_and_look)
    await AtomicWriter(files).replace(NAME, NEW)

    assert seen == [OLD]
