"""The load generator in its own process, and the server that does next to nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from chatlab.bench.address import chat_url
from chatlab.bench.client import connect
from chatlab.bench.processes import ListeningProcess, LoadJob, LoadProcess
from chatlab.bench.scenario import Scenario
from chatlab.chat.protocol import CreateRoom, MessagesFrame, SendMessage, decode_outgoing, encode
from chatlab.errors import UsageError
from tests.support.chat_client import running

SINK = "chatlab.labs.generator.sink"
"""The server that does next to nothing."""

SMALL = Scenario(name="small", words="", messages=200, users=4, in_flight=8)
SLOW = Scenario(name="slow", words="", messages=10_000, users=2, rate_per_s=100.0)


async def test_a_job_comes_back_as_it_would_from_this_process() -> None:
    async with LoadProcess() as worker, ListeningProcess(SINK) as sink:
        result = await worker.run(LoadJob(sink.url, SMALL, 1, "0"))
    assert result.complete
    assert result.delivered == result.acked == 200
    assert result.receipts == [4] * 200
    assert result.before is None  # the sink keeps no account of itself
    for user in range(4):
        mine = [n for n, send in enumerate(result.plan) if send.user == user]
        for before, number in zip(mine, mine[8:], strict=False):
            # Due when another one had come back: after that was sent, and before this one was.
            due_s = result.plan[number].at_s
            assert result.sent_s[before] <= due_s <= result.sent_s[number]


@pytest.mark.real
async def test_the_sink_says_as_much_of_a_message_as_a_mode_does(tmp_path: Path) -> None:
    async with ListeningProcess(SINK) as sink, running("journal", tmp_path) as server:
        of_sink, of_mode = await first_messages(sink.url), await first_messages(server.url)

    assert len(of_sink) == len(of_mode)


async def first_messages(url: str) -> bytes:
    """The first frame with messages that a user gets who says hello."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    connection = await connect(chat_url(url, "load-0-0") + "&frames=batch", heard.put_nowait)
    connection.send(encode(CreateRoom(room_id="load-0-0", ref=1)))
    connection.send(encode(SendMessage(room_id="load-0-0", content="hello", ref=2)))
    async with asyncio.timeout(20):
        while not isinstance(decode_outgoing(frame := await heard.get()), MessagesFrame):
            pass
    await connection.close()
    return frame


async def test_a_missing_server_is_reported_in_the_generators_words() -> None:
    async with LoadProcess() as worker:
        with pytest.raises(UsageError, match="nothing listens on"):
            await worker.run(LoadJob("ws://127.0.0.1:1", SMALL, 1, "0"))


@pytest.mark.real
async def test_a_run_that_is_stopped_leaves_its_partial_result() -> None:
    async with LoadProcess() as worker, ListeningProcess(SINK) as sink:
        running = asyncio.create_task(worker.run(LoadJob(sink.url, SLOW, 1, "0")))
        async with asyncio.timeout(20):
            while worker.progress is None or worker.progress.delivered < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        result = await worker.stop()
    assert not result.complete
    assert 5 <= result.delivered < 10_000


@pytest.mark.real
async def test_no_process_is_left_behind_by_an_error() -> None:
    before = {child.pid for child in psutil.Process().children()}

    async def fail() -> None:
        async with LoadProcess(), ListeningProcess(SINK):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert {child.pid for child in psutil.Process().children()} <= before
