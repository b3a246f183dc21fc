"""A server to talk to and an independent client to talk with.

The client is built on `websockets` and the standard library's `json`, and uses nothing of
chatlab's own protocol code: what it understands is what is really on the wire.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chatlab.chat.modes import LineUp, parse
from chatlab.chat.server.app import ChatServer
from chatlab.chat.settings import Settings
from chatlab.chat.snapshot import Snapshot, decode
from chatlab.data.folder import DataFolder
from chatlab.data.readers import read_saved

WAIT_S = 10.0
"""How long a test waits for what must come; only a failing test ever waits so long."""

OF_SERVER = {"ack", "token", "compress", "conditions", "clock"}
Frame = dict[str, Any]


@asynccontextmanager
async def running(mode: str | LineUp, folder: Path, **how: Any) -> AsyncIterator[ChatServer]:
    """A server over a data folder, listening on a free port; `how`: its arguments and settings."""
    line_up = mode if isinstance(mode, LineUp) else parse(mode)
    data = DataFolder(folder, kept_in=line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
    of_server = {name: how.pop(name) for name in how.keys() & OF_SERVER}
    of_server["settings"] = Settings(**how)
    async with (
        data as ready,
        ChatServer(line_up, ready, starting=data.starting, **of_server) as server,
    ):
        yield server


@asynccontextmanager
async def chatting(
    mode: str | LineUp, folder: Path, *users: str, rooms: Sequence[str] = ("general",), **how: Any
) -> AsyncIterator[tuple[Any, ...]]:
    """A server and its users: `async with chatting("naive", folder, "alice") as (server, alice):`.

    Args:
        users: who connects, and is in `rooms`.
        how: as for `running`.
    """
    async with running(mode, folder, **how) as server, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(await ChatClient.connect(server.url, user, *rooms))
            for user in users
        ]
        yield server, *clients


class ChatClient:
    """One user's connection; remembers every frame that came.

    Attributes:
        frames: all frames so far, as they were on the wire.
        said: the content of each message that it sent, by ref.
        on_frame: called with each frame at the moment of its arrival.
    """

    def __init__(self, connection: ClientConnection, user: str) -> None:
        self.user = user
        self.connection = connection
        self.frames: list[Frame] = []
        self.said: dict[int, str] = {}
        self.on_frame: Callable[[Frame], None] = lambda _: None
        self._refs = itertools.count(1)
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._changed.set())

    @classmethod
    async def connect(
        cls, url: str, user: str, *rooms: str, query: str = "", **options: Any
    ) -> ChatClient:
        """Connect, wait for the welcome and enter `rooms`."""
        # No proxy: whatever the environment says, these sockets lead to this machine.
        options = {"close_timeout": 2.0, "compression": None, "proxy": None} | options
        connection = await connect(f"{url}/?user={quote(user)}{query}", **options)
        client = cls(connection, user)
        await client.until(lambda: client.of("welcome") or client.of("error"), "a welcome")
        for room in rooms:
            await client.ask("join_room", roomId=room)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
        await self._reader

    async def post(self, kind: str, **fields: Any) -> int:
        """Send a request without waiting for its answer; returns its ref."""
        ref = next(self._refs)
        # Noted before it is sent: the connection may end while it is being sent.
        self.said |= {ref: fields["content"]} if "content" in fields else {}
        await self.connection.send(json.dumps({"type": kind, "ref": ref, **fields}))
        return ref

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Send a request and wait for its answer."""
        return await self.answer(await self.post(kind, **fields))

    async def say(self, content: str, room: str = "general") -> Frame:
        """Send a message and wait for its answer."""
        return await self.ask("send_message", roomId=room, content=content)

    async def shout(self, content: str, room: str = "general") -> int:
        """Send a message without waiting for its answer; returns its ref."""
        return await self.post("send_message", roomId=room, content=content)

    async def talk_until_gone(self, wait_every: int) -> None:
        """Send messages until the server has gone; wait for every so manieth answer."""
        with suppress(ConnectionClosed, AssertionError):
            for n in range(100_000):
                ref = await self.shout(f"{self.user} {n}")
                if n % wait_every == 0:
                    await self.answer(ref)

    async def answer(self, ref: int) -> Frame:
        """The first answer to the request with this ref."""
        await self.until(lambda: self.answers(ref), f"the answer to {ref}")
        return self.answers(ref)[0]

    def answers(self, ref: int) -> list[Frame]:
        """Every answer to the request with this ref, so far."""
        return [frame for frame in self.frames if frame.get("ref") == ref]

    def of(self, kind: str) -> list[Frame]:
        """Every frame of a type, so far."""
        return [frame for frame in self.frames if frame["type"] == kind]

    def answered(self, kind: str) -> list[str]:
        """The content of every message that got such an answer so far."""
        return [self.said[frame["ref"]] for frame in self.of(kind) if frame["ref"] in self.said]

    def heard(self) -> list[str]:
        """The content of every message delivered so far."""
        return [frame["content"] for frame in self.of("message")]

    async def until(self, condition: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> None:
        """Wait until a condition over the frames is true."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not condition() and not self._reader.done():
                    self._changed.clear()
                    await self._changed.wait()
        assert condition(), f"{what} did not come; the last frames are {self.frames[-3:]}"

    async def until_closed(self) -> tuple[int | None, str | None]:
        """The code and the reason with which the server ended the connection."""
        async with asyncio.timeout(WAIT_S):
            await self.connection.wait_closed()
            await self._reader
        return self.connection.close_code, self.connection.close_reason

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for data in self.connection:
                assert isinstance(data, str), "the server sent a binary frame"
                frame = json.loads(data)
                self.frames.append(frame)
                self.on_frame(frame)
                self._changed.set()


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    content_type: str
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def get(url: str, path: str, **headers: str) -> Answer:
    """An ordinary HTTP request to a server that is named by its ws:// address."""

    def ask() -> Answer:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=WAIT_S)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers["Content-Type"], answer.read().decode())

    return await asyncio.to_thread(ask)


async def stats(url: str) -> Snapshot:
    """What a server says of itself."""
    answer = await get(url, "/stats")
    assert answer.content_type == "application/json"
    return decode(answer.body)


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until something that sends no frame (a file, a counter) is so."""
    deadline = time.monotonic() + WAIT_S
    # Polling, because a file or a counter tells nobody that it has changed.
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    assert condition(), f"{what}: not within {WAIT_S:g} s"


def saved(folder: Path) -> list[Frame]:
    """The messages on disk, the starting ones too."""
    found = read_saved(folder)
    assert found.damaged == 0
    return msgspec.to_builtins(found.messages)  # type: ignore[no-any-return]


def new_contents(folder: Path) -> list[str]:
    """The content of the messages on disk that were not there at the start."""
    return [m["content"] for m in saved(folder) if not re.match(r"welcome-|history-", m["id"])]
