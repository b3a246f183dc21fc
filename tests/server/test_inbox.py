"""The short way of a message from the socket: nothing overtakes, is lost, or piles up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chatlab.chat.server import inbox
from tests.support.chat_client import eventually, running

LIMIT = 20


def say(n: int) -> str:
    return f'{{"type": "send_message", "roomId": "general", "content": "{n}", "ref": {n}}}'


async def refs(socket: ClientConnection, count: int) -> list[Any]:
    """The refs of the next `count` answers."""
    found = []
    while len(found) < count:
        frame = msgspec.json.decode(await socket.recv())
        if frame["type"] in ("ack", "error"):
            found.append(frame["ref"])
    return found


async def enter(url: str) -> ClientConnection:
    socket = await connect(f"{url}/?user=alice")
    await socket.send('{"type": "join_room", "roomId": "general", "ref": "in"}')
    assert await refs(socket, 1) == ["in"]
    return socket


async def test_fragments_and_binary_frames_keep_their_place(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        socket = await enter(server.url)
        await socket.send(say(1))
        await socket.send([say(2)[:9], say(2)[9:20], say(2)[20:]])
        await socket.send(say(3))
        await socket.send(say(4).encode())  # binary: refused
        await socket.send([say(5)[:30], say(5)[30:]])
        await socket.send(say(6))

        assert await refs(socket, 6) == [1, 2, 3, 4, 5, 6]
        await socket.close()


async def test_a_control_frame_between_fragments_hurts_nobody(tmp_path: Path) -> None:
    async with running("naive", tmp_path) as server:
        socket = await enter(server.url)
        half = asyncio.Event()

        async def parts() -> Any:
            yield say(1)[:20]
            await half.wait()
            yield say(1)[20:]

        sending = asyncio.create_task(socket.send(parts()))
        await (await socket.ping())
        half.set()
        await sending

        assert await refs(socket, 1) == [1]
        await socket.close()


@pytest.mark.parametrize("fragmented", [False, True])
async def test_text_that_is_no_utf_8_closes_the_connection(
    tmp_path: Path, fragmented: bool
) -> None:
    async with running("naive", tmp_path) as server:
        socket = await enter(server.url)
        bad = b'{"type": "\xff\xfe"}'
        await socket.send([bad[:12], bad[12:]] if fragmented else bad, text=True)
        with pytest.raises(ConnectionClosed) as closed:
            await refs(socket, 1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


async def test_a_flood_is_read_no_faster_than_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server waits for its disk, the socket fills, and not the server's memory."""
    most = 0
    true_put = inbox.Inbox.put

    def put(self: inbox.Inbox, data: bytes | None) -> None:
        nonlocal most
        true_put(self, data)
        most = max(most, len(self.waiting))

    monkeypatch.setattr(inbox.Inbox, "put", put)
    async with running("naive", tmp_path) as server:
        socket = await enter(server.url)
        for n in range(800):
            await socket.send(say(n))
        assert await refs(socket, 800) == list(range(800))
        await socket.close()

    # One read of a socket brings at most 256 KiB in asyncio; a message here has about 70 bytes.
    assert inbox.WAITING_MAX < most < 256 * 1024 / 70 + inbox.WAITING_MAX


async def test_what_arrived_before_a_client_hung_up_is_still_done(tmp_path: Path) -> None:
    async with running("journal", tmp_path) as server:
        socket = await enter(server.url)
        for n in range(LIMIT):
            await socket.send(say(n))
        await socket.close()
        await eventually(lambda: server.snapshot().counts.saved == LIMIT, "every message is saved")
