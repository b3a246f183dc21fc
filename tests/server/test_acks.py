"""An ack says what it promises, and comes when that is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatlab.bench import ceiling_servers
from chatlab.chat.modes import MODES
from chatlab.chat.protocol import ACK_LEVELS
from tests.support.chat_client import ChatClient, Frame, new_contents, running

PROMISES = {
    "racy": "written",
    "naive": "written",
    "cached": "written",
    "batched": "queued",
    "optimized": "queued",
    "journal": "synced",
    "sqlite": "synced",
}
NEVER_S = 3600.0


@pytest.mark.parametrize("mode", MODES)
async def test_acks_of_a_mode_say_what_the_mode_promises(mode: str, tmp_path: Path) -> None:
    async with (
        running(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        ack = await alice.say("hello")
        assert (ack["type"], ack["means"]) == ("ack", PROMISES[mode])
        assert alice.of("welcome")[0]["ackMeans"] == PROMISES[mode]


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        ("batched", "written"),
        ("optimized", "written"),
        ("optimized", "synced"),
        ("naive+writer=atomic", "synced"),
        ("batched+writer=atomic", "synced"),
    ],
)
async def test_a_raised_ack_says_what_was_asked_for(mode: str, level: str, tmp_path: Path) -> None:
    assert level in ACK_LEVELS
    async with (
        running(mode, tmp_path, ack=level) as server,  # type: ignore[arg-type]
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say("hello"))["means"] == level


@pytest.mark.parametrize("mode", ["batched", "optimized"])
async def test_an_ack_that_means_queued_does_not_wait_for_the_disk(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(mode, tmp_path, flush_interval_s=NEVER_S) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say("one"))["means"] == "queued"
        assert new_contents(tmp_path) == []
    assert new_contents(tmp_path) == ["one"]


@pytest.mark.parametrize("mode", ["batched", "optimized"])
async def test_an_ack_raised_to_written_comes_when_the_message_is_on_disk_and_not_before(
    mode: str, tmp_path: Path
) -> None:
    async with (
        running(
            mode, tmp_path, ack="written", flush_interval_s=NEVER_S, batch_size_max=3
        ) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        refs = [await alice.shout("one"), await alice.shout("two")]
        await alice.ask("history", roomId="general")  # an answer after both, were there any
        assert [alice.answers(ref) for ref in refs] == [[], []]
        on_disk_at_ack = _files_at_acks(alice, tmp_path)
        assert (await alice.say("three"))["means"] == "written"
        assert on_disk_at_ack == [["one", "two", "three"]] * 3


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("batched", "optimized")])
async def test_a_message_is_on_disk_when_its_ack_arrives(mode: str, tmp_path: Path) -> None:
    async with (
        running(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        on_disk_at_ack = _files_at_acks(alice, tmp_path)
        for n in range(5):
            await alice.say(f"message {n}")
        for n, on_disk in enumerate(on_disk_at_ack):
            assert f"message {n}" in on_disk
        assert len(on_disk_at_ack) == 5


@pytest.mark.parametrize("mode", MODES)
async def test_nobody_hears_a_message_before_it_is_on_disk(mode: str, tmp_path: Path) -> None:
    async with (
        running(mode, tmp_path, flush_interval_s=0.001) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        too_early: list[str] = []

        def look(frame: Frame) -> None:
            if frame["type"] == "message" and frame["content"] not in new_contents(tmp_path):
                too_early.append(frame["content"])

        bob.on_frame = look
        for n in range(10):
            await alice.say(f"message {n}")
        await bob.until(lambda: len(bob.heard()) == 10, "all ten")
        assert too_early == []


@pytest.mark.parametrize("mode", MODES)
async def test_joining_leaving_and_creating_are_on_disk_when_they_are_acked(
    mode: str, tmp_path: Path
) -> None:
    chatrooms = tmp_path / "chatrooms.json"
    async with (
        running(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "zoe") as zoe,
    ):
        means = set()
        for kind, room in [("create_room", "mine"), ("join_room", "general")]:
            seen: list[str] = []
            zoe.on_frame = lambda _, seen=seen: seen.append(chatrooms.read_text())  # type: ignore[misc]
            means.add((await zoe.ask(kind, roomId=room))["means"])
            assert seen[0].count('"zoe"') == (1 if kind == "create_room" else 2)
        means.add((await zoe.ask("leave_room", roomId="general"))["means"])
        assert chatrooms.read_text().count('"zoe"') == 1
        assert means == {"synced" if server.line_up.parts["writer"] == "atomic" else "written"}


def _files_at_acks(client: ChatClient, folder: Path) -> list[list[str]]:
    """Gets, at the moment of each ack from now on, what is on disk."""
    on_disk: list[list[str]] = []

    def look(frame: Frame) -> None:
        if frame["type"] == "ack":
            on_disk.append(new_contents(folder))

    client.on_frame = look
    return on_disk


async def test_a_store_that_promises_only_queued_is_acked_too(tmp_path: Path) -> None:
    """Its processor saves before it acks: then the save is what the ack waits for."""
    mode = f"journal+store={ceiling_servers.__file__}:MemoryStore"
    async with (
        running(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say("hello"))["means"] == "queued"
