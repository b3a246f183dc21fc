"""A server in a process of its own: it serves, it stops in order, and it never stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.load import Load
from chatlab.bench.scenario import Scenario, plan
from chatlab.bench.server_process import ServerFailed, ServerProcess
from chatlab.chat.server_job import ServerOptions
from chatlab.data.readers import read_saved
from chatlab.errors import UsageError

SERVER = "chatlab.chat.server_job"


def servers() -> list[psutil.Process]:
    """The server processes that this one has started and that still run."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and SERVER in child.cmdline()
    ]


@pytest.fixture(autouse=True)
def _no_server_stays_behind() -> Iterator[None]:
    yield
    assert servers() == []


async def test_it_serves_in_the_mode_and_from_the_history_asked_for(tmp_path: Path) -> None:
    async with ServerProcess("optimized", tmp_path, 7, ServerOptions(ack="synced")) as server:
        snapshot = await fetch_snapshot(server.url)

    assert snapshot.url == server.url
    assert (snapshot.mode, snapshot.ack_means) == ("optimized", "synced")
    starting = [m for m in read_saved(tmp_path).messages if m.id.startswith("history-")]
    assert len(starting) == 7


async def test_stopping_saves_what_is_queued(tmp_path: Path) -> None:
    scenario = Scenario(name="test", words="a load", messages=30, users=3)
    never = "optimized+flush-interval=1000+batch-size=1000"
    async with ServerProcess(never, tmp_path) as server:
        result = await Load(server.url, scenario, plan(scenario, 1), settle_s=0.2).run()
        saved_before = read_saved(tmp_path).messages
        last_words = await server.stop()

    assert result.acked == 30
    assert result.delivered == 0
    assert len(read_saved(tmp_path).messages) == len(saved_before) + 30
    assert last_words == "stopped: 30 queued messages saved, 0 unsaved"


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    async with ServerProcess("naive", tmp_path) as server:
        assert await server.stop() == "stopped: 0 queued messages saved, 0 unsaved"
        assert await server.stop() == ""


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        ("optimised", ServerOptions(), "did you mean 'optimized'"),
        ("naive", ServerOptions(host="256.0.0.1"), "cannot listen on 256.0.0.1"),
        ("naive", ServerOptions(faults=("enospc",)), "--fault 'enospc'"),
    ],
)
async def test_a_server_that_refuses_to_start_is_quoted(
    mode: str, options: ServerOptions, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        async with ServerProcess(mode, tmp_path, options=options):
            pytest.fail("it started")

    assert not str(caught.value).startswith("chatlab:")


async def test_two_servers_cannot_share_a_folder(tmp_path: Path) -> None:
    async with ServerProcess("naive", tmp_path):
        with pytest.raises(UsageError, match="another chatlab server uses the data folder"):
            async with ServerProcess("naive", tmp_path):
                pytest.fail("it started")


async def test_a_server_that_was_killed_is_a_failure(tmp_path: Path) -> None:
    async def killed_inside() -> None:
        async with ServerProcess("naive", tmp_path):
            [process] = servers()
            process.kill()
            process.wait()

    with pytest.raises(ServerFailed, match="the server failed"):
        await killed_inside()


async def test_an_exception_in_the_block_stops_the_server(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with ServerProcess("naive", tmp_path):
            raise ZeroDivisionError

    assert servers() == []


async def test_a_cancelled_block_stops_the_server(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def serve() -> None:
        async with ServerProcess("naive", tmp_path):
            started.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await started.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert servers() == []


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    starting = asyncio.create_task(ServerProcess("naive", tmp_path).__aenter__())
    async with asyncio.timeout(10):
        while not servers():  # noqa: ASYNC110 (a process cannot set an event)
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert servers() == []
