"""A disk that fills up while the server runs: the file size limit of the system stands for it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.support.chat_client import ChatClient, ServeProcess, eventually, new_contents, saved

if sys.platform != "linux":
    pytest.skip("needs Linux, which can raise a process's limit", allow_module_level=True)

import resource

pytestmark = pytest.mark.real
FULL_BYTES = 4_000
MESSAGES = [f"message {n} {'.' * 80}" for n in range(60)]


def make_room(server: ServeProcess) -> None:
    """The disk has room again."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


async def test_optimized_keeps_every_acked_message_until_there_is_room(tmp_path: Path) -> None:
    async with (
        ServeProcess(tmp_path, "--mode", "optimized", file_bytes_max=FULL_BYTES) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        refs = [await alice.shout(text) for text in MESSAGES]
        await alice.until(lambda: len(alice.of("ack")) == 61, "sixty acks")
        await alice.until(lambda: alice.of("error"), "bad news")
        assert {error["code"] for error in alice.of("error")} == {"storage_delayed"}
        assert {error["ref"] for error in alice.of("error")} <= set(refs)
        assert "File too large" in alice.of("error")[0]["message"]
        assert (tmp_path / "messages.json").stat().st_size <= FULL_BYTES
        partly = new_contents(tmp_path)  # reads and parses: the file is whole
        assert partly == MESSAGES[: len(partly)]
        assert len(partly) < 60
        make_room(server)
        await alice.until(lambda: alice.heard() == MESSAGES, "everything, in order")
        server.process.send_signal(signal.SIGTERM)
        assert await server.end() == 0
    assert new_contents(tmp_path) == MESSAGES


async def test_optimized_that_is_stopped_on_a_full_disk_saves_once_there_is_room(
    tmp_path: Path,
) -> None:
    async with (
        ServeProcess(tmp_path, "--mode", "optimized", file_bytes_max=FULL_BYTES) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        for text in MESSAGES:
            await alice.shout(text)
        await alice.until(lambda: len(alice.of("ack")) == 61, "sixty acks")
        server.process.send_signal(signal.SIGTERM)
        await alice.until(lambda: alice.of("error"), "bad news")
        make_room(server)
        assert await server.end() == 0
        assert server.rest.startswith("stopped: 60 queued messages saved, 0 unsaved")
    assert new_contents(tmp_path) == MESSAGES


@pytest.mark.parametrize("mode", ["naive", "naive+writer=atomic"])
async def test_naive_says_storage_failed_with_the_ref_and_lives_on(
    mode: str, tmp_path: Path
) -> None:
    async with (
        ServeProcess(tmp_path, "--mode", mode, file_bytes_max=FULL_BYTES) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        answers = [await alice.say(text) for text in MESSAGES]
        kinds = [answer.get("code", "ack") for answer in answers]
        acked = kinds.count("ack")
        assert 0 < acked < 60
        assert kinds == ["ack"] * acked + ["storage_failed"] * (60 - acked)
        assert (await alice.ask("join_room", roomId="new-year"))["type"] == "ack"
        if "atomic" in mode:  # naive's file is torn now, which is what it is there to show
            assert new_contents(tmp_path) == MESSAGES[:acked]
            make_room(server)
            assert (await alice.say("after"))["type"] == "ack"
            assert saved(tmp_path)[-1]["content"] == "after"


async def test_a_queue_that_fills_up_on_a_full_disk_refuses_and_then_recovers(
    tmp_path: Path,
) -> None:
    options = ("--mode", "optimized", "--queue-limit", "30", "--batch-size", "30")
    async with (
        ServeProcess(
            tmp_path, *options, "--flush-interval", "3600", file_bytes_max=1_000
        ) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        refs = [await alice.shout(text) for text in MESSAGES]
        await asyncio.gather(*(alice.answer(ref) for ref in refs))
        firsts = [alice.answers(ref)[0].get("code", "ack") for ref in refs]
        assert firsts == ["ack"] * 30 + ["overloaded"] * 30
        make_room(server)
        await alice.until(lambda: len(alice.heard()) == 30, "all that was acked")
        await eventually(lambda: new_contents(tmp_path) == MESSAGES[:30], "it is on disk")
