"""`chatlab serve` for a line-up with users' parts: the server runs in a process of its own.

Whatever such a part does (block, loop for ever, exit, crash), this process lives, goes on showing
the dashboard, and says what happened and in which line.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec

from chatlab import exit_codes
from chatlab.bench.client import fetch_snapshot
from chatlab.bench.server_process import ServerFailed, ServerProcess
from chatlab.chat.server_job import ServerJob
from chatlab.chat.snapshot import ServerNote, Snapshot
from chatlab.cli.clients import stream
from chatlab.errors import UsageError
from chatlab.view.dashboard import print_summary
from chatlab.view.dashboard.live import REFRESH_S, every, show

COMPLAINTS_MAX = 8
PRINTED_MAX = 3
"""Printed lines that a dashboard shows, the last ones."""
PRINTED_EARLY_MAX = 100
"""Printed lines to keep until the server listens."""


class UserPartsServer:
    """A server with users' parts, and what it says of them.

    Args:
        job: what to serve.
        dashboard: whether to show one; without a terminal, as plain lines.
    """

    def __init__(self, job: ServerJob, dashboard: bool) -> None:
        self._server = ServerProcess(
            *(job.mode, Path(job.data), job.history, job.options),
            on_error=self._on_error,
            on_output=self._on_output,
        )
        self._query = f"/?token={job.options.token}" if job.options.token else ""
        self._dashboard = dashboard
        self._on_screen = dashboard and sys.stdout.isatty()
        self._listens = False
        self._printed: deque[str] = deque(maxlen=PRINTED_EARLY_MAX)
        self._complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
        self._last: Snapshot | None = None

    async def serve(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set or the server ends by itself; returns the exit code.

        Raises:
            UsageError: it refused to start.
        """
        gone = False
        try:
            async with self._server as server:
                print(f"listening on {server.url}", flush=True)
                self._print_from_now_on()
                gone = await self._until_over(stop)
                if not gone:
                    await self._sum_up()
                    last_words = await server.stop()
                    if self._on_screen:
                        print(last_words)
        except ServerFailed as error:
            if not gone:
                print(f"chatlab: {error}", file=sys.stderr)
                return exit_codes.NOT_CLEAN
        if gone:
            self._explain_end()
        return exit_codes.of(not gone)

    async def _until_over(self, stop: asyncio.Event) -> bool:
        """Show it until `stop` is set (False) or it ends by itself (True)."""
        stopped = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(self._server.ended())
        view = asyncio.create_task(self._show())
        try:
            await asyncio.wait([stopped, ended], return_when=asyncio.FIRST_COMPLETED)
            return ended.done()
        finally:
            for task in (stopped, ended, view):
                task.cancel()
            await asyncio.wait([view])
            if not view.cancelled() and (error := view.exception()) and not ended.done():
                raise error  # do not hide that the view failed

    async def _sum_up(self) -> None:
        """Leave the figures on the screen, as they are before the stop."""
        if self._dashboard:
            with suppress(UsageError):  # it no longer answers: its complaints say why
                print_summary(await fetch_snapshot(self._server.url + self._query))

    def _on_output(self, line: str) -> None:
        if self._on_screen or not self._listens:
            self._printed.append(line)
        else:
            print(line, flush=True)

    def _print_from_now_on(self) -> None:
        """The address comes first, whatever a user's file prints when it is loaded."""
        self._listens = True
        if not self._on_screen:
            for line in self._printed:
                print(line, flush=True)

    def _on_error(self, words: str) -> None:
        self._complaints.append(words)
        if not self._on_screen:
            print(f"chatlab: {words}", file=sys.stderr, flush=True)

    def _explain_end(self) -> None:
        """Say what to make of a server that is gone."""
        if self._on_screen:
            for words in self._complaints:
                print(f"chatlab: {words}", file=sys.stderr)
        why = "" if self._complaints else ": a part of your own must have ended it"
        print(f"chatlab: the server has ended{why}. What was only queued is lost", file=sys.stderr)

    async def _show(self) -> None:
        if not self._dashboard:
            return
        source = stream(self._server.url + self._query, REFRESH_S)
        self._last = await anext(source)
        following = asyncio.create_task(self._follow(source))
        try:
            await show(every(REFRESH_S, self._snapshot))  # also while the server is silent
        finally:
            following.cancel()
            await asyncio.wait([following])

    async def _follow(self, source: AsyncIterator[Snapshot]) -> None:
        async for snapshot in source:
            self._last = snapshot

    def _snapshot(self) -> Snapshot:
        """The server's last one, with what its parts printed and its complaints as notes."""
        assert self._last is not None
        printed = [f"printed: {line}" for line in list(self._printed)[-PRINTED_MAX:]]
        said = [ServerNote(self._last.uptime_s, one) for one in (*printed, *self._complaints)]
        return msgspec.structs.replace(self._last, notes=[*self._last.notes, *said])
