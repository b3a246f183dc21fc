"""A disk that fails, or is slow: the server lives, tells everyone, and keeps what it promised."""

from __future__ import annotations

import threading
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatlab.chat.server.app import Farewell
from chatlab.disk.conditions import FailingDisk
from chatlab.disk.simulated import simulate
from chatlab.view.dashboard.summary import plain_line
from tests.support.chat_client import ChatClient, chatting, eventually, new_contents, running, stats
from tests.support.snapshots import a_snapshot, dashboard

QUEUED = ["optimized", "journal", "sqlite"]
SYNCED = pytest.mark.parametrize("mode", ["journal", "sqlite"])
QUICK = {"flush_interval_s": 0.001, "retry_first_s": 0.002, "retry_max_s": 0.004}


def on_a_disk(folder: Path, *plans: str, **settings: Any) -> dict[str, Any]:
    """How to run a server on a disk that does as the plans say."""
    return {"conditions": simulate(folder, plans=plans), **QUICK, **settings}


def told(*clients: ChatClient) -> set[str]:
    """The codes of all errors that these clients got."""
    return {error["code"] for client in clients for error in client.of("error")}


# Faults that pass.


@pytest.mark.parametrize(
    ("mode", "plan"),
    [
        *product(QUEUED, ("enospc@1+3", "eio@fsync:2+3", "edquot@2,eio@fsync:3", "eio@4+6")),
        ("batched", "erofs@truncate:2+3"),
        ("optimized+delivery=each", "eio@4+6"),
    ],
)
async def test_what_fails_is_saved_later_once_in_order(
    mode: str, plan: str, tmp_path: Path
) -> None:
    # A small share of the queue, so that there are many batches.
    how = on_a_disk(tmp_path, plan, client_queue_limit=3)
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        for n in range(12):
            for client in (alice, bob):
                await client.shout(f"{client.user} {n}")
        for client in (alice, bob):
            await client.until(lambda c=client: len(c.of("ack")) == 13, "every ack")
            await client.until(lambda c=client: len(c.heard()) == 24, "every message")
        now = server.snapshot()
        assert now.queue.failures > 0
        assert all("over" in words for words in now.simulated)
        assert any("messages wait and are tried again" in note.text for note in now.notes)
        assert told(alice, bob) == {"storage_delayed"}
        assert alice.heard() == bob.heard()
    assert new_contents(tmp_path) == bob.heard()
    for client in (alice, bob):
        mine = [text for text in bob.heard() if text.startswith(client.user)]
        assert mine == list(client.said.values())


@pytest.mark.parametrize(
    ("mode", "ack", "kind"),
    [
        ("journal", None, "fsync"),
        ("sqlite", None, "fsync"),
        ("optimized", "synced", "fsync"),
        ("batched", "written", "truncate"),
    ],
)
async def test_an_ack_waits_for_a_well_disk(mode: str, ack: Any, kind: str, tmp_path: Path) -> None:
    how = on_a_disk(tmp_path, f"eio@{kind}:1+2", retry_first_s=0.05, retry_max_s=0.05)
    async with chatting(mode, tmp_path, "alice", ack=ack, **how) as (_, alice):
        ref = await alice.shout("patience")
        await alice.until(lambda: len(alice.of("error")) == 2, "bad news, twice")
        assert [answer["type"] for answer in alice.answers(ref)] == ["error"] * 2
        await alice.until(lambda: alice.answers(ref)[-1]["type"] == "ack", "the ack")
        # On the disk at the moment of its ack, not only at the end.
        assert new_contents(tmp_path) == ["patience"]


@pytest.mark.parametrize(
    ("mode", "plan"),
    [
        ("naive", "eio@read:9+4"),
        ("naive", "erofs@truncate:2+3"),
        ("naive", "eio@read:8,eio@truncate:3"),
        ("cached", "erofs@truncate:2+3"),
        # The second sync is that of the folder: the refused message is in the file by then.
        ("naive+writer=atomic", "eio@fsync:2"),
        ("cached+writer=atomic", "eio@fsync:2"),
        ("naive+writer=atomic", "enospc@2+2,eio@rename:3"),
    ],
)
async def test_without_a_queue_a_failed_save_is_refused(
    mode: str, plan: str, tmp_path: Path
) -> None:
    texts = [f"message {n}" for n in range(6)]
    how = on_a_disk(tmp_path, plan)
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        for text in texts:
            for _ in range(10):  # again after each refusal
                answer = await alice.say(text)
                if answer["type"] == "ack":
                    break
                assert answer["code"] == "storage_failed"
        refused = len(alice.of("error"))
        assert refused > 0
        assert server.snapshot().refusals == {"storage_failed": refused}
        assert server.snapshot().notes
        await bob.until(lambda: bob.heard() == texts, "each message, once")
        assert told(bob) == set()
        refs = [frame["ref"] for frame in alice.frames if "ref" in frame]
        assert len(refs) == len(set(refs)) == refused + 7, "each request has one answer"
    assert new_contents(tmp_path) == texts


