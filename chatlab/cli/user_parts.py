"""Commands that run users' parts: each in a process of its own.

Whatever such a part does (block, loop for ever, exit, crash), this process lives, and says what
happened. Under `chatlab serve`, the server is that process: the dashboard goes on, and names the
line. A lab is run once more, whole, in a child that has our terminal: the end of its standard input
tells it of a Ctrl-C, and of our death. It creates a file when the command ends normally, which a
part that exits or crashes does not.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.chat.server_job import ServerJob
from chatlab.chat.snapshot import ServerNote, Snapshot
from chatlab.chat.user_parts import exit_call
from chatlab.child_process import STOP_TIMEOUT_S, own_session, when_stdin_ends
from chatlab.cli.app import tell
from chatlab.cli.clients import stream
from chatlab.errors import ExitCode, UsageError
from chatlab.plain_text import printable
from chatlab.signals import Stop
from chatlab.view.dashboard.live import REFRESH_S, Keys, every, show
from chatlab.view.dashboard.summary import print_summary

COMPLAINTS_MAX = 8
PRINTED_MAX = 3
"""Printed lines that a dashboard shows, the last ones."""
PRINTED_EARLY_MAX = 100
"""Printed lines to keep until the server listens."""

is_child = threading.Event()
"""Set in the child."""

_CHILD = "from chatlab.cli.user_parts import main; main()"


class UserPartsServer:
    """A server with users' parts, and what it says of them.

    Args:
        job: what to serve.
        dashboard: whether to show one; without a terminal, as plain lines.
        keys: of whoever looks at it.
    """

    def __init__(self, job: ServerJob, dashboard: bool, keys: Keys | None = None) -> None:
        self._server = ServerProcess(
            *(job.mode, Path(job.data), job.history, job.options),
            on_error=self._on_error,
            on_output=self._on_output,
        )
        self._query = f"/?token={quote(job.options.token, safe='')}" if job.options.token else ""
        self._dashboard = dashboard
        self._keys = keys
        self._on_screen = dashboard and sys.stdout.isatty()
        self._listens = False
        self._printed: deque[str] = deque(maxlen=PRINTED_EARLY_MAX)
        self._complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
        self._last: Snapshot | None = None

    async def serve(self, stop: Stop) -> int:
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
                tell(f"chatlab: {error}")
                return ExitCode.NOT_CLEAN
        if gone:
            self._explain_end()
        return ExitCode.of(not gone)

    async def _until_over(self, stop: Stop) -> bool:
        """Show it until `stop` is set (False) or it ends by itself (True)."""
        stopped = asyncio.create_task(stop.asked.wait())
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
            print(printable(line), flush=True)

    def _print_from_now_on(self) -> None:
        """The address comes first, whatever a user's file prints when it is loaded."""
        self._listens = True
        if not self._on_screen:
            for line in self._printed:
                print(printable(line), flush=True)

    def _on_error(self, words: str) -> None:
        self._complaints.append(words)
        if not self._on_screen:
            tell(f"chatlab: {words}")

    def _explain_end(self) -> None:
        """Say what to make of a server that is gone."""
        if self._on_screen:
            for words in self._complaints:
                tell(f"chatlab: {words}")
        why = "" if self._complaints else ": a part of your own must have ended it"
        print(f"chatlab: the server has ended{why}. What was only queued is lost", file=sys.stderr)

    async def _show(self) -> None:
        if not self._dashboard:
            return
        source = stream(self._server.url + self._query, REFRESH_S)
        self._last = await anext(source)
        following = asyncio.create_task(self._follow(source))
        try:
            # Also while the server is silent.
            await show(every(REFRESH_S, self._snapshot), keys=self._keys)
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


def run_in_child() -> int:
    """Run this process's command once more, in a child; returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="chatlab-") as folder:
        ended = Path(folder) / "ended"
        command = [sys.executable, "-c", _CHILD, str(ended), *sys.argv[1:]]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, **own_session())
        stopped = _wait(process)
        if ended.exists():
            return process.returncode
    if stopped:
        print("chatlab: stopped: a part of your own would not end", file=sys.stderr)
        return ExitCode.INTERRUPTED
    print(
        f"chatlab: a part of your own has ended the process that ran it (exit code "
        f"{process.returncode}): nothing more can be said",
        file=sys.stderr,
    )
    return ExitCode.SOFTWARE


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Wait for its end; returns whether a Ctrl-C stopped it."""
    try:
        process.wait()
        return False
    except KeyboardInterrupt:
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    return True


def main() -> None:
    """The child: run the command, from the arguments after the first."""
    from chatlab.cli import app

    is_child.set()
    ended = Path(sys.argv.pop(1))
    when_stdin_ends(_interrupt)
    code: object = ExitCode.OK
    try:
        app.main()
    except SystemExit as error:
        code = error.code
    sys.stdout.flush()
    sys.stderr.flush()
    ended.touch()
    # At once: a thread of a user's part may never end.
    os._exit(code if isinstance(code, int) else ExitCode.OK)


def explain_exit(error: SystemExit) -> int:
    """Say that a user's part has called `sys.exit`; returns an exit code."""
    tell(f"chatlab: {exit_call(error)}")
    return ExitCode.SOFTWARE


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes an event loop that waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
