"""When the disk says no: senders are told, nothing acked is lost, and it goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatlab.chat.modes import parse
from tests.support.chat_client import ChatClient, eventually, new_contents, running, saved

QUEUEING = ["batched", "optimized", "batched+writer=atomic", "optimized+delivery=each"]
IMMEDIATE = ["naive", "cached", "naive+writer=atomic", "cached+writer=atomic"]
QUICK = {"flush_interval_s": 0.001, "retry_first_s": 0.01, "retry_max_s": 0.02}


@contextmanager
def trouble(mode: str, folder: Path) -> Iterator[None]:
    """As long as it lasts, no message can be saved: a folder stands in the file's way."""
    atomic = parse(mode).parts["writer"] == "atomic"
    obstacle = folder / ("messages.json.tmp" if atomic else "messages.json")
    aside = folder / "aside"
    if not atomic:
        obstacle.rename(aside)
    obstacle.mkdir()
    try:
        yield
    finally:
        obstacle.rmdir()
        if not atomic:
            aside.rename(obstacle)


@pytest.mark.parametrize("mode", QUEUEING)
async def test_queued_messages_wait_for_a_broken_disk_and_are_then_saved_in_order(
    mode: str, tmp_path: Path
) -> None:
    texts = [f"message {n}" for n in range(7)]
    async with (
        running(mode, tmp_path, batch_size_max=3, **QUICK) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        with trouble(mode, tmp_path):
            refs = [await alice.shout(text) for text in texts]
            await alice.until(lambda: len(alice.of("ack")) == 8, "seven acks")
            await alice.until(lambda: len(alice.of("error")) >= 6, "bad news, twice")
            assert bob.heard() == []
        await bob.until(lambda: bob.heard() == texts, "everything, in order")
        await alice.until(lambda: alice.heard() == texts, "everything, in order")
        assert new_contents(tmp_path) == texts
        delayed = {error["ref"] for error in alice.of("error")}
        assert {error["code"] for error in alice.of("error")} == {"storage_delayed"}
        assert refs[0] in delayed
        assert delayed <= set(refs)
        assert bob.of("error") == []
        assert server.snapshot().queue.failures >= 2
    assert new_contents(tmp_path) == texts


@pytest.mark.parametrize("mode", QUEUEING)
async def test_an_ack_raised_to_written_waits_until_the_disk_is_well(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(
            mode, tmp_path, ack="synced" if "=atomic" in mode else "written", **QUICK
        ) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        with trouble(mode, tmp_path):
            ref = await alice.shout("patience")
            await alice.until(lambda: len(alice.of("error")) >= 3, "bad news, three times")
            assert {answer["type"] for answer in alice.answers(ref)} == {"error"}
        await alice.until(lambda: alice.answers(ref)[-1]["type"] == "ack", "the ack")
        assert new_contents(tmp_path) == ["patience"]


@pytest.mark.parametrize("mode", QUEUEING)
async def test_a_full_queue_refuses_with_the_ref_and_keeps_what_it_has(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(mode, tmp_path, queue_limit=5, **QUICK) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        with trouble(mode, tmp_path):
            taken = [await alice.shout(f"taken {n}") for n in range(5)]
            await alice.until(lambda: len(alice.of("ack")) == 6, "five acks")
            refused = [await bob.shout(f"refused {n}") for n in range(3)]
            answers = [await bob.answer(ref) for ref in refused]
            assert [answer.get("code") for answer in answers] == ["overloaded"] * 3
            assert server.snapshot().queue.depth == 5
        await alice.until(lambda: len(alice.heard()) == 5, "all that was taken")
        assert [alice.answers(ref)[0]["type"] for ref in taken] == ["ack"] * 5
        assert (await bob.say("again"))["type"] == "ack"
        await bob.until(lambda: "again" in bob.heard(), "what was sent again")
    assert new_contents(tmp_path) == [*(f"taken {n}" for n in range(5)), "again"]


async def test_a_message_refused_as_overloaded_does_not_count_as_accepted(tmp_path: Path) -> None:
    async with (
        running("batched", tmp_path, queue_limit=2, **QUICK) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        with trouble("batched", tmp_path):
            for n in range(5):
                await alice.answer(await alice.shout(f"message {n}"))
            counts = server.snapshot().counts
            assert (counts.accepted, counts.acked) == (2, 2)
            assert server.snapshot().refusals["overloaded"] == 3


@pytest.mark.parametrize("mode", QUEUEING)
async def test_one_client_with_its_share_in_the_queue_leaves_room_for_others(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(mode, tmp_path, queue_limit=10, client_queue_limit=4, **QUICK) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        with trouble(mode, tmp_path):
            for n in range(20):
                await alice.shout(f"alice {n}")
            await alice.until(lambda: len(alice.of("ack")) == 5, "alice's share")
            for n in range(4):
                assert (await bob.say(f"bob {n}"))["type"] == "ack"
            await alice.until(lambda: alice.of("error"), "bad news")
            assert len(alice.of("ack")) == 5
        await bob.until(lambda: len(bob.heard()) == 24, "everything")
        assert {error["code"] for error in alice.of("error")} == {"storage_delayed"}
    texts = new_contents(tmp_path)
    assert [text for text in texts if "alice" in text] == [f"alice {n}" for n in range(20)]
    assert [text for text in texts if "bob" in text] == [f"bob {n}" for n in range(4)]


@pytest.mark.parametrize("mode", IMMEDIATE)
async def test_a_failed_save_is_told_to_its_sender_alone_and_the_next_one_succeeds(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        assert (await alice.say("before"))["type"] == "ack"
        with trouble(mode, tmp_path):
            ref = await alice.shout("lost")
            answer = await alice.answer(ref)
            assert (answer["type"], answer["code"]) == ("error", "storage_failed")
            assert "messages.json" in answer["message"]
        assert (await alice.say("after"))["type"] == "ack"
        await bob.until(lambda: bob.heard() == ["before", "after"], "what was saved")
        assert len(alice.answers(ref)) == 1
        assert server.snapshot().refusals == {"storage_failed": 1}
    assert new_contents(tmp_path) == ["before", "after"]


@pytest.mark.parametrize("broken", [b"", b"[{", b"[]]", b'[{"id": 1}]', b"\xff", b"null"])
async def test_a_messages_file_broken_by_somebody_is_left_alone_until_it_is_repaired(
    broken: bytes, tmp_path: Path
) -> None:
    messages = tmp_path / "messages.json"
    async with (
        running("naive", tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        good = messages.read_bytes()
        messages.write_bytes(broken)
        assert (await alice.say("lost"))["code"] == "storage_failed"
        assert (await alice.ask("history", roomId="general"))["code"] == "storage_failed"
        assert messages.read_bytes() == broken
        messages.write_bytes(good)
        assert (await alice.say("saved"))["type"] == "ack"
    assert new_contents(tmp_path) == ["saved"]


async def test_a_rooms_file_that_cannot_be_read_refuses_by_name_and_comes_back(
    tmp_path: Path,
) -> None:
    chatrooms = tmp_path / "chatrooms.json"
    async with (
        running("naive", tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        good = chatrooms.read_bytes()
        chatrooms.write_bytes(b"[")
        requests = {
            "send_message": {"roomId": "general", "content": "x"},
            "join_room": {"roomId": "new-year"},
            "create_room": {"roomId": "new"},
            "history": {"roomId": "general"},
        }
        for kind, fields in requests.items():
            assert (await alice.ask(kind, **fields))["code"] == "storage_failed", kind
        turned_away = await ChatClient.connect(server.url, "bob")
        assert [error["code"] for error in turned_away.of("error")] == ["storage_failed"]
        assert (await turned_away.until_closed())[0] == 1008
        chatrooms.write_bytes(good)
        assert (await alice.say("better"))["type"] == "ack"


@pytest.mark.parametrize("mode", ["cached", "optimized"])
async def test_a_cache_answers_with_old_rooms_while_the_file_is_away(
    mode: str, tmp_path: Path
) -> None:
    chatrooms = tmp_path / "chatrooms.json"
    async with (
        running(mode, tmp_path, cache_ttl_s=0.0) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        chatrooms.rename(tmp_path / "aside")
        assert (await alice.say("still open"))["type"] == "ack"
        assert server.snapshot().cache.stale_served > 0
        (tmp_path / "aside").rename(chatrooms)


@pytest.mark.parametrize("mode", QUEUEING)
async def test_a_server_that_stops_on_a_broken_disk_tells_every_sender_what_is_lost(
    mode: str, tmp_path: Path
) -> None:
    async with running(mode, tmp_path, drain_timeout_s=0.1, batch_size_max=2, **QUICK) as server:
        alice = await ChatClient.connect(server.url, "alice", "general")
        with trouble(mode, tmp_path):
            refs = [await alice.shout(f"message {n}") for n in range(5)]
            await alice.until(lambda: len(alice.of("ack")) == 6, "five acks")
            farewell = await server.stop()
        assert (farewell.saved, farewell.unsaved) == (0, 5)
        assert (await alice.until_closed())[0] == 1001
        for ref in refs:
            assert alice.answers(ref)[-1]["code"] == "storage_failed"
        await alice.close()
    assert len(saved(tmp_path)) == 3


@pytest.mark.parametrize("mode", QUEUEING)
async def test_a_disk_that_gets_well_while_the_server_stops_saves_everything(
    mode: str, tmp_path: Path
) -> None:
    async with running(mode, tmp_path, **QUICK) as server:
        alice = await ChatClient.connect(server.url, "alice", "general")
        with trouble(mode, tmp_path):
            for n in range(5):
                await alice.say(f"message {n}")
            stopping = asyncio.create_task(server.stop())
            failures = server.snapshot().queue.failures
            await eventually(
                lambda: server.snapshot().queue.failures > failures + 1, "two more failures"
            )
        farewell = await stopping
        assert (farewell.saved, farewell.unsaved) == (5, 0)
        await alice.close()
    assert new_contents(tmp_path) == [f"message {n}" for n in range(5)]
