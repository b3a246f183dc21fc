"""Writers: one contract for all of them, then the steps of each of the two, and what they leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatlab.chat.parts.writer.atomic import AtomicWriter
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.disk.counted import FOLDER, Disk, FileIO
from chatlab.errors import StorageError
from tests.support.parts import InlineFiles, every
from tests.support.served_store import Unlucky

NAME, TEMPORARY = "messages.json", "messages.json.tmp"
EVERY = pytest.mark.parametrize("part", every("writer"))
OLD, NEW = b"the old content, which is longer", b"the new one"
ON_TEMPORARY = [(step, TEMPORARY) for step in ("truncate", "write", "fsync", "rename")]
SYNCS_FOLDERS = pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")


@pytest.fixture
def disk() -> Unlucky:
    return Unlucky()


@pytest.fixture
def files(tmp_path: Path, disk: Unlucky) -> InlineFiles:
    (tmp_path / NAME).write_bytes(OLD)
    return InlineFiles(tmp_path, Disk(tmp_path, [disk]))


def on_disk(files: InlineFiles) -> bytes:
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
async def test_a_failure_is_a_storage_error_not_the_end(files, disk, part, tmp_path) -> None:
    with pytest.raises(StorageError):
        await part(InlineFiles(tmp_path / "missing")).replace(NAME, NEW)
    writer = part(files)
    disk.fail(kind="write", error="enospc")
    with pytest.raises(StorageError):
        await writer.replace(NAME, NEW)
    await writer.replace(NAME, NEW)
    assert on_disk(files) == NEW


# What each of the two is about.


@pytest.mark.parametrize(
    ("part", "steps", "io"),
    [
        # A reader between the two steps finds an empty file.
        (
            TruncateWriter,
            [("truncate", NAME), ("write", NAME)],
            {NAME: FileIO(writes=1, bytes_written=len(NEW))},
        ),
        # A reader finds the old content until the rename.
        pytest.param(
            AtomicWriter,
            [*ON_TEMPORARY, ("fsync", FOLDER)],
            {NAME: FileIO(writes=1, fsyncs=1, bytes_written=len(NEW)), FOLDER: FileIO(fsyncs=1)},
            marks=SYNCS_FOLDERS,
        ),
    ],
)
async def test_a_writer_takes_these_steps_in_this_order(files, disk, part, steps, io) -> None:
    await part(files).replace(NAME, NEW)

    assert [(one.kind, one.name) for one in disk.operations] == steps
    assert files.statistics() == io


@pytest.mark.parametrize(
    ("part", "step", "nth", "left"),
    [
        (TruncateWriter, "write", 1, NEW[: len(NEW) // 2]),  # torn
        (AtomicWriter, "write", 1, OLD),
        (AtomicWriter, "fsync", 1, OLD),
        (AtomicWriter, "rename", 1, OLD),
        pytest.param(AtomicWriter, "fsync", 2, NEW, marks=SYNCS_FOLDERS),  # of the folder
    ],
)
async def test_only_the_atomic_writer_leaves_a_whole_file_whichever_step_fails(
    files, disk, part, step, nth, left
) -> None:
    disk.fail(nth, kind=step, error="enospc")
    with pytest.raises(StorageError, match="No space left"):
        await part(files).replace(NAME, NEW)

    assert on_disk(files) == left
