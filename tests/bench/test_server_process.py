"""A server in a process of its own: it serves, it stops in order, and it never stays behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.load import Load
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.bench.scenario import Scenario, plan
from chatlab.chat import server_job
from chatlab.chat.server_job import USUAL_OPTIONS, ServerJob, ServerOptions
from chatlab.chat.settings import Settings
from chatlab.data.readers import read_saved
from chatlab.errors import UsageError


def servers() -> list[psutil.Process]:
    """The server processes that this one has started and that still run."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "chatlab.chat.server_job" in child.cmdline()
    ]


@pytest.fixture(autouse=True)
def _no_server_stays_behind() -> Iterator[None]:
    yield
    assert servers() == []


async def test_it_does_its_job_and_saves_what_is_queued_when_it_stops(tmp_path: Path) -> None:
    scenario = Scenario(name="test", words="a load", messages=30, users=3)
    mode = "optimized+flush-interval=1000+batch-size=1000"
    options = ServerOptions(disk="network")
    async with ServerProcess(mode, tmp_path, 7, options) as server:
        snapshot = await fetch_snapshot(server.url)
        result = await Load(server.url, scenario, plan(scenario, 1), settle_s=0.2).run()
        before = read_saved(tmp_path).messages
        assert await server.stop() == "stopped: 30 queued messages saved, 0 unsaved"
        assert await server.stop() == ""

    assert (snapshot.url, snapshot.mode, snapshot.ack_means) == (server.url, mode, "queued")
    assert snapshot.simulated == ["disk network (each operation 2 ms, 100 MB/s)"]
    assert len([one for one in before if one.id.startswith("history-")]) == 7
    assert (result.acked, result.delivered) == (30, 0)
    assert len(read_saved(tmp_path).messages) == len(before) + 30


def test_a_job_travels_as_it_is() -> None:
    settings = Settings(cache_ttl_s=0.5, compress_segments=True)
    given = {"host": "::1", "port": 7, "ack": "synced", "token": "t", "compress": True}
    options = ServerOptions(**given, settings=settings, faults=("eio@1",), disk="hdd")  # type: ignore[arg-type]
    job = ServerJob("naive", "folder", 3, options)

    assert msgspec.json.decode(msgspec.json.encode(job), type=ServerJob) == job
    assert all(
        getattr(options, name) != getattr(USUAL_OPTIONS, name)
        for name in ServerOptions.__struct_fields__
    )


def test_an_import_that_is_put_off_happens_once_the_module_is_used() -> None:
    server_job._import_when_used("wsgiref.util")
    import wsgiref.util

    assert "__file__" not in vars(sys.modules["wsgiref.util"])
    assert wsgiref.util.guess_scheme({}) == "http"
    assert "__file__" in vars(sys.modules["wsgiref.util"])


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        ("optimised", ServerOptions(), "did you mean 'optimized'"),
        ("naive", ServerOptions(host="256.0.0.1"), "cannot listen on 256.0.0.1"),
        ("naive", ServerOptions(faults=("enospc",)), "--fault 'enospc'"),
        ("naive", ServerOptions(ack="queued"), "--ack queued is less than"),
    ],
)
async def test_a_server_that_refuses_to_start_is_quoted(mode, options, words, tmp_path) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        async with ServerProcess(mode, tmp_path, options=options):
            pytest.fail("it started")

    assert not str(caught.value).startswith("chatlab:")


@pytest.mark.real
async def test_a_server_that_was_killed_is_a_failure(tmp_path: Path) -> None:
    server = ServerProcess("naive", tmp_path)
    async with server:
        await server.kill()
    assert await server.stop() == ""

    async def killed_by_another() -> None:
        async with ServerProcess("naive", tmp_path):
            [process] = servers()
            process.kill()
            process.wait()

    with pytest.raises(ServerFailed, match="the server failed"):
        await killed_by_another()


@pytest.mark.real
@pytest.mark.parametrize("when", ["starting", "serving"])
async def test_a_cancelled_block_stops_the_server(when: str, tmp_path: Path) -> None:
    serving = asyncio.Event()

    async def serve() -> None:
        async with ServerProcess("naive", tmp_path):
            serving.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    async with asyncio.timeout(10):
        while not (servers() if when == "starting" else serving.is_set()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
