"""An ack says what it promises, and comes when that is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.bench import machine
from chatlab.chat.modes import MODES
from tests.support.chat_client import ChatClient, Frame, chatting, new_contents

PROMISES = {
    **dict.fromkeys(("racy", "naive", "cached"), "written"),
    **dict.fromkeys(("batched", "optimized"), "queued"),
    **dict.fromkeys(("journal", "sqlite"), "synced"),
}
NEVER_S = 3600.0


def on_disk_at(client: ChatClient, kind: str, folder: Path) -> list[tuple[Frame, list[str]]]:
    """Gets each frame of a kind, from now on, with what is on disk at the moment of its arrival."""
    seen: list[tuple[Frame, list[str]]] = []

    def look(frame: Frame) -> None:
        if frame["type"] == kind:
            seen.append((frame, new_contents(folder)))

    client.on_frame = look
    return seen


@pytest.mark.parametrize("mode", MODES)
async def test_an_ack_keeps_its_promise_and_delivery_follows_save(
    mode: str, tmp_path: Path
) -> None:
    promise = PROMISES[mode]
    async with chatting(mode, tmp_path, "alice", "bob", flush_interval_s=0.001) as (_, alice, bob):
        assert alice.of("welcome")[0]["ackMeans"] == promise
        acked = on_disk_at(alice, "ack", tmp_path) if promise != "queued" else []
        heard = on_disk_at(bob, "message", tmp_path)
        for n in range(10):
            assert (await alice.say(f"message {n}"))["means"] == promise
            await bob.until(lambda n=n: len(heard) == n + 1, "the message")
        assert all(frame["content"] in on_disk for frame, on_disk in heard)
        assert all(f"message {n}" in on_disk for n, (_, on_disk) in enumerate(acked))
        assert len(acked) == (0 if promise == "queued" else 10)


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        ("optimized", "synced"),
        ("naive+writer=atomic", "synced"),
        ("batched+writer=atomic", "synced"),
        ("batched", "written"),
    ],
)
async def test_a_raised_ack_waits_for_the_disk(mode: str, level: str, tmp_path: Path) -> None:
    knobs = {"flush_interval_s": NEVER_S, "batch_size_max": 3}
    async with chatting(mode, tmp_path, "alice", ack=level, **knobs) as (_, alice):
        acked = on_disk_at(alice, "ack", tmp_path)
        for text in ("one", "two"):
            await alice.shout(text)
        await alice.ask("history", roomId="general")  # an answer after both, if there were any
        if mode.startswith(("batched", "optimized")):
            assert acked == []
        assert (await alice.say("three"))["means"] == level
        assert [ack["means"] for ack, _ in acked] == [level] * 3
        assert acked[-1][1] == ["one", "two", "three"]


async def test_a_store_that_promises_only_queued_is_acked_too(tmp_path: Path) -> None:
    """Its processor saves before it acks: the ack waits for that save."""
    mode = f"journal+store={machine.__file__}:MemoryStore"
    async with chatting(mode, tmp_path, "alice") as (_, alice):
        assert (await alice.say("hello"))["means"] == "queued"


@pytest.mark.parametrize(("mode", "level"), [("naive", "written"), ("optimized", "synced")])
async def test_room_changes_are_on_disk_when_acked(mode: str, level: str, tmp_path: Path) -> None:
    chatrooms = tmp_path / "chatrooms.json"
    async with chatting(mode, tmp_path, "zoe", rooms=()) as (_, zoe):
        seen: list[tuple[str, int]] = []
        zoe.on_frame = lambda ack: seen.append((ack["means"], chatrooms.read_text().count('"zoe"')))
        for kind, room in [("create_room", "r"), ("join_room", "general"), ("leave_room", "r")]:
            await zoe.ask(kind, roomId=room)
        assert seen == [(level, 1), (level, 2), (level, 1)]
