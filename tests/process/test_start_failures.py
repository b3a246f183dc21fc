"""Whatever keeps a server from starting is one clear line, exit code 2, and touches no data."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.support.chat_client import saved
from tests.support.command_line import run, run_here, serving
from tests.support.parts import fill


def failed_start(*options: str, data: Path) -> str:
    """The one line of a server that refuses to start, having touched nothing in its folder."""
    before = content(data)
    line = run_here("serve", "--no-dashboard", "--port=0", f"--data={data}", *options).complaint
    assert content(data) == before
    return line


def content(folder: Path) -> dict[str, bytes]:
    """Every data file, to the byte."""
    paths = folder.iterdir() if folder.is_dir() else [folder]
    return {p.name: p.read_bytes() for p in paths if p.is_file() and p.name[0] != "."}


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder with data in it."""
    return fill(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host=no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--mode=optimised"], "did you mean 'optimized'"),
        (["--mode=naive+reader=tlt"], "did you mean 'ttl'"),
        (["--ack=queued"], "--ack queued is less than mode 'naive' promises"),
        (["--mode=batched", "--ack=synced"], "mode 'batched' cannot promise 'synced'"),
        (["--history=10"], "--history fills a fresh data folder only"),
        (["--fault=enospc"], "--fault 'enospc'"),
        (["--batch-size=0"], "batch-size=0: it must be a whole number of messages"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be(options: list[str], words: str, used: Path) -> None:
    assert words in failed_start(*options, data=used)


def test_a_port_that_is_taken(used: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = failed_start(f"--port={port}", data=used)
    assert f"cannot listen on 127.0.0.1:{port}: " in line
    assert "attempting" not in line  # which asyncio adds to the system's words
    assert "--port" in line


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("messages.json", b'[{"id": "1", "roomId": "gen'),
        ("messages.json", b'[{"id": 1}]'),
        ("users.json", b"[]]"),
    ],
)
def test_a_corrupt_file(name: str, broken: bytes, used: Path) -> None:
    (used / name).write_bytes(broken)
    line = failed_start(data=used)
    assert f"cannot understand {name}" in line
    assert "backup" in line


def test_a_file_that_cannot_be_read(used: Path) -> None:
    (used / "messages.json").unlink()
    (used / "messages.json").mkdir()
    assert "cannot read messages.json" in failed_start(data=used)


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("mine")
    assert "cannot use the data folder" in failed_start(data=file)


@pytest.mark.parametrize("option", ["--port=nan", "--ack=maybe", "--no-such-option"])
def test_a_wrong_option_is_named(option: str, tmp_path: Path) -> None:
    done = run_here("serve", f"--data={tmp_path / 'data'}", option)
    assert done.code == 2
    assert option.partition("=")[0] in done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.real
async def test_a_folder_that_another_server_uses(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        line = (await run("serve", "--port=0", f"--data={tmp_path}")).complaint
        holder = "" if sys.platform == "win32" else f" (process {server.process.pid})"
        assert f"another chatlab server uses the data folder {tmp_path}{holder}: stop it" in line
        assert server.process.returncode is None


@pytest.mark.real
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
async def test_a_full_disk_and_the_same_command_once_it_has_room_again(tmp_path: Path) -> None:
    words = ("serve", "--no-dashboard", "--history=5000", "--port=0", f"--data={tmp_path}")
    line = (await run(*words, prefix=("sh", "-c", 'ulimit -f 40; exec "$@"', "sh"))).complaint
    assert "cannot write messages.json" in line
    assert "File too large" in line
    for name, data in content(tmp_path).items():
        assert name.endswith(".tmp") or data.strip().endswith(b"]"), f"half a {name}"

    async with serving(tmp_path, "--history", "5000") as server:
        assert server.first_line.startswith("listening on")
        assert len(saved(tmp_path)) == 5_003