async def test_a_full_disk_tears_a_naive_servers_file_and_it_says_so(tmp_path: Path) -> None:
    how = on_a_disk(tmp_path, "enospc@2")
    async with chatting("naive", tmp_path, "alice", **how) as (server, alice):
        assert (await alice.say("whole"))["type"] == "ack"
        full, after = await alice.say("torn"), await alice.say("too late")
        assert told(alice) == {"storage_failed"}
        assert "No space left" in full["message"]
        assert "understand messages.json" in after["message"]
        notes = "; ".join(note.text for note in (await stats(server.url)).notes)
        assert "No space left" in notes
        assert "understand messages.json" in notes
        async with await ChatClient.connect(server.url, "bob", "general") as bob:
            assert bob.of("welcome")


async def test_broken_files_are_refused_by_name_and_left_alone_until_repaired(
    tmp_path: Path,
) -> None:
    say = ("send_message", {"roomId": "general", "content": "lost"})
    history = ("history", {"roomId": "general"})
    changes = [("join_room", {"roomId": "new-year"}), ("create_room", {"roomId": "new"})]
    broken = [
        *(("messages.json", text, [say, history]) for text in (b"", b"[{", b"[]]", b"\xff")),
        *(("messages.json", text, [say, history]) for text in (b'[{"id": 1}]', b"null")),
        ("chatrooms.json", b"[", [say, history, *changes]),
    ]
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        for name, text, requests in broken:
            path = tmp_path / name
            good = path.read_bytes()
            path.write_bytes(text)
            for kind, fields in requests:
                assert (await alice.ask(kind, **fields))["code"] == "storage_failed", (kind, text)
            assert path.read_bytes() == text
            if name == "chatrooms.json":
                turned_away = await ChatClient.connect(server.url, "bob")
                assert told(turned_away) == {"storage_failed"}
                assert (await turned_away.until_closed())[0] == 1008
            path.write_bytes(good)
        assert (await alice.say("saved"))["type"] == "ack"
    assert new_contents(tmp_path) == ["saved"]


# A queue that fills up.


async def test_a_full_queue_refuses_with_the_ref_and_keeps_what_it_has(tmp_path: Path) -> None:
    disk = FailingDisk()
    how = {"conditions": [disk], "queue_limit": 5, **QUICK}
    async with chatting("batched", tmp_path, "alice", "bob", **how) as (server, alice, bob):
        disk.fail(count=None, kind="truncate")
        taken = [await alice.shout(f"taken {n}") for n in range(5)]
        await alice.until(lambda: len(alice.of("ack")) == 6, "five acks")
        refused = [await alice.say(f"refused {n}") for n in range(3)]
        assert [answer.get("code") for answer in refused] == ["overloaded"] * 3
        now = server.snapshot()
        assert (now.queue.depth, now.counts.accepted, now.counts.acked) == (5, 5, 5)
        assert now.refusals["overloaded"] == 3
        disk.heal()
        await alice.until(lambda: len(alice.heard()) == 5, "all that was taken")
        assert [alice.answers(ref)[0]["type"] for ref in taken] == ["ack"] * 5
        assert (await bob.say("again"))["type"] == "ack"
        await bob.until(lambda: "again" in bob.heard(), "what was sent again")
    assert new_contents(tmp_path) == [*(f"taken {n}" for n in range(5)), "again"]


async def test_one_flooding_client_leaves_others_room_in_the_queue(tmp_path: Path) -> None:
    disk = FailingDisk()
    how = {"conditions": [disk], "queue_limit": 10, "client_queue_limit": 4, **QUICK}
    async with chatting("optimized", tmp_path, "alice", "bob", **how) as (_, alice, bob):
        disk.fail(count=None, kind="write")
        for n in range(20):
            await alice.shout(f"alice {n}")
        await alice.until(lambda: len(alice.of("ack")) == 5, "alice's share")
        for n in range(4):
            assert (await bob.say(f"bob {n}"))["type"] == "ack"
        await alice.until(lambda: alice.of("error"), "bad news")
        assert len(alice.of("ack")) == 5
        disk.heal()
        await bob.until(lambda: len(bob.heard()) == 24, "everything")
        assert told(alice) == {"storage_delayed"}
    texts = new_contents(tmp_path)
    assert [text for text in texts if "alice" in text] == [f"alice {n}" for n in range(20)]
    assert [text for text in texts if "bob" in text] == [f"bob {n}" for n in range(4)]


