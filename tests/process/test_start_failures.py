"""Whatever keeps a server from starting is one clear line, exit code 2, and touches no data."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.chat_client import (
    ENVIRONMENT,
    WAIT_S,
    ServeProcess,
    chatlab_command,
    saved,
)


def failed_start(*options: str, file_bytes_max: int | None = None) -> str:
    """The one line on standard error of a server that refuses to start."""
    result = subprocess.run(
        chatlab_command("serve", "--no-dashboard", *options, file_bytes_max=file_bytes_max),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=2 * WAIT_S,
        env=ENVIRONMENT,
        check=False,
    )
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("chatlab: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.strip()


def content(folder: Path) -> dict[str, bytes]:
    """Every data file, to the byte."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name[0] != "."}


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder with data in it."""
    (tmp_path / "users.json").write_text('[{"id": "alice", "name": "Alice"}]')
    (tmp_path / "chatrooms.json").write_text(
        '[{"id": "general", "name": "General", "participants": ["alice"]}]'
    )
    (tmp_path / "messages.json").write_text("[]")
    return tmp_path


def test_a_port_that_is_taken(used: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        before = content(used)
        error = failed_start("--port", port, "--data", str(used))
    assert f"cannot listen on 127.0.0.1:{port}" in error
    assert "--port" in error
    assert content(used) == before


def test_a_host_that_does_not_exist(used: Path) -> None:
    error = failed_start("--host", "no.such.host.invalid", "--port", "0", "--data", str(used))
    assert "cannot listen on no.such.host.invalid" in error


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
    before = content(used)
    error = failed_start("--port", "0", "--data", str(used))
    assert f"cannot understand {name}" in error
    assert "backup" in error
    assert content(used) == before


def test_a_file_that_cannot_be_read(used: Path) -> None:
    (used / "messages.json").unlink()
    (used / "messages.json").mkdir()
    before = content(used)
    assert "cannot read messages.json" in failed_start("--port", "0", "--data", str(used))
    assert content(used) == before


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("mine")
    assert "cannot use the data folder" in failed_start("--port", "0", "--data", str(file))
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("optimised", "did you mean 'optimized'"),
        ("naive+reader=tlt", "did you mean 'ttl'"),
    ],
)
def test_an_unknown_mode_or_part(mode: str, words: str, used: Path) -> None:
    before = content(used)
    assert words in failed_start("--mode", mode, "--port", "0", "--data", str(used))
    assert content(used) == before


def test_an_ack_that_the_mode_cannot_promise(used: Path) -> None:
    before = content(used)
    for mode, ack in [("naive", "queued"), ("batched", "synced")]:
        error = failed_start("--mode", mode, "--ack", ack, "--port", "0", "--data", str(used))
        assert ack in error
        assert mode in error
    assert content(used) == before


def test_history_for_a_folder_that_is_in_use(used: Path) -> None:
    before = content(used)
    assert "fresh" in failed_start("--history", "10", "--port", "0", "--data", str(used))
    assert content(used) == before


@pytest.mark.parametrize(
    "option",
    [
        ("--port", "nan"),
        ("--ack", "maybe"),
        ("--no-such-option",),
    ],
)
def test_a_wrong_option(option: tuple[str, ...], tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = subprocess.run(
        chatlab_command("serve", "--port", "0", "--data", str(data), "--stop-with-stdin", *option),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=2 * WAIT_S,
        env=ENVIRONMENT,
        check=False,
    )
    assert result.returncode == 2, result
    assert option[0] in result.stderr
    assert "Traceback" not in result.stderr
    assert not data.exists()


async def test_a_folder_that_another_server_uses(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as server:
        before = content(tmp_path)
        error = failed_start("--port", "0", "--data", str(tmp_path))
        assert "another chatlab server uses the data folder" in error
        assert content(tmp_path) == before
        assert server.process.returncode is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk(tmp_path: Path) -> None:
    options = ("--history", "5000", "--port", "0", "--data", str(tmp_path))
    error = failed_start(*options, file_bytes_max=20_000)
    assert "cannot write messages.json" in error
    assert "File too large" in error
    for name, data in content(tmp_path).items():
        assert name.endswith(".tmp") or data.strip().endswith(b"]"), f"half a {name}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
async def test_the_same_command_works_once_the_disk_has_room_again(tmp_path: Path) -> None:
    options = ("--history", "5000", "--port", "0", "--data", str(tmp_path))
    failed_start(*options, file_bytes_max=20_000)
    async with ServeProcess(tmp_path, "--history", "5000") as server:
        assert server.first_line.startswith("listening on")
        assert len(saved(tmp_path)) == 5_003
