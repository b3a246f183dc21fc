"""`chatlab chat`: talk, and feel how fast the server is."""

from __future__ import annotations

import asyncio
import getpass
import itertools
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import typer
from msgspec import UNSET
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from chatlab.bench.address import chat_url
from chatlab.bench.client import Connection, connect
from chatlab.chat import protocol
from chatlab.cli.options import SERVER, with_groups
from chatlab.data.records import Message
from chatlab.errors import ExitCode

ANSWER_TIMEOUT_S = 10.0
HISTORY_LINES = 10
PIPED_LINES_MAX = 100

HELP = """\
Type a message and press Enter. Commands:
  /rooms                 the rooms, and who may enter
  /join ROOM             enter a room      /create ROOM    open a new one
  /invite USER           let somebody in   /history [N]    the last messages
  /leave                 leave the room    /quit           go (or Ctrl-D)"""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@with_groups
def chat(
    server: str = SERVER,
    user: str | None = typer.Option(
        None, "--user", "-u", help="Your name. \\[default: your login]"
    ),
    room: str = typer.Option("general", "--room", "-r", help="The room to enter."),
) -> None:
    """Chat in a terminal. Behind each of your messages: when its ack came, and when it came back.

    Open two terminals with two names and talk; then start `chatlab load --scenario class`
    in a third one and feel the lag.
    """
    name = user or re.sub(r"[^A-Za-z0-9_.-]", "", getpass.getuser()) or "guest"
    try:
        sys.exit(asyncio.run(_Chat(server, name, room).run()))
    except KeyboardInterrupt:
        print("bye")


@dataclass
class _Pending:
    """One of our messages that has not come back yet."""

    sent_at: float
    ack_ms: float | None = None
    means: str = ""


