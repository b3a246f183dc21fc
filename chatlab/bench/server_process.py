"""A chat server in a process of its own, for as long as a `with` block lasts.

Whatever happens, no server stays behind: a stopping block stops it, and a program that dies
closes the pipe to the server's standard input, at which the server stops by itself.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from chatlab.chat.errors import ChatlabError, UsageError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
LISTENING = "listening on "
COMPLAINTS_MAX = 20
"""Lines of a server's standard error that are kept, the last ones."""


class ServerFailed(ChatlabError):
    """A server process ended, or said nothing, when it should have served."""


class ListeningProcess:
    """A process whose first line is `listening on URL`; an async context manager.

    Args:
        command: what to run. It must end, in order, when its standard input does.
        hear: hears each line that it writes to standard error, once it listens.

    Attributes:
        url: where it listens; known inside the block.

    Raises, on entering:
        UsageError: it refused to start; the text is its own.
        ServerFailed: it did not start within `START_TIMEOUT_S`.
    """

    def __init__(self, command: list[str], hear: Callable[[str], object] = lambda _: None) -> None:
        self._command = command
        self._hear = hear
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
        self.url = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C in the terminal is for us alone; we then stop the server in order.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._wait_until_listening(self._process)
            self._hearing = asyncio.create_task(self._listen(self._process))
        except BaseException as error:
            await self._kill(self._process)
            if isinstance(error, TimeoutError):
                raise ServerFailed(
                    f"the server did not start within {START_TIMEOUT_S:g} s"
                ) from None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> str:
        """Have the server save what it has and stop; returns its last words. Safe to repeat.

        Raises:
            ServerFailed: it had to be killed, or reports messages that it could not save.
        """
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                assert process.stdin is not None
                process.stdin.close()  # this asks it to stop
                assert process.stdout is not None
                out = await process.stdout.read()
                await process.wait()
                if self._hearing is not None:
                    await self._hearing
        except BaseException as error:
            await self._kill(process)
            if isinstance(error, TimeoutError):
                complaints = "".join(f"; {one}" for one in self._complaints)
                raise ServerFailed(
                    f"the server did not stop within {STOP_TIMEOUT_S:g} s and was killed"
                    + complaints
                ) from None
            raise
        last_words = out.decode(errors="replace").strip()
        if process.returncode:
            complaints = "\n".join(self._complaints)
            raise ServerFailed(f"the server failed: {complaints or last_words}")
        return last_words

    async def ended(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            words = line.decode(errors="replace").strip().removeprefix("chatlab: ")
            self._complaints.append(words)
            self._hear(words)

    async def _wait_until_listening(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        line = (await process.stdout.readline()).decode(errors="replace").strip()
        if line.startswith(LISTENING):
            self.url = line.removeprefix(LISTENING)
            return
        words = (await process.stderr.read()).decode(errors="replace").strip() or line
        raise UsageError(words.removeprefix("chatlab: ") or "the server ended without a word")

    @staticmethod
    async def _kill(process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()


class ServerProcess(ListeningProcess):
    """A `chatlab serve` process.

    Args:
        mode: its line-up.
        data: its data folder.
        history: generated messages to start with.
        options: further options of `chatlab serve`.
        port: where it listens; 0 for any that is free.
        hear: see `ListeningProcess`.
    """

    def __init__(
        self,
        mode: str,
        data: Path,
        history: int = 0,
        options: tuple[str, ...] = (),
        *,
        port: int = 0,
        hear: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(
            [
                *(sys.executable, "-m", "chatlab", "serve", "--mode", mode, "--port", str(port)),
                *("--data", str(data), "--history", str(history)),
                *("--no-dashboard", "--stop-with-stdin", *options),
            ],
            hear,
        )


class EchoProcess(ListeningProcess):
    """The barest server that `websockets` can be: see `echo.py`."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "chatlab.bench.echo"])


class SinkProcess(ListeningProcess):
    """The server that does next to nothing: see `sink.py`."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "chatlab.bench.sink"])
