"""`chatlab load` and `chatlab top` as their user meets them, on a server that is running."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.processes import ServerProcess
from tests.bench.fakes import FakeServer, Incoming
from tests.support.chat_client import WAIT_S, ChatServer, get, running
from tests.support.command_line import ENVIRONMENT, command, ended, needs_signals, run, until

LONG = ("--messages", "10000", "--rate", "100", "--users", "3")


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a running server."""
    async with running("naive", tmp_path / "data") as server:
        yield server.url


async def until_accepted(url: str, count: int) -> None:
    """Wait until a server has accepted this many messages."""
    async with asyncio.timeout(WAIT_S):
        while (await fetch_snapshot(url)).counts.accepted < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_load_prints_its_result_and_writes_its_json(url: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    words = ("load", url, "--messages", "60", "--seed", "3", "--json", str(file))
    code, out, errors = await run(*words)
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
    assert found["command"] == " ".join(["chatlab", *words])


async def test_a_secret_is_typed_or_in_the_environment_and_in_no_report(tmp_path: Path) -> None:
    file, few = tmp_path / "result.json", ("--messages", "5")
    async with running("naive", tmp_path / "data", token="hush hush") as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(ENVIRONMENT, "CHATLAB_URL", f"{server.url}?token=hush")
            code, out, errors = await run("load", *few)
            assert (code, out) == (2, "")
            assert "that is not this server's secret: give it with --token SECRET" in errors
            written = ("--token", "hush hush", "--json", str(file))
            assert (await run("load", *few, *written))[0] == 0
            assert "hush" not in file.read_text()
            in_the_address = ("load", f"{server.url}?token=hush%20hush", *few, *written[2:])
            assert (await run(*in_the_address))[0] == 0
            assert "hush" not in file.read_text()
            patch.setitem(ENVIRONMENT, "CHATLAB_URL", server.url)
            patch.setitem(ENVIRONMENT, "CHATLAB_TOKEN", "hush hush")
            assert (await run("load", *few))[0] == 0


@pytest.mark.real
async def test_two_loads_on_one_server_do_not_mix(url: str) -> None:
    words = ("load", url, "--messages", "60", "--users", "4")
    for code, out, errors in await asyncio.gather(run(*words), run(*words)):
        assert code == 0, errors
        assert "60 sent, 60 acked, 60 delivered" in out


async def loses_one(message: Incoming) -> None:
    await message.ack()
    await message.deliver(to=slice(1 if message.request.ref == 7 else 0, None))
    await message.deliver(to=slice(0, 1 if message.request.ref == 8 else 0))


async def refuses(message: Incoming) -> None:
    await message.refuse("overloaded")


@pytest.mark.real
@pytest.mark.parametrize(
    ("behaviour", "expected", "said"),
    [
        (loses_one, 1, ["1 acked and lost", "1 duplicated"]),
        (refuses, 0, ["20 refused", "overloaded"]),  # refusals are no failure
    ],
)
async def test_the_exit_code_says_whether_the_audit_is_clean(behaviour, expected, said) -> None:
    async with FakeServer(behaviour) as server:
        code, out, errors = await run("load", server.url, "--messages", "20", "--users", "3")
    assert code == expected, errors
    assert [words for words in said if words not in out] == []


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize("by", ["Ctrl-C", "the server's death", "its deadline"])
async def test_a_load_that_is_cut_off_keeps_what_was_measured(by: str, tmp_path) -> None:
    file = tmp_path / "result.json"
    server = await ServerProcess("naive", tmp_path / "data").__aenter__()
    end = ["--deadline", "1"] if by == "its deadline" else []
    async with command("load", server.url, *LONG, "--json", str(file), *end) as process:
        await until_accepted(server.url, 10)
        if by == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        elif by == "the server's death":
            await server.kill()
        code, out, errors = await ended(process)
    await server.kill()
    assert code == 130, errors
    assert "PARTIAL" in out, errors
    assert "Traceback" not in errors
    found = json.loads(file.read_bytes())
    assert (found["complete"], found["interrupted"]) == (False, by != "the server's death")
    assert found["at_deadline"] == (by == "its deadline")
    assert bool(found["io"]) == (by != "the server's death")  # a last look at the server's files
    assert 1 <= found["audit"]["acked"] <= found["audit"]["sent"] < 10_000


# `chatlab top`.


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ChatServer]:
    async with running("optimized", tmp_path) as server:
        yield server


@pytest.fixture
async def top(server: ChatServer) -> AsyncIterator[Process]:
    """`chatlab top` on the server."""
    async with command("top", server.url, "--interval", "0.1") as process:
        yield process


async def test_a_pipe_gets_plain_lines_until_the_server_stops(server, top: Process) -> None:
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
async def test_ctrl_c_detaches_and_leaves_the_server_alone(server, top: Process) -> None:
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
