"""`chatlab chat` with lines from a pipe: people who talk through two processes."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chatlab.chat.server.app import ChatServer
from tests.support.chat_client import WAIT_S, new_contents, running
from tests.support.command_line import command, ended, needs_signals, run, until


async def test_the_last_line_before_the_end_of_the_input_is_said(tmp_path: Path) -> None:
    """And no message can command the terminal of another."""
    async with running("optimized", tmp_path) as server:
        done = await run("chat", server.url, "--user=alice", typed="\ufeffone\n\x1b[2Jtwo\x07\x9b")
    assert (done.code, done.err) == (0, "")
    assert "alice: one" in done.out
    assert "two" in done.out
    assert not set(done.out) & set("\x1b\x07\x9b")
    assert new_contents(tmp_path) == ["one", "\x1b[2Jtwo\x07\x9b"]


@pytest.mark.parametrize("name", ["", "a b!"])
async def test_a_name_that_no_server_takes_is_refused_before_anything_is_asked(name: str) -> None:
    done = await run("chat", ":9", "--user", name)
    assert (done.code, done.out) == (2, "")
    assert done.complaint.startswith(f"chatlab: --user: user {name!r} is not a name")


@asynccontextmanager
async def talking(server: ChatServer, user: str) -> AsyncIterator[Process]:
    """Somebody who is in the room."""
    async with command("chat", server.url, "--user", user) as process:
        await until(process.stdout, "you are in general")
        yield process


@pytest.mark.real
async def test_two_people_hear_each_other(tmp_path: Path) -> None:
    async with (
        running("optimized", tmp_path) as server,
        talking(server, "alice") as alice,
        talking(server, "bob") as bob,
    ):
        bob.stdin.write(b"hello alice\n")
        assert "bob: hello alice\n" in await until(alice.stdout, "hello alice")
        alice.stdin.write("hello bob \N{SPARKLES}\n".encode())
        assert "alice: hello bob \N{SPARKLES}\n" in await until(bob.stdout, "hello bob")
        for person in (bob, alice):
            code, out, err = await ended(person)
            assert (code, err) == (0, "")
    assert re.search(
        r"\[queued [\d.,]+ ms, back [\d.,]+ ms\]\n  [\d.,]+ waiting to be read \+", out
    )
    assert new_contents(tmp_path) == ["hello alice", "hello bob \N{SPARKLES}"]


COMMANDS = {
    "/help": "/quit",
    "/rooms": "private)",
    "/create den": "you are in den",
    "//said in the den": "alice: /said in the den",
    "/rooms again": "den          1 here  den (you are a member)",
    "/invite bob": "bob may now join den",
    "/who": "* in den now: you (1 of 2 members)",
    "/history": "alice: /said in the den",
    "/join": "! /join needs a room",
    "/join nowhere": "/rooms lists those there are (no_such_room)",
    "/dance": "! unknown command /dance",
    "/leave": "you have left den",
    "not said": "you are in no room",
    "/join general": "* in general now: you",
    "x" * 4_001: "! your message has 4,001 characters",
}
"""Each line, and what shows that it was done."""


@pytest.mark.real
async def test_every_command_does_what_help_says(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server, talking(server, "alice") as alice:
        # Each waits for the one before: a line goes to the room in which it is typed.
        for line, answer in COMMANDS.items():
            alice.stdin.write(f"{line}\n".encode())
            await until(alice.stdout, answer)
        assert await ended(alice, "/quit\nnot said any more\n") == (0, "", "")
    assert new_contents(tmp_path) == ["/said in the den"]


@pytest.mark.real
async def test_a_server_that_refuses_the_token_is_one_clear_line(tmp_path: Path) -> None:
    async with running("naive", tmp_path, token="secret") as server:
        line = (await run("chat", f"{server.url}?token=guess", "--user=alice")).complaint
        assert "token" in line
        assert "guess" not in line
        url = f"{server.url}?token=secret"
        assert (await run("chat", url, "--user=alice", typed="hello\n")).code == 0
    assert new_contents(tmp_path) == ["hello"]


@pytest.mark.real
async def test_a_connection_that_the_server_ends_is_explained_at_once(tmp_path: Path) -> None:
    """With exit code 1, and not only when the person types another line."""
    async with running("naive", tmp_path) as server, talking(server, "alice") as first:
        second = await run("chat", server.url, "--user", "alice")
        assert second.code == 1
        assert "user_taken" in second.err
        await server.stop()
        async with asyncio.timeout(WAIT_S / 2):
            assert await first.wait() == 1
        said = await until(first.stderr, "come back")
        assert "the server is stopping" in said
        assert f"`chatlab serve --mode naive --port {urlsplit(server.url).port}`" in said


@pytest.mark.real
@needs_signals
async def test_a_reader_that_has_gone_ends_the_chat_in_silence(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server, talking(server, "alice") as alice:
        alice.stdout._transport.close()
        alice.stdin.write(b"/help\n")
        async with asyncio.timeout(WAIT_S):
            assert (await alice.wait(), await alice.stderr.read()) == (0, b"")
