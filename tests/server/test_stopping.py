"""A server that stops keeps its promises: whatever was acked is on disk, and everyone is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chatlab.chat.modes import MODES
from chatlab.chat.server import app
from chatlab.chat.server.app import Farewell
from chatlab.disk.conditions import FailingDisk
from tests.support.chat_client import WAIT_S, ChatClient, chatting, get, new_contents, running

SAFE_MODES = [mode for mode in MODES if mode != "racy"]
NEVER_S = 3600.0


@pytest.mark.parametrize("mode", ["batched", "optimized"])
async def test_everything_queued_is_saved_and_delivered(mode: str, tmp_path: Path) -> None:
    texts = [f"message {n}" for n in range(25)]
    how = {"flush_interval_s": NEVER_S, "batch_size_max": 10}
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        for text in texts[:20]:
            await alice.shout(text)
        await bob.until(lambda: len(bob.heard()) == 20, "two full batches")
        for text in texts[20:]:
            assert (await alice.say(text))["type"] == "ack"
        assert await server.stop() == Farewell(saved=5, unsaved=0)
        assert await bob.until_closed() == (1001, "the server is stopping")
        assert bob.heard() == texts
        assert await server.stop() == Farewell(saved=0, unsaved=0), "stopping twice is safe"
    assert new_contents(tmp_path) == texts


@pytest.mark.parametrize("mode", MODES)
async def test_an_idle_server_stops_with_an_empty_farewell(mode: str, tmp_path: Path) -> None:
    async with chatting(mode, tmp_path, "alice") as (server, alice):
        assert await server.stop() == Farewell(saved=0, unsaved=0)
        assert await alice.until_closed() == (1001, "the server is stopping")
        with pytest.raises(OSError, match=r".+"):
            await connect(f"{server.url}/?user=bob", proxy=None)


@pytest.mark.parametrize("mode", SAFE_MODES)
@pytest.mark.parametrize("turn", range(2))
async def test_no_acked_message_is_lost_in_a_busy_stop(
    mode: str, turn: int, tmp_path: Path
) -> None:
    names = [f"user-{n}" for n in range(8)]
    how = {"flush_interval_s": 0.002 * turn}
    async with chatting(mode, tmp_path, *names, **how) as (server, *clients):
        talking = [asyncio.create_task(one.talk_until_gone(5)) for one in clients]
        for client in clients:
            await client.until(lambda client=client: len(client.of("ack")) > 3, "some acks")
        farewell = await server.stop()
        await asyncio.gather(*talking)
        assert farewell.unsaved == 0
        counts = server.snapshot().counts
        assert counts.accepted == counts.acked == counts.saved
    on_disk = new_contents(tmp_path)
    assert len(on_disk) == len(set(on_disk)) == counts.saved
    for client in clients:
        acked = client.answered("ack")
        mine = [text for text in on_disk if text.split()[0] == client.user]
        assert mine[: len(acked)] == acked, "acked, and not on disk or not in order"
        assert not set(client.answered("error")) & set(on_disk)
        assert {f["code"] for f in client.of("error")} <= {"shutting_down"}
        assert set(client.heard()) <= set(on_disk)


async def test_a_stopping_server_refuses_messages_and_newcomers(tmp_path: Path) -> None:
    disk = FailingDisk()
    how = {"flush_interval_s": NEVER_S, "conditions": [disk]}
    async with chatting("optimized", tmp_path, "alice", **how) as (server, alice):
        await alice.say("in time")
        disk.fail(count=None, kind="write")  # stopping takes as long as this test wants
        stopping = asyncio.create_task(server.stop())
        await alice.until(lambda: alice.of("error"), "the first failed save")
        assert (await alice.say("too late"))["code"] == "shutting_down"
        assert (await get(server.url, "/health")).json["status"] == "stopping"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/?user=bob", proxy=None)
        assert refused.value.response.status_code == 503
        disk.heal()
        assert await stopping == Farewell(saved=1, unsaved=0)
    assert new_contents(tmp_path) == ["in time"]


async def test_someone_who_watches_the_stats_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with (
        running("naive", tmp_path) as server,
        connect(f"{server.url}/stats?interval_s={WAIT_S}", proxy=None) as watcher,
    ):
        await watcher.recv()
        async with asyncio.timeout(WAIT_S / 2):  # the watcher's next look would be too late
            await server.stop()


async def test_a_mute_client_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CLOSE_TIMEOUT_S", 0.1)
    async with running("naive", tmp_path) as server:
        mute = await ChatClient.connect(server.url, "zoe", "general", max_queue=1)
        mute.connection.transport.pause_reading()
        async with asyncio.timeout(WAIT_S / 2):
            await server.stop()
        mute.connection.transport.abort()
