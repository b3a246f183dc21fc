"""`chatlab top` as its user meets it, in a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatlab.bench.server_process import ServerProcess

ENVIRONMENT = os.environ | {"COLUMNS": "100"}
TIMEOUT_S = 20


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess("optimized", tmp_path) as process:
        yield process


@pytest.fixture
async def top(server: ServerProcess) -> AsyncIterator[asyncio.subprocess.Process]:
    """`chatlab top` on the server."""
    process = await started(server.url, "--interval", "0.1")
    yield process
    if process.returncode is None:
        process.kill()
        await process.communicate()


async def started(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", "top", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        return (await process.stdout.readline()).decode()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(TIMEOUT_S):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_a_pipe_gets_plain_lines(top: asyncio.subprocess.Process) -> None:
    lines = [await first_line(top), await first_line(top)]

    for line in lines:
        assert " optimized clients 0 accepted 0" in line
        assert "\x1b" not in line
        assert line.endswith("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_ctrl_c_detaches_and_leaves_the_server_alone(
    server: ServerProcess, top: asyncio.subprocess.Process
) -> None:
    await first_line(top)
    top.send_signal(signal.SIGINT)
    code, out, errors = await ended(top)

    assert code == 0
    assert errors == ""
    assert "has stopped" not in out
    assert "optimized" in out  # the summary
    assert await server.stop() == "stopped: 0 queued messages saved, 0 unsaved"


async def test_it_ends_when_the_server_stops(
    server: ServerProcess, top: asyncio.subprocess.Process
) -> None:
    await first_line(top)
    await server.stop()
    code, out, errors = await ended(top)

    assert code == 0
    assert errors == ""
    assert f"the server at {server.url} has stopped" in out


def errors_without_a_reader(url: str) -> str:
    """What `chatlab top URL | head -1` says on its standard error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chatlab", "top", url, "--interval", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stderr as stderr:
        assert process.stdout.readline()
        process.stdout.close()
        try:
            process.wait(timeout=TIMEOUT_S)
        finally:
            process.kill()
        return stderr.read()


async def test_a_reader_that_goes_away_ends_it_in_peace(server: ServerProcess) -> None:
    assert "Traceback" not in await asyncio.to_thread(errors_without_a_reader, server.url)


@pytest.mark.parametrize("path", ["", "/"])
async def test_no_server_is_one_clear_line(path: str, unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    code, out, errors = await ended(await started(url + path))

    assert (code, out) == (2, "")
    [line] = errors.splitlines()
    assert line.startswith(f"chatlab: no server answers at {url}")


async def test_an_address_that_is_none_is_one_clear_line() -> None:
    code, out, errors = await ended(await started("localhost"))

    assert (code, out) == (2, "")
    [line] = errors.splitlines()
    assert line == "chatlab: localhost is not a server address: write it as ws://127.0.0.1:8765"
