"""`chatlab chat`: talk, and feel how fast the server is."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
import time

import typer

from chatlab import signals
from chatlab.bench.address import chat_url, start_command
from chatlab.bench.client import connect
from chatlab.chat.rules import check_user
from chatlab.cli.chat_talk import Talk
from chatlab.cli.options import SERVER, with_groups
from chatlab.cli.terminal import HELD_S, ChatScreen, piped_lines, typed_lines
from chatlab.errors import ExitCode, Refusal, UsageError
from chatlab.plain_text import printable
from chatlab.view import chat as view

ANSWER_TIMEOUT_S = 10.0
GONE, STOPPING = "it is gone", "the server is stopping"


@with_groups
def chat(
    server: str = SERVER,
    user: str | None = typer.Option(
        None, "--user", "-u", help="Your name. \\[default: your login]"
    ),
    room: str = typer.Option("general", "--room", "-r", help="The room to enter."),
) -> None:
    """Chat in a terminal, and see where the time of a message goes.

    Open two terminals with two names and talk; then start `chatlab load --scenario class` in a
    third one and feel the lag. /help lists the commands.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "", getpass.getuser()) or "guest" if user is None else user
    try:
        check_user(name)
    except Refusal as refusal:
        raise UsageError(f"--user: {refusal.message}") from None
    try:
        sys.exit(signals.run(_Chat(server, name, room).run()))
    except KeyboardInterrupt:
        print("bye")


class _Chat:
    """One person at one terminal."""

    def __init__(self, server: str, user: str, room: str) -> None:
        self._url = chat_url(server, user)
        self._screen = ChatScreen()
        self._talk = Talk(user, room, self._screen, self._send)

    async def run(self) -> int:
        """Talk until the person or the server ends it; returns the exit code."""
        self._connection = await connect(self._url, self._talk.on_frame, timeout_s=ANSWER_TIMEOUT_S)
        self._talk.enter(self._talk.room)
        typing = asyncio.ensure_future(self._read_lines())
        closed = asyncio.ensure_future(self._connection.closed.wait())
        gone = asyncio.ensure_future(self._screen.gone.wait())
        try:
            with self._screen.during():
                await asyncio.wait([typing, closed, gone], return_when=asyncio.FIRST_COMPLETED)
                self._screen.close()
        finally:
            typing.cancel()
            await asyncio.wait([typing])
            closed.cancel()
            gone.cancel()
            ended_by_server = self._connection.closed.is_set()
            await self._connection.close()
        complaint = self._why_it_ended() if ended_by_server else self._what_is_missing()
        if self._screen.gone.is_set():
            return ExitCode.OK
        if complaint:
            print(
                view.wrapped(printable(f"chatlab: {complaint}"), self._screen.width),
                file=sys.stderr,
            )
        return ExitCode.of(not complaint)

    def _why_it_ended(self) -> str:
        if self._talk.turned_away:
            return f"the server refuses you: {self._talk.turned_away}"
        reason = self._connection.close_reason or GONE
        gone = reason in (GONE, STOPPING)
        start = f"Start it again with `{start_command(self._url, self._talk.mode)}`, then c"
        cure = f"{start if gone else 'C'}ome back."
        return f"the server ended the connection: {reason}. {self._not_back()}{cure}"

    def _what_is_missing(self) -> str:
        if not self._talk.unanswered:
            return ""
        return f"not everything was answered within {ANSWER_TIMEOUT_S:g} s. {self._not_back()}"

    def _not_back(self) -> str:
        return view.not_back(self._talk.own.acks())

    def _send(self, frame: bytes) -> None:
        self._connection.send(frame)

    async def _read_lines(self) -> None:
        """Hand each typed line on, until the end of the input."""
        typed = self._screen.has_prompt
        lines = typed_lines(lambda: self._talk.room) if typed else piped_lines()
        async for line in lines:
            if not self._talk.on_line(line.strip()):
                break
        if typed and self._talk.unanswered:
            self._screen.show("* waiting for the last answers; Ctrl-C leaves at once")
        await self._until_answered()

    async def _until_answered(self) -> None:
        """Wait: the last line is done only when its answer has come."""
        deadline = time.perf_counter() + ANSWER_TIMEOUT_S
        # Polling is good enough: a person cannot tell 20 ms.
        while self._talk.unanswered and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(HELD_S * self._screen.holds)
