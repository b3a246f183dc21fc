"""`chatlab top` as its user meets it, in a pipe."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.chat_client import WAIT_S, ChatServer, get, running
from tests.support.command_line import Done, command, ended, needs_signals, run_here, until


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ChatServer]:
    async with running("optimized", tmp_path) as server:
        yield server


@pytest.fixture
async def top(server: ChatServer) -> AsyncIterator[Process]:
    """`chatlab top` on the server."""
    async with command("top", server.url, "--interval", "0.1") as process:
        yield process


async def test_a_pipe_gets_plain_lines_until_the_server_stops(
    server: ChatServer, top: Process
) -> None:
    seen = await until(top.stdout, "\n") + await until(top.stdout, "\n")
    await server.stop()
    code, out, errors = await ended(top)

    for line in seen.splitlines():
        assert " optimized clients 0 accepted 0" in line
    assert "\x1b" not in seen + out
    assert (code, errors) == (0, "")
    assert f"the server at {server.url} has stopped" in out


@pytest.mark.real
@needs_signals
async def test_ctrl_c_detaches_and_leaves_the_server_alone(
    server: ChatServer, top: Process
) -> None:
    await until(top.stdout, "\n")
    top.send_signal(signal.SIGINT)
    code, out, errors = await ended(top)

    assert (code, errors) == (0, "")
    assert "has stopped" not in out
    assert "optimized" in out  # the summary
    assert (await get(server.url, "/health")).json["status"] == "ok"


@pytest.mark.real
async def test_a_reader_that_goes_away_ends_it_in_peace(server: ChatServer) -> None:
    """`chatlab top URL | head -1`"""
    shell = f"{sys.executable} -m chatlab top {server.url} --interval 0.1 | head -1"
    process = await asyncio.create_subprocess_shell(
        shell, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(2 * WAIT_S):
        out, errors = await process.communicate()

    assert out.count(b"\n") == 1
    assert b"Traceback" not in errors


@pytest.mark.parametrize("path", ["", "/"])
def test_no_server_is_one_clear_line(path: str, unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    assert f"no server answers at {url}" in run_here("top", url + path).complaint


def test_a_wrong_address_is_one_clear_line() -> None:
    expected = "chatlab: localhost is not a server address: write it as ws://127.0.0.1:8765\n"
    assert run_here("top", "localhost") == Done(2, "", expected)