class _Chat:
    """One person at one terminal."""

    def __init__(self, url: str, user: str, room: str) -> None:
        self._url = url
        self._user = user
        self._room = room
        self._connection: Connection | None = None
        self._refs = itertools.count(1)
        # Both are bounded by what a person can type before an answer comes.
        self._pending: dict[protocol.Ref, _Pending] = {}
        self._asked: dict[protocol.Ref, Callable[[], None]] = {}
        self._rooms_text = ""

    async def run(self) -> int:
        """Talk until the person or the server ends it; returns the exit code."""
        self._connection = await connect(chat_url(self._url, self._user), self._on_frame)
        self._enter(self._room)
        typing = asyncio.ensure_future(self._read_lines())
        closed = asyncio.ensure_future(self._connection.closed.wait())
        try:
            with patch_stdout():
                await asyncio.wait([typing, closed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            typing.cancel()
            await asyncio.wait([typing])
            closed.cancel()
            ended_by_server = self._connection.closed.is_set()
            await self._connection.close()
        if ended_by_server:
            reason = self._connection.close_reason or "it is gone"
            print(f"chatlab: the server ended the connection: {reason}", file=sys.stderr)
        return ExitCode.of(not ended_by_server)

    async def _read_lines(self) -> None:
        """Hand each typed line on, until the end of the input."""
        lines = _typed_lines(lambda: self._room) if sys.stdin.isatty() else _piped_lines()
        async for line in lines:
            if not self._on_line(line.strip()):
                break
        await self._until_answered()

    async def _until_answered(self) -> None:
        """Wait: the last line is done only when its answer has come."""
        deadline = time.perf_counter() + ANSWER_TIMEOUT_S
        # Polling is good enough: a person cannot tell 20 ms.
        while (self._pending or self._asked) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _on_line(self, line: str) -> bool:
        """Do what a line says; False to leave."""
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        match word:
            case "":
                pass
            case "/quit":
                return False
            case "/rooms":
                print(self._rooms_text)
            case "/join" if rest:
                self._enter(rest)
            case "/create" if rest:
                self._ask(protocol.CreateRoom, lambda: self._is_in(rest), room_id=rest)
            case "/invite" if rest:
                done = f"* {rest} may now join {self._room}"
                self._ask(protocol.Invite, lambda: print(done), room_id=self._room, user=rest)
            case "/leave":
                done = f"* you have left {self._room}"
                self._ask(protocol.LeaveRoom, lambda: print(done), room_id=self._room)
            case "/history":
                limit = int(rest) if rest.isdecimal() else HISTORY_LINES
                self._ask(protocol.GetHistory, lambda: None, room_id=self._room, limit=limit)
            case _ if word.startswith("/"):
                print(HELP)
            case _:
                self._say(line)
        return True

    def _say(self, content: str) -> None:
        pending = _Pending(time.perf_counter())
        ref = self._send(protocol.SendMessage, room_id=self._room, content=content)
        self._pending[ref] = pending

    def _enter(self, room: str) -> None:
        self._ask(protocol.JoinRoom, lambda: self._is_in(room), room_id=room)

    def _is_in(self, room: str) -> None:
        self._room = room
        print(f"* you are in {room}")

    def _ask(
        self, kind: type[protocol.Request], when_done: Callable[[], None], **fields: Any
    ) -> None:
        self._asked[self._send(kind, **fields)] = when_done

    def _send(self, kind: type[protocol.Request], **fields: Any) -> protocol.Ref:
        assert self._connection is not None
        ref = next(self._refs)
        self._connection.send(protocol.encode(kind(ref=ref, **fields)))
        return ref

    def _on_frame(self, data: bytes) -> None:
        frame = protocol.decode_outgoing(data)
        match frame:
            case protocol.Welcome():
                self._on_welcome(frame)
            case protocol.Ack(ref=ref) if ref in self._pending:
                pending = self._pending[ref]
                pending.ack_ms = _ms_since(pending.sent_at)
                pending.means = frame.means
            case protocol.Ack(ref=ref) if ref is not UNSET:
                self._asked.pop(ref, lambda: None)()
            case protocol.MessageFrame():
                print(_line(frame) + (self._timing() if frame.sender == self._user else ""))
            case protocol.HistoryFrame():
                self._asked.pop(frame.ref, None)
                print("\n".join(_line(message) for message in frame.messages) or "* nothing yet")
            case protocol.ErrorFrame():
                if frame.code != "storage_delayed":  # that one is still on its way
                    self._pending.pop(frame.ref, None)
                self._asked.pop(frame.ref, None)
                print(f"! {_harmless(frame.message)} ({frame.code})")

    def _on_welcome(self, frame: protocol.Welcome) -> None:
        self._rooms_text = "\n".join(
            f"  {room.id:20} {_harmless(room.name)}{' (private)' if room.private else ''}"
            for room in frame.rooms
        )
        print(
            f"* hello {_harmless(frame.name)}. Mode {frame.mode}, an ack means "
            f"{frame.ack_means!r}. /help lists the commands."
        )

    def _timing(self) -> str:
        """How long our oldest message took, which has just come back."""
        if not self._pending:
            return ""
        pending = self._pending.pop(next(iter(self._pending)))
        back_ms = _ms_since(pending.sent_at)
        if pending.ack_ms is None:
            return f"  [back {back_ms:.1f} ms]"
        return f"  [{pending.means} {pending.ack_ms:.1f} ms, back {back_ms:.1f} ms]"


async def _typed_lines(room: Callable[[], str]) -> AsyncIterator[str]:
    # The typed line goes away: the message itself is shown when the server has sent it back.
    session: PromptSession[str] = PromptSession(erase_when_done=True)
    while True:
        try:
            yield await session.prompt_async(lambda: f"{room()}> ")
        except (EOFError, KeyboardInterrupt):
            return


async def _piped_lines() -> AsyncIterator[str]:
    # A daemon thread: one of the event loop's would keep the program from ending until somebody
    # writes a line. And not through `sys.stdin`: a thread inside its buffer makes Python abort
    # at the exit.
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    # Bounds the queue. A coroutine that waits for room in it would be left unawaited when the event
    # loop ends; a call that never happens does no harm.
    room = threading.Semaphore(PIPED_LINES_MAX)

    def hand_over(line: str) -> None:
        room.acquire()
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        with suppress(RuntimeError):  # the event loop has ended
            with os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8", errors="replace") as typed:
                for line in typed:
                    hand_over(line)
            hand_over("")

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        room.release()
        yield line


def _line(message: protocol.MessageFrame | Message) -> str:
    clock = message.timestamp[11:19]
    return f"{clock} {message.sender}: {_harmless(message.content)}"


def _harmless(text: str) -> str:
    """Without control characters: no message may command this terminal."""
    return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)


def _ms_since(at: float) -> float:
    return (time.perf_counter() - at) * 1000
