"""A chat server in a process of its own, for as long as a `with` block lasts.

Whatever happens, no server stays behind: a stopping block stops it, and a program that dies
closes the pipe to the server's standard input, at which the server stops by itself.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chatlab.errors import ChatlabError, UsageError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
LISTENING = "listening on "
COMPLAINTS_MAX = 20
"""Lines of a server's standard error that are kept, the last ones."""
LINE_BYTES_MAX = 10_000
"""A longer line is cut: parts of someone's own may print anything."""


class ServerFailed(ChatlabError):
    """A server process ended, or said nothing, when it should have served."""


class ListeningProcess:
    """A process that says `listening on URL` once it does; an async context manager.

    Whatever else it prints is read, and heard: else it would have to wait when the pipe is full.

    Args:
        command: what to run. It must end, in order, when its standard input does.
        hear: hears each line that it writes to standard error, once it listens.
        hear_output: hears each line of its standard output, but for that one.

    Attributes:
        url: where it listens; known inside the block.

    Raises, on entering:
        UsageError: it refused to start; the text is its own.
        ServerFailed: it did not start within `START_TIMEOUT_S`.
    """

    def __init__(
        self,
        command: list[str],
        hear: Callable[[str], object] = lambda _: None,
        hear_output: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._command = command
        self._hear = hear
        self._hear_output = hear_output
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Future[tuple[None, None]] | None = None
        self._complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
        self._last_words = ""
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
        except BaseException as error:
            await self._kill(self._process)
            await self._deafen()
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
                await process.wait()
                if self._hearing is not None:
                    await self._hearing
        except BaseException as error:
            await self._kill(process)
            await self._deafen()
            if isinstance(error, TimeoutError):
                complaints = "".join(f"; {one}" for one in self._complaints)
                raise ServerFailed(
                    f"the server did not stop within {STOP_TIMEOUT_S:g} s and was killed"
                    + complaints
                ) from None
            raise
        if process.returncode:
            complaints = "\n".join(self._complaints)
            raise ServerFailed(f"the server failed: {complaints or self._last_words}")
        return self._last_words

    async def ended(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def _wait_until_listening(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        listening = asyncio.Event()
        output = asyncio.create_task(self._listen(process.stdout, listening))
        errors = asyncio.create_task(self._listen_to_errors(process.stderr, listening))
        self._hearing = hearing = asyncio.gather(output, errors)
        waiting = asyncio.create_task(listening.wait())
        both: list[asyncio.Future[Any]] = [waiting, hearing]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not listening.is_set():
            await process.wait()
            words = "\n".join(self._complaints) or self._last_words
            raise UsageError(words or "the server ended without a word")

    async def _listen(self, output: asyncio.StreamReader, listening: asyncio.Event) -> None:
        async for line in _lines(output):
            if not listening.is_set() and line.startswith(LISTENING):
                self.url = line.removeprefix(LISTENING)
                listening.set()
            else:
                self._last_words = line or self._last_words
                self._hear_output(line)

    async def _listen_to_errors(
        self, errors: asyncio.StreamReader, listening: asyncio.Event
    ) -> None:
        async for line in _lines(errors):
            words = line.removeprefix("chatlab: ")
            self._complaints.append(words)
            if listening.is_set():  # else it is quoted as the reason why it does not start
                self._hear(words)

    async def _deafen(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait({self._hearing})

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
        hear, hear_output: see `ListeningProcess`.
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
        hear_output: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(
            [
                *(sys.executable, "-m", "chatlab", "serve", "--mode", mode, "--port", str(port)),
                *("--data", str(data), "--history", str(history)),
                *("--no-dashboard", "--stop-with-stdin", *options),
            ],
            hear,
            hear_output,
        )


class EchoProcess(ListeningProcess):
    """The barest server that `websockets` can be: see `echo.py`."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "chatlab.bench.ceiling_servers"])


class SinkProcess(ListeningProcess):
    """The server that does next to nothing: see `sink.py`."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "chatlab.labs.generator.sink"])


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines of a stream, whatever is in them and however long they are."""
    rest = b""
    while chunk := await stream.read(2**16):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line[:LINE_BYTES_MAX].decode(errors="replace").rstrip()
    if rest:
        yield rest.decode(errors="replace").rstrip()
