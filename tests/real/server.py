"""The server under attack: `chatlab serve` as a child, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil

from tests.real.frames import HERE

CHATLAB = (sys.executable, "-m", "chatlab")
START_S = 20.0
STOP_S = 15.0
"""What a stop may take: `drain_timeout_s`, 10, and a few for closing connections."""
HEALTH_S = 2.0
LOOK_S = 0.1


class End(NamedTuple):
    """How it ended: the exit code (None: it had to be killed), the seconds, standard error."""

    code: int | None
    took_s: float
    errors: str


class Server:
    """A server on a folder of its own; an async context manager that leaves no process behind.

    Args:
        work: a folder for its data and for what it prints.
        mode: of the server.
        options: more for `chatlab serve`.
        data: its data folder; default: a fresh one.
        descriptors: the most files and sockets that it may have open, if not the usual number.

    Attributes:
        rss: (time, bytes), about ten a second.
        health: (time, status), about two a second; "" for no answer in time.
        ended_at: when it was told to end.
    """

    def __init__(
        self,
        work: Path,
        mode: str,
        options: tuple[str, ...] = (),
        descriptors: int = 0,
        data: Path | None = None,
    ) -> None:
        self.work, self.data, self.mode = work, data or work / "data", mode
        self._words = ("serve", "--port=0", "--no-dashboard", "--stop-with-stdin")
        self._words += (f"--data={self.data}", f"--mode={mode}", *options)
        limit = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh")
        self._prefix = limit if descriptors else ()
        self.rss: list[tuple[float, int]] = []
        self.health: list[tuple[float, str]] = []
        self.ended_at = float("inf")
        self._ended: End | None = None

    async def __aenter__(self) -> Self:
        with (self.work / "out").open("wb") as out, (self.work / "err").open("wb") as err:
            self.process = await asyncio.create_subprocess_exec(
                *(*self._prefix, *CHATLAB, *self._words),
                stdin=asyncio.subprocess.PIPE,  # so that it ends with us, whatever happens
                stdout=out,
                stderr=err,
                start_new_session=True,  # Ctrl-C is for us
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.port = await self._its_port()
        self.ps = psutil.Process(self.process.pid)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def send_signal(self, number: int) -> None:
        # Not through asyncio: that might reap the process behind its own watcher's back.
        with suppress(psutil.NoSuchProcess):
            self.ps.send_signal(number)

    async def end(self, number: int = signal.SIGTERM, limit_s: float = STOP_S + 45) -> End:
        """Send a signal, and wait for its end; a second call tells the same."""
        if self._ended is None:
            start = self.ended_at = time.monotonic()
            if number:
                self.send_signal(number)
            code: int | None
            try:
                code = await asyncio.wait_for(self.process.wait(), limit_s)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                code = None
            took_s = time.monotonic() - start
            self._watching.cancel()
            errors = (self.work / "err").read_text(errors="replace")
            self._ended = End(code, took_s, errors)
        return self._ended

    async def get(self, path: str, source: str = "") -> tuple[int, dict[str, Any]]:
        """The status and the JSON of a page; (0, {}) if there is no answer in time."""
        try:
            async with asyncio.timeout(HEALTH_S):
                where = (source, 0) if source else None
                reader, writer = await asyncio.open_connection(HERE, self.port, local_addr=where)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {HERE}\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                return int(head.split()[1]), json.loads(body)
        except (OSError, TimeoutError, ValueError, IndexError):
            return 0, {}

    async def saved(self) -> set[str]:
        """The contents of all messages that can be read from its folder, after its end."""
        words = ("data", "export", str(self.data), "--to", "-")
        process = await asyncio.create_subprocess_exec(
            *CHATLAB, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        if process.returncode:
            raise UnreadableFolder(err.decode(errors="replace").strip())
        return {message["content"] for message in json.loads(out)}

    async def _its_port(self) -> int:
        ends_at = time.monotonic() + START_S
        while time.monotonic() < ends_at and self.process.returncode is None:
            if (line := (self.work / "out").read_text()).endswith("\n"):
                return int(line.splitlines()[0].rpartition(":")[2])
            await asyncio.sleep(0.02)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        errors = (self.work / "err").read_text(errors="replace").strip()
        raise CannotStart(f"a server did not start: {errors[-2_000:]}")

    async def _watch(self) -> None:
        """Note its memory and its health, again and again."""
        asking: asyncio.Task[None] | None = None
        turn = 0
        try:
            while self.process.returncode is None:
                self.rss.append((time.monotonic(), self.ps.memory_info().rss))
                if turn % 5 == 0 and (asking is None or asking.done()):
                    asking = asyncio.create_task(self._ask_health())
                turn += 1
                await asyncio.sleep(LOOK_S)
        except psutil.Error:
            pass
        finally:
            if asking is not None:
                asking.cancel()

    async def _ask_health(self) -> None:
        at = time.monotonic()
        status, page = await self.get("/health")
        if self.process.returncode is None:
            self.health.append((at, str(page.get("status", status or ""))))


class CannotStart(Exception):
    """The server said why, instead of where it listens."""


class UnreadableFolder(Exception):
    """The data folder cannot be read after the stop."""
