"""`chatlab serve` for a line-up with parts of someone's own: the server in a process of its own.

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
from typing import TYPE_CHECKING

from chatlab import exit_codes

if TYPE_CHECKING:
    from chatlab.bench.server_process import ServerProcess
    from chatlab.chat.snapshot import Snapshot

REFRESH_S = 0.5
LESSONS_MAX = 8
PRINTED_MAX = 3
"""Lines that parts of someone's own have printed and that a dashboard shows, the last ones."""
PRINTED_EARLY_MAX = 100
"""... and that are kept until the server listens."""


class Own:
    """A server with parts of someone's own, and what is to be learned from it.

    Args:
        mode, data, history, options, port: of the server.
        token: that its clients need, if any.
        dashboard: whether to show one; if there is no terminal, as plain lines.
    """

    def __init__(
        self,
        mode: str,
        data: Path,
        history: int,
        options: tuple[str, ...],
        *,
        port: int,
        token: str | None,
        dashboard: bool,
    ) -> None:
        from chatlab.bench.server_process import ServerProcess

        self._server = ServerProcess(
            mode, data, history, options, port=port, hear=self._hear, hear_output=self._hear_output
        )
        self._token = token
        self._dashboard = dashboard
        self._on_screen = dashboard and sys.stdout.isatty()
        self._printed: deque[str] = deque(maxlen=PRINTED_EARLY_MAX)
        self._listens = False
        self._lessons: deque[str] = deque(maxlen=LESSONS_MAX)
        self._last: Snapshot | None = None

    async def serve(self, stop: asyncio.Event) -> int:
        """Serve until told to stop, or until the server ends by itself; returns the exit code.

        Raises:
            UsageError: it refused to start.
            ServerFailed: it would not stop, or could not save everything.
        """
        from chatlab.bench.server_process import ServerFailed

        gone = False
        try:
            async with self._server as server:
                print(f"listening on {server.url}", flush=True)
                self._print_from_now_on()
                gone = await self._until_over(server, stop)
                if not gone:
                    await self._sum_up(server)
                    last_words = await server.stop()
                    if self._on_screen:
                        print(last_words)
        except ServerFailed:
            if not gone:
                raise
        if gone:
            self._tell()
        return exit_codes.of(not gone)

    async def _until_over(self, server: ServerProcess, stop: asyncio.Event) -> bool:
        """Show it until told to stop (False), or until it has ended by itself (True)."""
        stopped = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(server.ended())
        view = asyncio.create_task(self._show(server))
        try:
            await asyncio.wait([stopped, ended], return_when=asyncio.FIRST_COMPLETED)
            return ended.done()
        finally:
            for task in (stopped, ended, view):
                task.cancel()
            await asyncio.wait([view])
            if not view.cancelled() and (error := view.exception()) and not ended.done():
                raise error  # a view that fails must be heard of

    async def _sum_up(self, server: ServerProcess) -> None:
        """Leave the figures on the screen, as they are before the stop."""
        from chatlab.bench.client import fetch_snapshot
        from chatlab.errors import UsageError
        from chatlab.view.dashboard.summary import print_summary

        if self._dashboard:
            with suppress(UsageError):  # it does not answer any more: its lessons say why
                print_summary(await fetch_snapshot(self._address(server)))

    def _hear_output(self, line: str) -> None:
        if self._on_screen or not self._listens:
            self._printed.append(line)
        else:
            print(line, flush=True)

    def _print_from_now_on(self) -> None:
        """The address stands first, whatever a file of someone's own prints when it is loaded."""
        self._listens = True
        if not self._on_screen:
            for line in self._printed:
                print(line, flush=True)

    def _hear(self, words: str) -> None:
        self._lessons.append(words)
        if not self._on_screen:
            print(f"chatlab: {words}", file=sys.stderr, flush=True)

    def _tell(self) -> None:
        """What to make of a server that is gone."""
        if self._on_screen:
            for words in self._lessons:
                print(f"chatlab: {words}", file=sys.stderr)
        why = "" if self._lessons else ": a part of your own must have ended it"
        print(f"chatlab: the server has ended{why}. What was only queued is lost", file=sys.stderr)

    async def _show(self, server: ServerProcess) -> None:
        from chatlab.view.dashboard.live import show

        if self._dashboard:
            await show(self._snapshots(self._address(server)))

    def _address(self, server: ServerProcess) -> str:
        return server.url + (f"/?token={self._token}" if self._token else "")

    async def _snapshots(self, url: str) -> AsyncIterator[Snapshot]:
        """Those of the server, with the lessons among the notes; also while it is silent."""
        from chatlab.cli.top import stream

        source = stream(url, REFRESH_S)
        coming = asyncio.ensure_future(anext(source))
        try:
            while True:
                await asyncio.wait([coming], timeout=REFRESH_S)
                if coming.done():
                    try:
                        self._last = coming.result()
                    except StopAsyncIteration:
                        return
                    coming = asyncio.ensure_future(anext(source))
                if self._last is not None:
                    yield self._with_lessons(self._last)
        finally:
            coming.cancel()
            await asyncio.wait([coming])
            await source.aclose()

    def _with_lessons(self, snapshot: Snapshot) -> Snapshot:
        import msgspec

        from chatlab.chat.snapshot import ServerNote

        printed = [f"printed: {line}" for line in list(self._printed)[-PRINTED_MAX:]]
        lessons = [ServerNote(snapshot.uptime_s, words) for words in (*printed, *self._lessons)]
        return msgspec.structs.replace(snapshot, notes=[*snapshot.notes, *lessons])
