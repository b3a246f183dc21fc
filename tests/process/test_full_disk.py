"""A disk that fills up while the server runs: the file size limit of the system stands for it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.support.chat_client import eventually, new_contents, saved
from tests.support.command_line import ServeProcess, serving_alice

if sys.platform != "linux":
    pytest.skip("needs Linux, which can raise a process's limit", allow_module_level=True)

import resource

pytestmark = pytest.mark.real
FULL_BYTES = 4_000
MESSAGES = [f"message {n} {'.' * 80}" for n in range(60)]


def limit(server: ServeProcess, file_bytes_max: int = FULL_BYTES) -> None:
    """The disk is full from this size of a file on."""
    limits = (file_bytes_max, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("stopped", [False, True])
async def test_optimized_keeps_every_acked_message_until_there_is_room(
    stopped: bool, tmp_path: Path
) -> None:
    async with serving_alice(tmp_path, "--mode", "optimized") as (server, alice):
        limit(server)
        refs = [await alice.shout(text) for text in MESSAGES]
        await alice.until(lambda: len(alice.of("ack")) == 61, "sixty acks")
        if stopped:
            server.process.send_signal(signal.SIGTERM)
        await alice.until(lambda: alice.of("error"), "bad news")
        assert {error["code"] for error in alice.of("error")} == {"storage_delayed"}
        assert {error["ref"] for error in alice.of("error")} <= set(refs)
        assert "File too large" in alice.of("error")[0]["message"]
        assert (tmp_path / "messages.json").stat().st_size <= FULL_BYTES
        partly = new_contents(tmp_path)  # reads and parses: the file is whole
        assert partly == MESSAGES[: len(partly)]
        assert len(partly) < 60
        limit(server, resource.RLIM_INFINITY)
        if not stopped:
            await alice.until(lambda: alice.heard() == MESSAGES, "everything, in order")
            server.process.send_signal(signal.SIGTERM)
        assert await server.end() == 0
        saved_late = 60 - len(partly) if stopped else 0
        assert server.rest.endswith(f"stopped: {saved_late} queued messages saved, 0 unsaved\n")
    assert new_contents(tmp_path) == MESSAGES


@pytest.mark.parametrize("mode", ["naive", "naive+writer=atomic"])
async def test_naive_says_storage_failed_with_the_ref_and_lives_on(
    mode: str, tmp_path: Path
) -> None:
    async with serving_alice(tmp_path, "--mode", mode) as (server, alice):
        limit(server)
        answers = [await alice.say(text) for text in MESSAGES]
        kinds = [answer.get("code", "ack") for answer in answers]
        acked = kinds.count("ack")
        assert 0 < acked < 60
        assert kinds == ["ack"] * acked + ["storage_failed"] * (60 - acked)
        assert (await alice.ask("join_room", roomId="new-year"))["type"] == "ack"
        if "atomic" in mode:  # naive's file is torn now, which is what it is there to show
            assert new_contents(tmp_path) == MESSAGES[:acked]
            limit(server, resource.RLIM_INFINITY)
            assert (await alice.say("after"))["type"] == "ack"
            assert saved(tmp_path)[-1]["content"] == "after"


async def test_a_queue_that_fills_up_on_a_full_disk_refuses_and_then_recovers(
    tmp_path: Path,
) -> None:
    mode = "optimized+queue-limit=30+batch-size=30+flush-interval=3600"
    async with serving_alice(tmp_path, "--mode", mode) as (server, alice):
        limit(server, 1_000)
        refs = [await alice.shout(text) for text in MESSAGES]
        await asyncio.gather(*(alice.answer(ref) for ref in refs))
        firsts = [alice.answers(ref)[0].get("code", "ack") for ref in refs]
        assert firsts == ["ack"] * 30 + ["overloaded"] * 30
        limit(server, resource.RLIM_INFINITY)
        await alice.until(lambda: len(alice.heard()) == 30, "all that was acked")
        await eventually(lambda: new_contents(tmp_path) == MESSAGES[:30], "it is on disk")
