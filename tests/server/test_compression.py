"""Compression on the wire: only if the server offers it, and never to be noticed but in bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chatlab.chat.modes import PARTS
from chatlab.chat.protocol import (
    FRAME_BYTES_MAX,
    Ack,
    MessageFrame,
    SendMessage,
    decode_outgoing,
    encode,
)
from chatlab.labs.compression.wire_client import (
    CountingConnection,
    WireUser,
    in_order,
    talk_together,
)
from tests.support.chat_client import ChatClient, running

LONG = "the same again, and again, " * 100


@pytest.mark.parametrize("transport", PARTS["transport"])
@pytest.mark.parametrize("offered", [False, True])
@pytest.mark.parametrize("wanted", ["deflate", None])
async def test_it_is_used_only_if_both_sides_want_it(
    tmp_path: Path, transport: str, offered: bool, wanted: str | None
) -> None:
    async with running(f"journal+transport={transport}", tmp_path, compress=offered) as server:
        client = await ChatClient.connect(server.url, "alice", "general", compression=wanted)
        async with client:
            names = [extension.name for extension in client.connection.protocol.extensions]
            assert names == (["permessage-deflate"] if offered and wanted else [])
            for content in (LONG, "short"):
                await client.say(content)
            await client.until(lambda: client.heard() == [LONG, "short"], "both")


async def test_fewer_bytes_go_over_the_wire_and_everyone_hears_the_same(tmp_path: Path) -> None:
    said = [[f"{user}: {LONG[:150]} ({n})" for n in range(40)] for user in range(3)]
    sizes = {}
    for offered in (False, True):
        async with running("journal", tmp_path / str(offered), compress=offered) as server:
            users = await talk_together(server.url, said, asyncio.Barrier(len(said)))

            assert [user.acked for user in users] == [40, 40, 40]
            assert in_order(users, said)
            sizes[offered] = sum(user.bytes_in + user.bytes_out for user in users)
    assert sizes[True] < 0.3 * sizes[False]
    assert sizes[False] > 3 * 120 * 150


async def test_single_frames_that_go_out_together_are_compressed_too(tmp_path: Path) -> None:
    async with running("journal", tmp_path, compress=True) as server:
        socket = await connect(
            f"{server.url}/?user=alice", compression="deflate", create_connection=CountingConnection
        )
        await socket.send('{"type": "join_room", "roomId": "general"}')
        for n in range(20):
            await socket.send(
                encode(SendMessage(room_id="general", content=LONG, ref=n)), text=True
            )
        answers = [decode_outgoing(await socket.recv()) for _ in range(42)]
        await socket.close()
        assert [one.ref for one in answers if isinstance(one, Ack)] == [None, *range(20)]
        assert [one.content for one in answers if isinstance(one, MessageFrame)] == [LONG] * 20
        assert socket.bytes_in < 0.3 * 20 * len(LONG)


async def test_a_small_frame_that_inflates_too_far_closes_the_connection(tmp_path: Path) -> None:
    async with running("journal", tmp_path, compress=True) as server:
        socket = await connect(
            f"{server.url}/?user=alice", compression="deflate", create_connection=CountingConnection
        )
        await socket.recv()
        before = socket.bytes_out
        await socket.send("x" * (FRAME_BYTES_MAX + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert socket.bytes_out - before < 1_000
        assert closed.value.rcvd.code == 1009


def test_whoever_misses_something_or_hears_it_twice_is_found_out() -> None:
    said = [["a: 1", "a: 2"], ["b: 1"]]

    def heard(*contents: str) -> bool:
        return in_order([WireUser(0, list(contents), 0, 0)], said)

    assert heard("a: 1", "b: 1", "a: 2")
    assert not heard("a: 2", "b: 1", "a: 1")
    assert not heard("a: 1", "a: 2")
    assert not heard("a: 1", "a: 2", "b: 1", "b: 1")
    assert not heard()