# Faults that last.


@pytest.mark.parametrize(
    ("mode", "plan"),
    [
        *product(QUEUED, ("eio@3+", "enospc@1+", "eio@fsync:1+")),
        ("batched", "erofs@truncate:1+forever"),
    ],
)
async def test_on_a_broken_disk_a_stop_tells_all_senders(
    mode: str, plan: str, tmp_path: Path
) -> None:
    how = on_a_disk(tmp_path, plan, drain_timeout_s=0.05)
    async with chatting(mode, tmp_path, "alice", **how) as (server, alice):
        refs = [await alice.shout(f"message {n}") for n in range(5)]
        await alice.until(lambda: alice.of("error"), "bad news")
        await eventually(lambda: server.snapshot().queue.failures > 2, "three failures")
        farewell = await server.stop()
        assert (await alice.until_closed())[0] == 1001
        assert farewell == Farewell(saved=0, unsaved=5)
        assert [alice.answers(ref)[-1].get("code") for ref in refs] == ["storage_failed"] * 5
    # And a server can start on the folder.
    async with chatting(mode, tmp_path, "alice") as (_, alice):
        assert (await alice.say("well again"))["type"] == "ack"
    assert new_contents(tmp_path)[-1] == "well again"


@pytest.mark.parametrize("mode", ["naive", *QUEUED])
async def test_a_plan_starts_to_count_after_the_start(mode: str, tmp_path: Path) -> None:
    for _ in range(2):  # a fresh folder, and one to recover
        how = on_a_disk(tmp_path, "slow=1ms@fsync,eio@1+")
        async with running(mode, tmp_path, **how) as server:
            expected = ["each fsync 1 ms slower", "eio@1+ (0 operations so far)"]
            seen = await stats(server.url)
            assert seen.simulated == expected
            assert not any("Input/output" in note.text for note in seen.notes)


# Slow disks.


@pytest.mark.parametrize("mode", ["naive", *QUEUED])
async def test_whatever_the_disk_does_it_does_off_the_event_loop(mode: str, tmp_path: Path) -> None:
    seen: set[threading.Thread] = set()
    spy = SimpleNamespace(
        before=lambda _: seen.add(threading.current_thread()), after=lambda _: None
    )
    async with chatting(mode, tmp_path, "alice", conditions=[spy]) as (server, alice):
        await alice.say("hello")
        await alice.until(alice.heard, "the message")
        assert (await alice.ask("history", roomId="general"))["type"] == "history"
        assert server.snapshot().simulated == []
    assert seen
    assert threading.current_thread() not in seen


@SYNCED
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
    names = [f"user-{n}" for n in range(3)]
    how = on_a_disk(tmp_path, "slow=10ms@fsync", **limits)
    async with chatting(mode, tmp_path, *names, **how) as (server, *clients):
        depths: list[int] = []
        for client in clients:
            client.on_frame = lambda _: depths.append(server.snapshot().queue.depth)
        for n in range(100):
            for client in clients:
                await client.shout(f"{client.user} {n}")
        for client in clients:
            await client.until(lambda c=client: len(c.of("ack") + c.of("error")) == 101, "answers")
        assert max(depths) <= (20 + 2 if refuses else 15), "one of each who has none in it"
        assert max(depths) >= 10  # else the disk was quick enough, and nothing was seen
        assert told(*clients) == ({"overloaded"} if refuses else set())
        if refuses:
            # What was refused can be sent again.
            assert (await clients[0].say("again"))["type"] == "ack"
            assert new_contents(tmp_path)[-1] == "again"
    on_disk = new_contents(tmp_path)
    for client in clients:
        mine = [text for text in on_disk if text.startswith(client.user)]
        assert mine == [text for text in client.answered("ack") if text != "again"]
        assert len(mine) == 100 or refuses


# What people see of it.


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (60, 20)])
def test_every_view_of_a_server_says_what_is_simulated(width: int, height: int) -> None:
    words = ["disk hdd (fsync 8 ms, 120 MB/s)", "eio@9 (over)"]
    simulated = a_snapshot(simulated=words)
    shown = f"simulated {'; '.join(words)}"

    assert shown in map(str.strip, dashboard(width, height, simulated))
    assert not any("simulated" in line for line in dashboard(width, height))
    assert plain_line(simulated).endswith(f"simulated: {'; '.join(words)}")
    assert "simulated" not in plain_line(a_snapshot())
    long = a_snapshot(simulated=["eio@write:3 (100 writes so far)", "\x1b[2J", "喝" * 60])
    lines = dashboard(width, 24, long)
    assert len(lines) <= 24
    assert not any("\x1b" in line for line in lines)
