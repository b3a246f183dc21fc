"""What an atomic replace keeps of a file: data, exports, progress and exercises alike."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import pytest

from chatlab.bench.documents import Documents
from chatlab.chat.interchange import write_json
from chatlab.chat.modes import parse, storage
from chatlab.chat.settings import Settings
from chatlab.course.progress import ProgressFile, hinted
from chatlab.data.folder import DataFolder
from chatlab.disk.counted import Disk
from chatlab.disk.files import Files
from chatlab.disk.replacement import create
from chatlab.errors import StorageError, UsageError
from tests.support.chat_client import chatting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of this kind")
ROOT = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root may give a file away"
)
OTHER_USER, OTHER_GROUP = 12_345, 54_321


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def replace_by_writer(path: Path) -> None:
    files = Files(path.parent)
    _, writer, *_ = storage(parse("naive+writer=atomic"), files, Settings())
    asyncio.run(writer.replace(path.name, b"new"))
    files.close()


def replace_by_any_name(path: Path) -> None:
    """As a learner's writer may do it."""
    disk = Disk(path.parent)
    disk.write("my-new-file", b"new", fsync=True)
    disk.rename("my-new-file", path.name)


def export(path: Path) -> None:
    Documents({"--json": path}).write({"--json": lambda: "new"})


def update_progress(path: Path) -> None:
    ProgressFile(path.parent).update(lambda progress: hinted(progress, "01_cache", 1))


WAYS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "atomic writer": ("messages.json", replace_by_writer),
    "replace": ("work.py", lambda path: Disk(path.parent).replace(path.name, b"new")),
    "another temporary name": ("a.json", replace_by_any_name),
    "export of messages": ("out.json", lambda path: write_json(path, [])),
    "report": ("report.json", export),
    "progress": ("progress.json", update_progress),
}
EACH_WAY = pytest.mark.parametrize(("name", "replace"), WAYS.values(), ids=WAYS)


@EACH_WAY
def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(
    name: str, replace: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    real, link = tmp_path / "elsewhere" / "real", tmp_path / "here" / name
    real.write_bytes(b"")
    link.symlink_to(real)
    for mode in (0o600, 0o640, 0o664, 0o444):
        real.write_bytes(b"{}") if mode != 0o444 else None
        real.chmod(mode)
        replace(link)
        assert mode_of(real) == mode
        assert link.is_symlink()
        assert real.read_bytes() not in (b"", b"{}")
    left = {path.name for path in tmp_path.rglob("*")}
    assert left - {"progress.lock"} == {"elsewhere", "here", "real", name}


@EACH_WAY
def test_a_new_file_has_the_mode_that_the_umask_leaves(
    name: str, replace: Callable[[Path], object], tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        replace(tmp_path / name)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / name) == 0o640


@EACH_WAY
@ROOT
def test_root_leaves_a_file_to_whom_it_belongs(
    name: str, replace: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b"{}")
    os.chown(path, OTHER_USER, OTHER_GROUP)
    path.chmod(0o640)
    replace(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode_of(path)) == (OTHER_USER, OTHER_GROUP, 0o640)
    assert path.read_bytes() != b"{}"


@ROOT
def test_a_group_that_cannot_be_kept_gets_no_more_than_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    os.chown(path, 0, OTHER_GROUP)
    path.chmod(0o664)
    monkeypatch.setattr(os, "chown", refuse)  # as for anybody but root
    Disk(tmp_path).replace("a.json", b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o644)


@ROOT
def test_a_user_replaces_what_others_left_in_the_users_folder(tmp_path: Path) -> None:
    path, left = tmp_path / "a.json", tmp_path / "a.json.tmp"
    for one in (path, left):
        one.write_bytes(b"of root")
    path.chmod(0o664)
    left.chmod(0o600)  # by a server that was killed
    os.chown(tmp_path, OTHER_USER, OTHER_GROUP)
    for above in tmp_path.parents:
        if above.is_relative_to(Path(gettempdir()) / "pytest-of-root"):
            above.chmod(0o755)
    os.setegid(OTHER_GROUP)
    os.seteuid(OTHER_USER)
    try:
        replace_by_writer(tmp_path / "a.json")
    finally:
        os.seteuid(0)
        os.setegid(0)
    found = path.stat()
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o644)
    assert (found.st_uid, found.st_gid) == (OTHER_USER, OTHER_GROUP)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_link_may_lead_to_another_file_system(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        real = Path(elsewhere) / "real"
        real.write_bytes(b"old")
        if real.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("both are one file system here")
        (tmp_path / "a.json").symlink_to(real)
        replace_by_writer(tmp_path / "a.json")
        assert real.read_bytes() == b"new"
        assert [path.name for path in Path(elsewhere).iterdir()] == ["real"]


def test_a_new_file_may_be_like_another(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    (tmp_path / "a.log").chmod(0o640)
    Disk(tmp_path).write("b.log.tmp", b"", like="a.log")
    assert mode_of(tmp_path / "b.log.tmp") == 0o640


def test_a_temporary_file_is_never_wider_than_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, temporary = tmp_path / "a.json", tmp_path / "a.json.tmp"
    target.write_bytes(b"secret")
    target.chmod(0o600)
    temporary.write_bytes(b"left by a kill")  # and open to everybody
    temporary.chmod(0o666)
    true_open = os.open

    def watched(path: Any, *how: Any) -> int:
        descriptor = true_open(path, *how)
        assert mode_of(path) == 0o600  # at once, not only after a change of its mode
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    with temporary.open("rb") as spy:
        with create(temporary, target) as file:
            assert mode_of(temporary) == 0o600
            file.write(b"new secret")
        assert spy.read() == b"left by a kill"


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device"])
@EACH_WAY
def test_what_is_no_plain_file_is_refused_and_not_replaced(
    kind: str, name: str, replace: Callable[[Path], object], tmp_path: Path
) -> None:
    if replace in (export, update_progress):
        pytest.skip("an export writes into a pipe; progress is kept in memory then")
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.chdir(tmp_path)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    else:
        path.symlink_to("/dev/null")
    before = path.stat()
    with pytest.raises((OSError, StorageError), match="not a plain file"):
        replace(path)
    assert path.stat().st_ino == before.st_ino
    assert [one.name for one in tmp_path.iterdir() if one.name != "my-new-file"] == [name]


@pytest.mark.parametrize("name", ["users.json", "chatrooms.json", "messages.json"])
async def test_a_server_does_not_wait_for_a_pipe(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match=f"cannot read {name}: {name} is a named pipe"):
        async with DataFolder(tmp_path):
            pass


@pytest.mark.parametrize("mode", ["naive", "optimized", "journal+segment-size=30000", "sqlite"])
async def test_a_private_folder_stays_private_under_a_server(mode: str, tmp_path: Path) -> None:
    async with chatting(mode, tmp_path, "alice"):
        pass
    for name in Disk(tmp_path).names():
        (tmp_path / name).chmod(0o600)
    how = {"compress_segments": "journal" in mode}
    async with chatting(mode, tmp_path, "alice", **how) as (_, alice):
        for n in range(20):
            assert (await alice.say(f"{n} {'x' * 3_900}"))["type"] == "ack"
    kept = {name: mode_of(tmp_path / name) for name in Disk(tmp_path).names()}
    assert set(kept.values()) == {0o600}, kept
    assert ("journal" not in mode) or any(name.endswith(".z") for name in kept)
