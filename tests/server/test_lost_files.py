"""Files that are deleted, moved, replaced or cut under a running server: it notices."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatlab.data.folder import LOCK_NAME, DataFolder
from chatlab.data.readers import read_saved
from chatlab.errors import StorageError
from tests.support.chat_client import chatting, get, new_contents, running

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files where they are")

QUICK = {"retry_first_s": 0.002, "retry_max_s": 0.004, "drain_timeout_s": 0.1}
REWRITING = ("racy", "naive", "cached", "batched", "optimized")
SEGMENTS = "journal+segment-size=600"
"""A segment holds two messages."""


def delete(name: str) -> Callable[[Path], object]:
    return lambda folder: next(folder.glob(name)).unlink()


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: os.truncate(next(iter(sorted(folder.glob(name))[-1:])), 10)


def move(name: str) -> Callable[[Path], object]:
    """Move a file within the folder."""
    return lambda folder: (folder / name).rename(folder / "moved")


def replace(name: str) -> Callable[[Path], object]:
    """Put a copy in the place of a file."""

    def act(folder: Path) -> None:
        path = next(folder.glob(name))
        shutil.copyfile(path, folder / "copy")
        (folder / "copy").replace(path)

    return act


def folder_moved(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def folder_replaced(folder: Path) -> None:
    folder_moved(folder)
    shutil.copytree(folder.with_name("moved"), folder)


OF_ALL: dict[str, Callable[[Path], object]] = {
    "lock": delete(LOCK_NAME),
    "lock replaced": replace(LOCK_NAME),
    "rooms": delete("chatrooms.json"),
    "users": delete("users.json"),
    "folder moved": folder_moved,
    "folder deleted": shutil.rmtree,
    "folder replaced": folder_replaced,
}
OF_MODE: dict[str, dict[str, Callable[[Path], object]]] = {
    **{mode: {"messages": delete("messages.json")} for mode in REWRITING},
    "journal": {
        "segment": delete("journal-*"),
        "segment replaced": replace("journal-*"),
        "segment cut": cut("journal-*"),
    },
    SEGMENTS: {"first segment": delete("journal-0000000000000000.log")},
    "sqlite": {
        "database": delete("messages.sqlite"),
        "database moved": move("messages.sqlite"),
        "log": delete("messages.sqlite-wal"),
        "log replaced": replace("messages.sqlite-wal"),
        "log cut": cut("messages.sqlite-wal"),
    },
}
CASES = [
    pytest.param(mode, act, id=f"{mode}: {what}")
    for mode, own in OF_MODE.items()
    for what, act in (own | (OF_ALL if mode != SEGMENTS else {})).items()
]


def readable(folder: Path) -> list[str]:
    """The new messages that the readers find in a folder."""
    try:
        return [message.content for message in read_saved(folder).messages]
    except (OSError, StorageError):
        return []


@pytest.mark.parametrize(("mode", "act"), CASES)
async def test_nothing_is_acked_as_kept_that_nobody_can_read(
    mode: str, act: Callable[[Path], object], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    async with chatting(mode, folder, "alice", **QUICK) as (_, alice):
        for n in range(3 if mode == SEGMENTS else 0):  # segments that the next server finds
            await alice.say(f"earlier {n}")
    async with chatting(mode, folder, "alice", **QUICK) as (server, alice):
        for n in range(3):
            await alice.say(f"before {n}")
        await alice.until(lambda: len(alice.heard()) == 3, "all of them")
        act(folder)
        healths = [await get(server.url, "/health")]
        refs = [await alice.shout(f"after {n}") for n in range(3)]
        for ref in refs:
            await alice.until(lambda ref=ref: alice.answers(ref), "an answer")
        healths.append(await get(server.url, "/health"))
        await server.stop()
        notes = "; ".join(note.text for note in server.snapshot().notes)
    kept = {alice.said[ref] for ref in refs if of_kind(alice.answers(ref), "written", "synced")}
    assert kept <= set(readable(folder)), notes
    assert any(health.status == 503 and health.json["storage"] != "ok" for health in healths)
    assert notes or not alice.of("error"), "the person at the server is told, too"


def of_kind(answers: list[dict[str, Any]], *promises: str) -> list[dict[str, Any]]:
    return [one for one in answers if one.get("means") in promises]


@pytest.mark.parametrize("mode", ["optimized", "journal", "sqlite"])
async def test_a_folder_that_comes_back_is_gone_on_with(mode: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with chatting(mode, folder, "alice", **QUICK) as (server, alice):
        await alice.say("before")
        await alice.until(alice.heard, "the message")
        folder_moved(folder)
        ref = await alice.shout("while it was away")
        await alice.until(lambda: alice.of("error"), "bad news")
        assert "put it back" in alice.of("error")[0]["message"]
        assert "put it back" in (await get(server.url, "/health")).json["storage"]
        assert [note for note in server.snapshot().notes if "moved" in note.text]
        folder.with_name("moved").rename(folder)
        await alice.until(lambda: "while it was away" in alice.heard(), "the message")
        assert alice.answers(ref)[-1]["type"] == "ack" or mode == "optimized"
        assert (await alice.say("and on"))["type"] == "ack"
        await alice.until(lambda: "and on" in alice.heard(), "the last one")
        health = await get(server.url, "/health")
        assert (health.status, health.json["storage"]) == (200, "ok")
    assert new_contents(folder) == ["before", "while it was away", "and on"]


@pytest.mark.parametrize("mode", ["naive", "optimized", "journal"])
async def test_a_second_server_on_the_folder_is_not_disturbed(mode: str, tmp_path: Path) -> None:
    async with chatting(mode, tmp_path, "alice", **QUICK) as (first, alice):
        await alice.say("one")
        await alice.until(alice.heard, "the message")
        delete(LOCK_NAME)(tmp_path)
        async with chatting(mode, tmp_path, "bob", **QUICK) as (_, bob):
            assert (await bob.say("two"))["type"] == "ack"
            await bob.until(bob.heard, "the message")
            await alice.shout("not any more")
            await alice.until(lambda: alice.of("error"), "bad news")
            assert LOCK_NAME in alice.of("error")[0]["message"]
            await first.stop()
            assert (await bob.say("three"))["type"] == "ack"
            await bob.until(lambda: len(bob.heard()) == 2, "both")
    assert new_contents(tmp_path) == ["one", "two", "three"]
    assert sys.exc_info() == (None, None, None)


async def test_what_no_server_depends_on_may_go(tmp_path: Path) -> None:
    (tmp_path / "my notes.txt").write_text("mine")
    async with running("journal", tmp_path) as server:
        (tmp_path / "my notes.txt").unlink()
        assert (await get(server.url, "/health")).json["storage"] == "ok"
    async with DataFolder(tmp_path, kept_in="journal-*"):
        pass
