"""`chatlab serve` as a process: it says where it listens, and a stop saves what is queued."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.support.chat_client import ChatClient, get, new_contents
from tests.support.command_line import needs_signals, serving, serving_alice

NEVER_FLUSHING = ("--flush-interval", "3600", "--batch-size", "1000000")


async def test_the_first_lines_say_where_it_listens_and_what_is_simulated(tmp_path: Path) -> None:
    simulated = ("--fault", "enospc@12,eio@9", "--fault", "slow=1ms", "--disk", "network")
    options = (*simulated, "--history", "500", "--stop-with-stdin")
    async with serving_alice(tmp_path, *options) as (server, alice):
        assert re.fullmatch(r"listening on ws://127\.0\.0\.1:[1-9]\d*", server.first_line)
        assert (await get(server.url, "/health")).json == {
            "status": "ok",
            "mode": "naive",
            "storage": "ok",
        }
        history = await alice.ask("history", roomId="general", limit=500)
        assert len(history["messages"]) == 252  # every second one, and two that were there
        assert await server.end() == 0
    assert server.rest.splitlines()[0] == (
        "simulated: disk network (each operation 2 ms, 100 MB/s); each operation 1 ms slower; "
        "enospc@12 (0 writes so far); eio@9 (0 operations so far)"
    )


@pytest.mark.parametrize(
    "by", ["stdin", *(pytest.param(one, marks=needs_signals) for one in ("SIGTERM", "SIGINT"))]
)
@pytest.mark.real
async def test_a_stop_saves_all_that_is_queued(by: str, tmp_path: Path) -> None:
    options = ("--mode", "optimized", *NEVER_FLUSHING)
    options, by = ((*options, "--stop-with-stdin"), "") if by == "stdin" else (options, by)
    async with serving_alice(tmp_path, *options) as (server, alice):
        for n in range(50):
            await alice.shout(f"message {n}")
        await alice.until(lambda: len(alice.of("ack")) == 51, "fifty acks")
        assert new_contents(tmp_path) == []
        assert await server.end(by) == 0
    assert server.rest.splitlines()[-1] == "stopped: 50 queued messages saved, 0 unsaved"
    assert new_contents(tmp_path) == [f"message {n}" for n in range(50)]
    assert server.errors == ""


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize(("mode", "name"), [("optimized", "SIGINT"), ("naive", "SIGTERM")])
async def test_a_signal_under_load_loses_nothing_that_was_acked(
    mode: str, name: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, "--mode", mode) as server:
        clients = [await ChatClient.connect(server.url, f"user-{n}", "general") for n in range(5)]
        talking = [asyncio.create_task(one.talk_until_gone(10)) for one in clients]
        for client in clients:
            await client.until(lambda client=client: len(client.of("ack")) > 20, "some acks")
        assert await server.end(name) == 0
        await asyncio.gather(*talking)
        for client in clients:
            await client.connection.close()
    assert server.rest.splitlines()[-1].endswith(" saved, 0 unsaved")
    on_disk = new_contents(tmp_path)
    assert len(on_disk) == len(set(on_disk))
    for client in clients:
        acked = client.answered("ack")
        assert len(acked) > 19
        assert set(acked) <= set(on_disk)
        assert set(client.heard()) <= set(on_disk)
    assert server.errors == ""


@pytest.mark.real
@needs_signals
async def test_a_second_signal_does_not_interrupt_the_saving(tmp_path: Path) -> None:
    obstacle = tmp_path / "messages.json.tmp"
    async with serving_alice(tmp_path, "--mode=optimized", *NEVER_FLUSHING) as (server, alice):
        await alice.say("precious")
        obstacle.mkdir()
        server.process.send_signal(signal.SIGINT)
        await alice.until(lambda: alice.of("error"), "the first failed save")
        server.process.send_signal(signal.SIGINT)
        obstacle.rmdir()
        assert await server.end() == 0
    assert server.rest.splitlines()[-1] == "stopped: 1 queued messages saved, 0 unsaved"
    assert new_contents(tmp_path) == ["precious"]


@pytest.mark.real
async def test_messages_that_cannot_be_saved_at_the_end_are_named_in_the_exit_code(
    tmp_path: Path,
) -> None:
    part = tmp_path / "never.py"
    part.write_text(
        "from dataclasses import replace\n"
        "from chatlab.chat.parts.processor.queueing import QueueingProcessor\n"
        "class GivesUpSoon(QueueingProcessor):\n"
        "    async def drain(self):\n"
        "        self.settings = replace(self.settings, drain_timeout_s=0.1)\n"
        "        return await super().drain()\n"
    )
    mode = f"optimized+processor={part}:GivesUpSoon"
    options = ("--mode", mode, "--fault=eio@write:1+", *NEVER_FLUSHING, "--stop-with-stdin")
    async with serving_alice(tmp_path / "data", *options) as (server, alice):
        ref = await alice.shout("lost")
        await alice.answer(ref)
        assert await server.end() == 1
    assert alice.answers(ref)[0]["type"] == "ack"
    assert alice.answers(ref)[-1]["code"] == "storage_failed"
    assert server.rest.splitlines()[-1] == "stopped: 0 queued messages saved, 1 unsaved"
