"""A server to talk to and an independent client to talk with.

The client is built on `websockets` and the standard library's `json`, and uses nothing of
chatlab's own protocol code: what it understands is what is really on the wire.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chatlab.chat.modes import LineUp, parse
from chatlab.chat.protocol import AckLevel
from chatlab.chat.server.app import ChatServer
from chatlab.chat.settings import Settings
from chatlab.data.folder import DataFolder
from chatlab.disk.counted import Condition

WAIT_S = 10.0
"""How long a test waits for what must come; only a failing test ever waits so long."""

Frame = dict[str, Any]


@asynccontextmanager
async def running(
    mode: str | LineUp,
    folder: Path,
    *,
    ack: AckLevel | None = None,
    token: str | None = None,
    compress: bool = False,
    conditions: Sequence[Condition] = (),
    **settings: Any,
) -> AsyncIterator[ChatServer]:
    """A server over a data folder, listening on a free port."""
    line_up = mode if isinstance(mode, LineUp) else parse(mode)
    data = DataFolder(folder, kept_in=line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
    async with (
        data as ready,
        ChatServer(
            line_up,
            ready,
            settings=Settings(**settings),
            ack=ack,
            token=token,
            compress=compress,
            starting=data.starting,
            conditions=conditions,
        ) as server,
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
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(mode, folder, **how))
        clients = [
            await stack.enter_async_context(await ChatClient.connect(server.url, user, *rooms))
            for user in users
        ]
        yield server, *clients


class ChatClient:
    """One user's connection; remembers every frame that came.

    Attributes:
        frames: all frames so far, as they were on the wire.
        on_frame: called with each frame at the moment of its arrival.
    """

    def __init__(self, connection: ClientConnection, reading: bool) -> None:
        self.connection = connection
        self.frames: list[Frame] = []
        self.on_frame: Callable[[Frame], None] = lambda _: None
        self._refs = itertools.count(1)
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read()) if reading else None
        if self._reader is not None:
            self._reader.add_done_callback(lambda _: self._changed.set())

    @classmethod
    async def connect(
        cls,
        url: str,
        user: str,
        *rooms: str,
        query: str = "",
        reading: bool = True,
        receive_buffer: int | None = None,
        **options: Any,
    ) -> ChatClient:
        """Connect, wait for the welcome and enter `rooms`."""
        if receive_buffer is not None:
            options["sock"] = await _socket_with(url, receive_buffer)
        # No proxy: whatever the environment says, these sockets lead to this machine.
        options = {"close_timeout": 2.0, "compression": None, "proxy": None} | options
        connection = await connect(f"{url}/?user={quote(user)}{query}", **options)
        client = cls(connection, reading)
        if reading:
            await client.until(lambda: client.of("welcome") or client.of("error"), "a welcome")
            for room in rooms:
                await client.ask("join_room", roomId=room)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.connection.close()
        if self._reader is not None:
            await self._reader

    async def post(self, kind: str, **fields: Any) -> int:
        """Send a request without waiting for its answer; returns its ref."""
        ref = next(self._refs)
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

    def heard(self) -> list[str]:
        """The content of every message delivered so far."""
        return [frame["content"] for frame in self.of("message")]

    async def until(self, condition: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> None:
        """Wait until a condition over the frames is true."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not condition() and not (self._reader and self._reader.done()):
                    self._changed.clear()
                    await self._changed.wait()
        assert condition(), f"{what} did not come; the last frames are {self.frames[-3:]}"

    async def until_closed(self) -> tuple[int | None, str | None]:
        """The code and the reason with which the server ended the connection."""
        async with asyncio.timeout(WAIT_S):
            await self.connection.wait_closed()
            if self._reader is not None:
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


class ServeProcess:
    """`python -m chatlab serve` in a process of its own; an async context manager.

    Args:
        data: its data folder.
        options: of `chatlab serve`.
        file_bytes_max: the largest file that the operating system lets it write, if any limit.
        prefix: a command that runs it, such as `strace`.

    Attributes:
        first_line: what it printed first.
        url: where it listens, if it does.
        rest: what it printed after the first line; known when it has ended.
        errors: what it printed to standard error; known when it has ended.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        file_bytes_max: int | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        arguments = ["serve", "--port", "0", "--no-dashboard", "--data", str(data), *options]
        self._command = [*prefix, *chatlab_command(*arguments, file_bytes_max=file_bytes_max)]
        self.first_line = self.url = self.rest = self.errors = ""

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(2 * WAIT_S):
            self.first_line = (await self.process.stdout.readline()).decode().rstrip()
        self.url = self.first_line.removeprefix("listening on ")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.end()

    async def end(self) -> int:
        """Wait until it has ended; returns its exit code."""
        async with asyncio.timeout(2 * WAIT_S):
            out, err = await self.process.communicate()
        self.rest += out.decode()
        self.errors += err.decode()
        assert self.process.returncode is not None
        return self.process.returncode


# A file size limit must not leave half a .pyc behind.
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}

_LIMITED = """\
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
del sys.argv[1]
runpy.run_module("chatlab", run_name="__main__")
"""


def chatlab_command(*arguments: str, file_bytes_max: int | None = None) -> list[str]:
    """The command line that runs chatlab, if need be under a limit on the size of files."""
    if file_bytes_max is None:
        return [sys.executable, "-m", "chatlab", *arguments]
    return [sys.executable, "-c", _LIMITED, str(file_bytes_max), *arguments]


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
    return await asyncio.to_thread(_get, url.replace("ws://", "http://") + path, headers)


def _get(address: str, headers: dict[str, str]) -> Answer:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(address, headers=headers)
    try:
        with opener.open(request, timeout=WAIT_S) as answer:
            return Answer(answer.status, answer.headers["Content-Type"], answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers["Content-Type"], error.read().decode())


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until something that sends no frame (a file, a counter) is so."""
    deadline = time.monotonic() + WAIT_S
    # Polling, because a file or a counter tells nobody that it has changed.
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    assert condition(), f"{what}: not within {WAIT_S:g} s"


def saved(folder: Path) -> list[Frame]:
    """The messages on disk, the starting ones too."""
    if segments := sorted(folder.glob("journal-*.log")):
        lines = [line for path in segments for line in path.read_bytes().split(b"\n")[1:-1]]
        return [json.loads(line.split(b" ", 3)[3]) for line in lines]
    if (folder / "messages.sqlite").exists():
        return _rows(folder)
    return json.loads((folder / "messages.json").read_bytes())  # type: ignore[no-any-return]


def _rows(folder: Path) -> list[Frame]:
    """Of a copy, because a running server has the database to itself, and its index of the log."""
    names = "id", "roomId", "sender", "content", "timestamp"
    columns = "id, room_id, sender, content, timestamp"
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("messages.sqlite*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy) / "messages.sqlite")) as database:
            rows = database.execute(f"SELECT {columns} FROM messages ORDER BY seq")
            return [dict(zip(names, row, strict=True)) for row in rows]


def new_contents(folder: Path) -> list[str]:
    """The content of the messages on disk that were not there at the start."""
    return [m["content"] for m in saved(folder) if not re.match(r"welcome-|history-", m["id"])]


def rooms(folder: Path) -> dict[str, Frame]:
    """The rooms on disk, by id."""
    return {room["id"]: room for room in json.loads((folder / "chatrooms.json").read_bytes())}


async def _socket_with(url: str, receive_buffer: int) -> socket.socket:
    address = urlsplit(url)
    assert address.hostname is not None
    client = socket.socket()
    # Before connecting: only then does it limit how much the peer may send ahead.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (address.hostname, address.port))
    return client
