"""A disk that fails by plan, or is slow: the server lives, says so, and keeps what it promised."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from chatlab.chat import snapshot as snapshots
from chatlab.chat.modes import MODES, parse
from chatlab.chat.server import ChatServer, Farewell
from chatlab.chat.settings import Settings
from chatlab.data.folder import DataFolder
from chatlab.disk.counted import Condition, Operation
from chatlab.disk.simulated import simulate
from chatlab.view.dashboard.live import plain_line
from tests.support.chat_client import ChatClient, eventually, get, new_contents
from tests.test_view import dashboard, make_snapshot

QUEUED = [mode for mode in ("optimized", "journal", "sqlite") if mode in MODES]
SYNCED = [mode for mode in ("journal", "sqlite") if mode in MODES]
QUICK = {"flush_interval_s": 0.001, "retry_first_s": 0.002, "retry_max_s": 0.004}


@asynccontextmanager
async def on_such_a_disk(
    mode: str, folder: Path, *plans: str, more: Sequence[Condition] = (), **settings: Any
) -> AsyncIterator[ChatServer]:
    """A server on a disk that does as the plans say."""
    line_up = parse(mode)
    data = DataFolder(folder, kept_in=line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
    async with (
        data as ready,
        ChatServer(
            line_up,
            ready,
            settings=Settings(**(QUICK | settings)),
            starting=data.starting,
            conditions=[*simulate(folder, plans=plans), *more],
        ) as server,
    ):
        yield server


def said_on_disk(folder: Path) -> list[str]:
    """What the tests have said, as it lies in the files."""
    if not (folder / "messages.sqlite").exists():
        return new_contents(folder)
    with TemporaryDirectory() as copy:  # a look must not change what it looks at
        for path in folder.glob("messages.sqlite*"):
            if not path.name.endswith("-shm"):
                shutil.copyfile(path, Path(copy) / path.name)
        with closing(sqlite3.connect(Path(copy) / "messages.sqlite")) as database:
            rows = database.execute("SELECT id, content FROM messages ORDER BY seq").fetchall()
    return [text for name, text in rows if not name.startswith(("welcome-", "history-"))]


async def say_until_acked(client: ChatClient, text: str) -> int:
    """Say something, again after each refusal; returns how often it was refused."""
    for refused in range(100):
        answer = await client.say(text)
        if answer["type"] == "ack":
            return refused
        assert answer["code"] == "storage_failed", answer
    raise AssertionError(f"{text} was refused 100 times")


# Faults that pass.


@pytest.mark.parametrize("mode", QUEUED)
@pytest.mark.parametrize("plan", ["enospc@1+3", "eio@fsync:2+3", "edquot@2,eio@fsync:3", "eio@4+6"])
async def test_what_fails_is_told_tried_again_and_saved_once_and_in_order(
    mode: str, plan: str, tmp_path: Path
) -> None:
    texts = {name: [f"{name} {n}" for n in range(12)] for name in ("alice", "bob")}
    async with (
        # A small share of the queue, so that there are many batches.
        on_such_a_disk(mode, tmp_path, plan, client_queue_limit=3) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
        await ChatClient.connect(server.url, "bob", "general") as bob,
    ):
        for mine, hers in zip(*texts.values(), strict=True):
            await alice.shout(mine)
            await bob.shout(hers)
        for client in (alice, bob):
            await client.until(lambda c=client: len(c.of("ack")) == 13, "every ack")
            await client.until(lambda c=client: len(c.heard()) == 24, "every message")
        now = server.snapshot()
        assert now.queue.failures > 0
        assert all("over" in words for words in now.simulated)
        assert any("messages wait and are tried again" in note.text for note in now.notes)
        told = {error["code"] for client in (alice, bob) for error in client.of("error")}
        assert told == {"storage_delayed"}
        assert alice.heard() == bob.heard()
    assert said_on_disk(tmp_path) == bob.heard()
    for name, said in texts.items():
        assert [text for text in bob.heard() if text.startswith(name)] == said


@pytest.mark.parametrize("mode", SYNCED)
async def test_a_synced_ack_comes_after_the_disk_is_well_and_not_before(
    mode: str, tmp_path: Path
) -> None:
    slow = {"retry_first_s": 0.05, "retry_max_s": 0.05}
    async with (
        on_such_a_disk(mode, tmp_path, "eio@fsync:1+2", **slow) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        ref = await alice.shout("patience")
        await alice.until(lambda: alice.of("error"), "bad news")
        assert [answer["type"] for answer in alice.answers(ref)] == ["error"]
        await alice.until(lambda: alice.answers(ref)[-1]["type"] == "ack", "the ack")
        # On the disk at the moment of its ack, not only at the end.
        assert said_on_disk(tmp_path) == ["patience"]


@pytest.mark.parametrize(
    ("mode", "plan"),
    [
        ("naive", "eio@read:6+4"),
        ("naive", "erofs@truncate:2+3"),
        ("naive", "eio@read:5,eio@truncate:3"),
        # The second sync is that of the folder: the refused message is in the file by then.
        ("naive+writer=atomic", "eio@fsync:2"),
        ("naive+writer=atomic", "enospc@2+2,eio@rename:3"),
    ],
)
async def test_a_naive_server_refuses_what_it_cannot_save_and_takes_it_when_sent_again(
    mode: str, plan: str, tmp_path: Path
) -> None:
    texts = [f"message {n}" for n in range(6)]
    async with (
        on_such_a_disk(mode, tmp_path, plan) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        refused = sum([await say_until_acked(alice, text) for text in texts])
        assert refused > 0
        assert server.snapshot().refusals == {"storage_failed": refused}
        assert server.snapshot().notes
        await alice.until(lambda: alice.heard() == texts, "each message, once")
    assert said_on_disk(tmp_path) == texts


async def test_a_full_disk_tears_a_naive_servers_file_and_it_says_so_and_lives(
    tmp_path: Path,
) -> None:
    async with (
        on_such_a_disk("naive", tmp_path, "enospc@2") as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say("whole"))["type"] == "ack"
        full = await alice.say("torn")
        assert full["code"] == "storage_failed"
        assert "No space left" in full["message"]
        after = await alice.say("too late")
        assert after["code"] == "storage_failed"
        assert "understand messages.json" in after["message"]
        answer = await get(server.url, "/stats")
        assert answer.status == 200
        assert any("No space left" in note["text"] for note in answer.json["notes"])
        assert any("understand messages.json" in note["text"] for note in answer.json["notes"])
        async with await ChatClient.connect(server.url, "bob", "general") as bob:
            assert bob.of("welcome")


# Faults that last.


@pytest.mark.parametrize("mode", QUEUED)
@pytest.mark.parametrize("plan", ["eio@3+", "enospc@1+forever", "eio@fsync:1+"])
async def test_a_server_on_a_disk_that_stays_broken_stops_in_order_and_tells_all_senders(
    mode: str, plan: str, tmp_path: Path
) -> None:
    async with on_such_a_disk(mode, tmp_path, plan, drain_timeout_s=0.05) as server:
        alice = await ChatClient.connect(server.url, "alice")
        await alice.ask("join_room", roomId="general")
        refs = [await alice.shout(f"message {n}") for n in range(5)]
        await alice.until(lambda: alice.of("error"), "bad news")
        await eventually(lambda: server.snapshot().queue.failures > 2, "three failures")
        farewell = await server.stop()
        await alice.until_closed()
        assert farewell == Farewell(saved=0, unsaved=5)
        assert [alice.answers(ref)[-1].get("code") for ref in refs] == ["storage_failed"] * 5
        await alice.close()
    # And the folder is one that a server can start on.
    async with (
        on_such_a_disk(mode, tmp_path) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        assert (await alice.say("well again"))["type"] == "ack"
    assert said_on_disk(tmp_path)[-1] == "well again"


@pytest.mark.parametrize("mode", ["naive", *QUEUED])
async def test_a_plan_does_not_disturb_the_start_and_counts_from_there(
    mode: str, tmp_path: Path
) -> None:
    for _ in range(2):  # a fresh folder, and one to recover
        async with on_such_a_disk(mode, tmp_path, "eio@1+") as server:
            assert server.snapshot().simulated == ["eio@1+ (0 operations so far)"]
            assert not any("Input/output" in note.text for note in server.snapshot().notes)


# Slow disks.


class Threads:
    """Remembers which threads work for the disk."""

    def __init__(self) -> None:
        self.seen: set[threading.Thread] = set()

    def before(self, _: Operation) -> None:
        self.seen.add(threading.current_thread())

    def after(self, _: Operation) -> None:
        pass


@pytest.mark.parametrize("mode", ["naive", *QUEUED])
async def test_whatever_the_disk_does_it_does_off_the_event_loop(mode: str, tmp_path: Path) -> None:
    threads = Threads()
    async with (
        on_such_a_disk(mode, tmp_path, more=[threads]) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        await alice.say("hello")
        await alice.until(alice.heard, "the message")
        assert (await alice.ask("history", roomId="general"))["type"] == "history"
    assert threads.seen
    assert threading.current_thread() not in threads.seen


async def flood(
    server: ChatServer, clients: Sequence[ChatClient], each: int
) -> tuple[int, list[dict[str, Any]]]:
    """Send as fast as the sockets take it; returns the deepest queue, and all refusals."""
    depths = []

    async def look() -> None:
        while True:
            depths.append(server.snapshot().queue.depth)
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    for n in range(each):
        for number, client in enumerate(clients):
            await client.shout(f"{number} {n}")
    for client in clients:
        await client.until(
            lambda c=client: len(c.of("ack")) - 1 + len(c.of("error")) == each, "every answer"
        )
    looking.cancel()
    return max(depths), [error for client in clients for error in client.of("error")]


def acked(client: ChatClient, number: int) -> list[str]:
    """What a client of `flood` was promised; its first ref was for joining the room."""
    return [f"{number} {ack['ref'] - 2}" for ack in client.of("ack") if ack["ref"] > 1]


@pytest.mark.parametrize("mode", SYNCED)
@pytest.mark.parametrize(
    ("limits", "refuses"),
    [
        ({"queue_limit": 20, "client_queue_limit": 5}, False),
        ({"queue_limit": 20, "client_queue_limit": 50}, True),
    ],
    ids=["senders are slowed down", "senders are refused"],
)
async def test_a_flood_on_a_slow_disk_is_bounded_and_every_ack_is_kept(
    mode: str, limits: dict[str, int], refuses: bool, tmp_path: Path
) -> None:
    async with on_such_a_disk(mode, tmp_path, "slow=10ms@fsync", **limits) as server:
        clients = [await ChatClient.connect(server.url, f"user-{n}", "general") for n in range(3)]
        deepest, refusals = await flood(server, clients, 100)
        assert deepest <= (20 if refuses else 15)
        assert deepest >= 10  # else the disk was quick enough, and nothing was seen
        assert {error["code"] for error in refusals} == ({"overloaded"} if refuses else set())
        if refuses:
            # What was refused can be sent again.
            assert (await clients[0].say("again"))["type"] == "ack"
            assert said_on_disk(tmp_path)[-1] == "again"
        for client in clients:
            await client.close()
    on_disk = said_on_disk(tmp_path)
    for number, client in enumerate(clients):
        mine = [text for text in on_disk if text.startswith(f"{number} ")]
        assert mine == [text for text in acked(client, number) if text != "0 100"]
        assert len(mine) == 100 or refuses


# What can be seen of it.


async def test_a_snapshot_says_what_is_simulated(tmp_path: Path) -> None:
    async with on_such_a_disk("journal", tmp_path, "slow=1ms@fsync,enospc@7") as server:
        assert (await get(server.url, "/stats")).json["simulated"] == [
            "each fsync 1 ms slower",
            "enospc@7 (0 writes so far)",
        ]
        assert snapshots.decode(snapshots.encode(server.snapshot())).simulated
    async with on_such_a_disk("journal", tmp_path, more=[Threads()]) as server:
        assert server.snapshot().simulated == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (60, 20)])
def test_every_view_of_a_server_says_what_is_simulated(width: int, height: int) -> None:
    words = ["disk hdd (fsync 8 ms, 120 MB/s)", "eio@9 (over)"]
    shown = f"simulated {'; '.join(words)}"

    assert any(
        line.strip() == shown for line in dashboard(width, height, make_snapshot(simulated=words))
    )
    assert not any("simulated" in line for line in dashboard(width, height))
    assert plain_line(make_snapshot(simulated=words)).endswith(f"simulated: {'; '.join(words)}")
    assert "simulated" not in plain_line(make_snapshot())


@pytest.mark.parametrize("width", [20, 40, 80])
def test_what_is_simulated_never_makes_the_dashboard_wider(width: int) -> None:
    long = make_snapshot(simulated=["eio@write:3 (100 writes so far)", "\x1b[2J", "喝" * 60])
    lines = dashboard(width, 24, long)

    assert len(lines) <= 24
    assert not any("\x1b" in line for line in lines)
