"""A second `chatlab serve` on a folder whose lock was deleted: the first one leaves it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.data.folder import LOCK_NAME
from tests.support.chat_client import ChatClient, new_contents
from tests.support.command_line import needs_signals, serving, serving_alice


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize("mode", ["naive", "journal"])
async def test_two_processes_on_a_folder_lose_nothing_that_was_acked(
    mode: str, tmp_path: Path
) -> None:
    how = ("--mode", mode)
    async with serving_alice(tmp_path, *how) as (first, alice):
        await alice.say("one")
        await alice.until(alice.heard, "the message")
        (tmp_path / LOCK_NAME).unlink()
        async with serving(tmp_path, *how) as second:
            async with await ChatClient.connect(second.url, "bob", "general") as bob:
                assert (await bob.say("two"))["type"] == "ack"
                await bob.until(bob.heard, "the message")
                await alice.shout("not any more")
                await alice.until(lambda: alice.of("error"), "bad news")
                assert f"{LOCK_NAME} was deleted" in alice.of("error")[0]["message"]
                assert await first.end("SIGTERM") == (0 if mode == "naive" else 1)
                assert (await bob.say("three"))["type"] == "ack"
                await bob.until(lambda: len(bob.heard()) == 2, "both")
            assert await second.end("SIGTERM") == 0
    assert new_contents(tmp_path) == ["one", "two", "three"]
    assert first.errors + second.errors == ""
