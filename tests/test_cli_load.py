"""`chatlab load` as its user meets it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatlab.bench.client import connect, stats_url
from chatlab.bench.server_process import ServerProcess
from chatlab.chat import snapshot as snapshots
from tests.bench.fakes import FakeServer, Incoming

ENVIRONMENT = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}
TIMEOUT_S = 15


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a running server."""
    async with ServerProcess("naive", tmp_path / "data") as process:
        yield process.url


async def started(*words: str) -> asyncio.subprocess.Process:
    """`chatlab load`, under way."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", "load", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that ends by itself."""
    async with asyncio.timeout(TIMEOUT_S):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def load(*words: str) -> tuple[int, str, str]:
    return await ended(await started(*words))


async def until_accepted(url: str, count: int) -> None:
    """Wait until a server has taken so many messages."""
    enough = asyncio.Event()

    def on_frame(frame: bytes) -> None:
        if snapshots.decode(frame).counts.accepted >= count:
            enough.set()

    connection = await connect(stats_url(url, 0.05), on_frame)
    async with asyncio.timeout(TIMEOUT_S):
        await enough.wait()
    await connection.close()


async def test_a_load_prints_its_result_and_writes_its_json(server: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    code, out, errors = await load(server, "--messages", "60", "--seed", "3", "--json", str(file))

    assert code == 0, errors
    assert "load on a server in mode naive, whose acks mean 'written'" in out
    assert "60 sent, 60 acked, 60 delivered, 0 refused" in out
    assert "60 writes" in out
    assert "clean" in out
    assert "PARTIAL" not in out
    found = json.loads(file.read_bytes())
    assert found["schema"] == "chatlab.load/1"
    assert (found["complete"], found["mode"], found["seed"]) == (True, "naive", 3)
    assert found["audit"]["delivered"] == 60
    assert found["audit"]["saved"] is None
    assert found["io"]["messages.json"]["writes"] == 60
    assert found["command"] == f"chatlab load {server} --messages 60 --seed 3 --json {file}"


async def test_two_loads_on_one_server_do_not_mix(server: str) -> None:
    words = (server, "--messages", "60", "--users", "4")
    for code, out, errors in await asyncio.gather(load(*words), load(*words)):
        assert code == 0, errors
        assert "60 sent, 60 acked, 60 delivered" in out


async def test_a_server_that_loses_a_message_makes_the_load_fail() -> None:
    async def loses_one(message: Incoming) -> None:
        await message.ack()
        await message.deliver(to=slice(1 if message.request.ref == 7 else 0, None))
        await message.deliver(to=slice(0, 1 if message.request.ref == 8 else 0))

    async with FakeServer(loses_one) as server:
        code, out, _ = await load(server.url, "--messages", "20", "--users", "3")

    assert code == 1
    assert "1 acked and lost" in out
    assert "1 duplicated" in out


async def test_refusals_are_told_with_their_code_and_are_no_failure() -> None:
    async def refuses(message: Incoming) -> None:
        await message.refuse("overloaded")

    async with FakeServer(refuses) as server:
        code, out, errors = await load(server.url, "--messages", "20", "--users", "3")

    assert code == 0, errors
    assert "20 refused" in out
    assert "overloaded" in out


async def test_no_server_is_one_clear_line(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    code, out, errors = await load(url)

    assert code == 2
    assert out == ""
    [line] = errors.splitlines()
    assert line.startswith(f"chatlab: no server answers at {url}")
    assert "chatlab serve" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://127.0.0.1:1"], "ws://127.0.0.1:8765"),
        (["ws://127.0.0.1:1", "--scenario", "noon"], "unknown scenario 'noon'"),
        (["ws://127.0.0.1:1", "--json", "no/such/folder/x.json"], "no/such/folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_mistake_is_one_clear_line(words: list[str], said: str) -> None:
    code, out, errors = await load(*words)

    assert (code, out) == (2, "")
    [line] = errors.splitlines()
    assert line.startswith("chatlab: ")
    assert said in line


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_ctrl_c_keeps_what_was_measured(server: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    options = ("--messages", "10000", "--rate", "100", "--users", "3", "--json", str(file))
    process = await started(server, *options)
    await until_accepted(server, 10)
    process.send_signal(signal.SIGINT)
    code, out, errors = await ended(process)

    assert code == 130, errors
    assert "PARTIAL" in out
    assert "Traceback" not in errors
    found = json.loads(file.read_bytes())
    assert found["complete"] is False
    assert found["interrupted"] is True
    assert 1 <= found["audit"]["acked"] <= found["audit"]["sent"] < 10_000


async def test_a_server_that_dies_in_the_middle_leaves_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    killed = await ServerProcess("naive", tmp_path / "data").__aenter__()
    options = ("--messages", "10000", "--rate", "100", "--users", "3", "--json", str(file))
    process = await started(killed.url, *options)
    await until_accepted(killed.url, 10)
    await killed.kill()
    process_ended = await ended_soon(process)

    code, out, errors = process_ended
    assert code not in (0, 1), errors
    assert "Traceback" not in errors
    assert "PARTIAL" in out, errors
    assert json.loads(file.read_bytes())["audit"]["acked"] >= 1


async def ended_soon(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """As `ended`; a command that goes on for no reason is stopped."""
    try:
        return await ended(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
