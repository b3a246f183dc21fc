"""Nobody waits for a client that does not read: not the room, not the disk, not the queue."""

from __future__ import annotations

import asyncio
import functools
import socket
from pathlib import Path

import pytest

from chatlab.chat.server import app
from chatlab.chat.server.app import ChatServer
from tests.support.chat_client import WAIT_S, ChatClient, chatting, eventually, running

PING_S = 0.05
EACH = 100
DELIVERIES = pytest.mark.parametrize(
    "mode", ["naive", "optimized", "optimized+delivery=each", "optimized+delivery=batch"]
)
BIG = "x" * 4_000


@DELIVERIES
async def test_a_client_that_never_reads_is_disconnected(mode: str, tmp_path: Path) -> None:
    how = {"flush_interval_s": 0.001, "send_buffer_max": 64 * 1024}
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        slow = await _slow_zoe(server, max_queue=1)
        reading = slow.connection.transport
        reading.pause_reading()
        said = 0
        while not _notes(server, "(last: zoe)"):
            assert said < 3_000, "the slow client was never disconnected"
            await alice.say(f"{said} {BIG}"[:4_000])
            said += 1
            await bob.until(lambda said=said: len(bob.heard()) == said, "the message")
        reading.resume_reading()
        code, reason = await slow.until_closed()
        assert code == 1008
        assert reason.startswith("too slow: ")
        await eventually(lambda: server.snapshot().clients == 2, "zoe is gone")
        await alice.say("after")
        await bob.until(lambda: bob.heard()[-1] == "after", "the message after")


async def test_a_client_whose_pong_is_stuck_behind_its_messages_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is behind reads nothing from it for a while; that is no reason to hang up."""
    often = functools.partial(app.serve, ping_interval=PING_S)
    monkeypatch.setattr(app, "serve", often)
    async with chatting("naive", tmp_path, "alice") as (server, alice):
        (connection,) = server._server.connections  # type: ignore[union-attr]
        connection.transport.pause_reading()
        assert connection.ping_timeout is None
        await alice.shout("sent while nobody reads")
        await asyncio.sleep(3 * PING_S)
        connection.transport.resume_reading()
        await alice.until(lambda: alice.heard() == ["sent while nobody reads"], "the message")


@DELIVERIES
async def test_a_client_that_stops_reading_holds_up_nobody(mode: str, tmp_path: Path) -> None:
    """Its buffer is under the limit again, yet the pause that its socket asked for still holds."""
    small = 32 * 1024
    how = {"flush_interval_s": 0.001, "send_buffer_max": small}
    async with chatting(mode, tmp_path, "alice", **how) as (server, alice):
        for n in range(100):
            await alice.shout(f"{n} {BIG}"[:4_000])
        await alice.until(lambda: len(alice.heard()) == 100, "the history")
        slow = await _slow_zoe(server, max_queue=None)
        slow.connection.transport.pause_reading()
        await slow.post("history", roomId="general", limit=500)
        await eventually(lambda: _unread(server, "zoe") > 2 * small, "a pause")
        slow.connection.transport.resume_reading()
        async with asyncio.timeout(WAIT_S):
            # One turn of the loop at a time: the state that is wanted lasts for a few of them.
            while _unread(server, "zoe") > small:  # noqa: ASYNC110
                await asyncio.sleep(0)
        slow.connection.transport.pause_reading()
        assert _unread(server, "zoe") > small / 2
        for n in range(10):
            await alice.say(f"{n} on time")
        await alice.until(lambda: alice.heard()[-1] == "9 on time", "alice's message")
        slow.connection.transport.abort()


@DELIVERIES
async def test_clients_with_a_dead_line_hold_up_nobody(mode: str, tmp_path: Path) -> None:
    """A silent line is that of a laptop that was closed: no goodbye, no reset, nobody who reads."""
    how = {"flush_interval_s": 0.001}
    async with chatting(mode, tmp_path, "alice", "bob", **how) as (server, alice, bob):
        dead = [await ChatClient.connect(server.url, f"dead-{n}", "general") for n in range(5)]
        silent = await ChatClient.connect(server.url, "zoe", "general", max_queue=1)
        silent.connection.transport.pause_reading()
        for client in dead:
            client.connection.transport.abort()
        for n in range(30):
            assert (await alice.say(f"{n} {BIG}"[:4_000]))["type"] == "ack"
        await bob.until(lambda: len(bob.heard()) == 30, "all of it")
        await eventually(lambda: server.snapshot().clients == 3, "the dead are gone")
        assert server.snapshot().notes == []
        silent.connection.transport.abort()


async def test_a_tcp_connection_that_says_nothing_takes_nobodys_place(tmp_path: Path) -> None:
    async with running("naive", tmp_path, clients_max=1) as server:
        host, port = server.url.removeprefix("ws://").split(":")
        mute = [socket.create_connection((host, int(port))) for _ in range(5)]
        async with (
            asyncio.timeout(WAIT_S),
            await ChatClient.connect(server.url, "alice", "general") as alice,
        ):
            assert (await alice.say("hello"))["type"] == "ack"
        for one in mute:
            one.close()


async def _slow_zoe(server: ChatServer, max_queue: int | None) -> ChatClient:
    """A client without megabytes of buffers in the kernel: with them, nothing ever waits."""
    [listening] = server._server.sockets
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024)
    sock = socket.socket()
    # Before connecting: only then does it limit how much the server may send ahead.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024)
    sock.connect(listening.getsockname())
    return await ChatClient.connect(server.url, "zoe", "general", sock=sock, max_queue=max_queue)


def _notes(server: ChatServer, text: str) -> list[str]:
    return [note.text for note in server.snapshot().notes if text in note.text]


def _unread(server: ChatServer, user: str) -> int:
    """Bytes that wait in the server for a client; no snapshot shows this, so look inside."""
    (client,) = (one for one in server._presence.clients() if one.user == user)
    return client.connection.transport.get_write_buffer_size()  # type: ignore[attr-defined, no-any-return]


async def test_a_flood_of_long_messages_disconnects_nobody_who_reads(tmp_path: Path) -> None:
    """All that waits is saved at once, but not more than a send buffer holds."""
    long = "\U0001f386" * 4_000
    names = ["alice", "bob", "carol", "dave", "eve"]
    async with chatting("journal", tmp_path, *names) as (server, *clients):

        async def shout_often(client: ChatClient) -> None:
            for n in range(EACH):
                await client.shout(f"{n} {long}"[:4_000])

        await asyncio.gather(*map(shout_often, clients))  # so that much waits together
        for client in clients:
            await client.until(lambda c=client: len(c.heard()) == 5 * EACH, "every message")
        assert not _notes(server, "was disconnected")
