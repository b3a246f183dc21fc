"""No frame that says nothing costs the server much: each kind is bounded, on every transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from chatlab.chat.modes import PARTS
from chatlab.chat.server import app
from chatlab.chat.server.arrivals import LoggingConnection
from chatlab.chat.server.limits import (
    CONTROL_FRAMES_AT_ONCE,
    CONTROL_FRAMES_PER_S,
    FRAGMENTS_MAX,
    FRAMES_PER_READ,
    MESSAGES_PER_READ,
    READ_BYTES_MAX,
    THROWN_AWAY_MAX,
    UNANSWERED_PINGS_MAX,
    TokenBucket,
)
from tests.support.chat_client import WAIT_S, chatting, eventually
from tests.support.parts import FakeClock
from tests.support.raw_socket import RawSocket

EVERY = pytest.mark.parametrize("transport", PARTS["transport"])
EMPTY_PART = Frame(Opcode.CONT, b"", fin=False)
FIRST_PART = Frame(Opcode.TEXT, b"", fin=False)
LAST_PART = Frame(Opcode.CONT, b"")
FULL_PING = Frame(Opcode.PING, b"x" * 125)


@asynccontextmanager
async def attacked(transport: str, folder: Path, **how: Any) -> AsyncIterator[Any]:
    """A server, a polite client, who is answered at the end, and a socket that sends raw frames."""
    mode = f"optimized+transport={transport}"
    async with (
        chatting(mode, folder, "alice", **how) as (server, alice),
        await RawSocket.connect(server.url, "zoe") as zoe,
    ):
        yield server, zoe
        assert (await alice.say("still here"))["type"] == "ack"
        assert len(server.snapshot().notes) <= 1


def connection_of(server: Any, user: str) -> LoggingConnection:
    (found,) = (one for one in server._connections if one.user == user)
    return found  # type: ignore[no-any-return]


@EVERY
async def test_endless_fragments_close_before_they_fill_the_memory(transport, tmp_path) -> None:
    async with attacked(transport, tmp_path) as (server, zoe):
        connection = connection_of(server, "zoe")
        await zoe.send(FIRST_PART, *[EMPTY_PART] * 100_000)
        code, reason = await zoe.closed()
        assert (code, reason) == (1009, f"over {FRAGMENTS_MAX} fragments in one message")
        assert len(connection.recv_messages.frames) <= FRAGMENTS_MAX
        (note,) = server.snapshot().notes
        assert note.text == f"a client was disconnected (last: zoe): {reason}"


@EVERY
async def test_a_message_in_many_fragments_with_pings_between_is_read(transport, tmp_path) -> None:
    """Twice: each message has its own count."""
    async with attacked(transport, tmp_path) as (_, zoe):
        parts = [FIRST_PART, *[EMPTY_PART] * (FRAGMENTS_MAX - 2), LAST_PART]
        parts.insert(9, Frame(Opcode.PING, b"1"))
        await zoe.send(*parts, *parts)
        frames = await zoe.until_came(5)
        assert [frame.opcode for frame in frames].count(Opcode.PONG) == 2
        assert [b"bad_json" in frame.data for frame in frames].count(True) == 2


@EVERY
async def test_the_fragments_of_a_message_hold_64_kib_together(transport, tmp_path) -> None:
    async with attacked(transport, tmp_path) as (_, zoe):
        await zoe.send(FIRST_PART, *[Frame(Opcode.CONT, b"x" * 1024, fin=False)] * 65)
        assert (await zoe.closed())[0] == 1009


@EVERY
@pytest.mark.parametrize("kind", [Opcode.PING, Opcode.PONG])
async def test_a_flood_of_control_frames_closes(transport: str, kind, tmp_path: Path) -> None:
    async with attacked(transport, tmp_path) as (server, zoe):
        await zoe.send(*[Frame(kind, b"")] * 100_000)
        code, reason = await zoe.closed()
        assert code == 1008
        assert reason.startswith("too many pings and pongs: ")
        pongs = [frame for frame in zoe.came if frame.opcode is Opcode.PONG]
        at_most = CONTROL_FRAMES_AT_ONCE + CONTROL_FRAMES_PER_S * WAIT_S
        assert len(pongs) <= (at_most if kind is Opcode.PING else 0)
        assert "(last: zoe)" in server.snapshot().notes[0].text


@EVERY
async def test_pongs_that_nobody_reads_count_as_unread(transport: str, tmp_path: Path) -> None:
    async with attacked(transport, tmp_path, send_buffer_max=1_000) as (server, zoe):
        connection = connection_of(server, "zoe")
        zoe.stop_reading()
        # What a deaf client leaves in the server; the kernel's own buffers would hold megabytes.
        sent: list[bytes] = []
        connection.transport.get_write_buffer_size = lambda: sum(map(len, sent))  # type: ignore[method-assign]
        connection.transport.write = sent.append  # type: ignore[method-assign, assignment]
        for _ in range(CONTROL_FRAMES_AT_ONCE):  # not in one read, without a write
            await zoe.send(FULL_PING)
            await asyncio.sleep(0.001)
        await eventually(lambda: connection.protocol.close_sent is not None, "a close")
        assert connection.protocol.close_sent.reason == "too slow: it left its pongs unread"
        assert sum(map(len, sent)) < 1_000 + READ_BYTES_MAX
        connection.transport.abort()


@EVERY
async def test_many_small_frames_are_read_in_small_bites(transport: str, tmp_path: Path) -> None:
    """Or else all others wait until the server is through with a read full of them."""
    async with attacked(transport, tmp_path) as (server, zoe):
        connection = connection_of(server, "zoe")
        largest = 0
        took = connection.data_received

        def counting(data: bytes) -> None:
            nonlocal largest
            took(data)
            largest = max(largest, connection._frames)

        message = [FIRST_PART, *[EMPTY_PART] * 100, LAST_PART]
        await zoe.send(*message * 100)
        await zoe.until_came(101)
        connection.data_received = counting  # type: ignore[method-assign]
        await zoe.send(*message * 100)
        await zoe.until_came(201)
        assert 0 < largest <= 2 * FRAMES_PER_READ
        longer = [Frame(Opcode.BINARY, b"x" * 4_000)] * 20
        await zoe.send(*longer)
        await zoe.until_came(221)
        assert connection.transport.max_size > 4_000  # type: ignore[attr-defined]
        await zoe.send(
            *[Frame(Opcode.TEXT, b"")] * 4_000
        )  # the bulk transport cuts them out itself
        await zoe.until_came(4_221)
        assert connection.transport.max_size < 8 * MESSAGES_PER_READ  # type: ignore[attr-defined]


@EVERY
async def test_what_comes_after_the_end_costs_nothing_and_nobody_stays(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CLOSE_TIMEOUT_S", 0.5)
    async with attacked(transport, tmp_path) as (server, zoe):
        connection = connection_of(server, "zoe")
        await zoe.send(Frame(Opcode.TEXT, b"not masked"), mask=False)
        assert (await zoe.closed())[0] == 1002
        given: list[bytes] = []
        connection.protocol.receive_data = given.append  # type: ignore[method-assign, assignment]
        began = time.monotonic()
        while server.snapshot().clients == 2:  # it goes on, and never hangs up itself
            assert time.monotonic() < began + WAIT_S
            await zoe.send(FULL_PING)
            await asyncio.sleep(0.01)
            if connection.transport.is_reading():
                await zoe.send_bytes(bytes(THROWN_AWAY_MAX))
        assert given == []
        assert 0 < connection._thrown_away <= THROWN_AWAY_MAX + READ_BYTES_MAX


@EVERY
async def test_pings_of_ours_that_nobody_answers_are_forgotten(transport, tmp_path) -> None:
    async with attacked(transport, tmp_path) as (server, zoe):
        connection = connection_of(server, "zoe")
        pings = [await connection.ping() for _ in range(2 * UNANSWERED_PINGS_MAX)]
        assert len(connection.pending_pings) == UNANSWERED_PINGS_MAX
        (latest,) = [
            data for data, (pong, _) in connection.pending_pings.items() if pong is pings[-1]
        ]
        await zoe.send(Frame(Opcode.PONG, latest))
        assert await pings[-1] >= 0
        assert connection.pending_pings == {}


def test_a_token_bucket_fills_again_up_to_its_size() -> None:
    bucket = TokenBucket(3, 2.0, clock := FakeClock(0.0))
    assert [bucket.take() for _ in range(4)] == [True] * 3 + [False]
    clock.advance(0.5)
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.advance(1_000)
    assert [bucket.take() for _ in range(4)] == [True] * 3 + [False]
