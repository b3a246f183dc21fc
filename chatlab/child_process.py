"""One way to start a child process, to read from it and to stop it.

The parent holds the other end of the child's standard input. It sends a job there, as one line of
JSON. When it closes that end, or dies, however suddenly, the child's standard input ends, and the
child stops by itself: so no child outlives its parent. This works alike on every system, as signals
do not.

A child answers on its standard output: in lines for people, or in messages of eight bytes of length
and then MessagePack.

Parents use `ChildProcess`. The functions below it are for the child itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

import msgspec

from chatlab.errors import ExitCode

STOP_TIMEOUT_S = 20.0
"""Seconds for a child to stop once its standard input has ended."""
LINE_BYTES_MAX = 10_000
"""A longer line is cut: a learner's code may print anything."""
MESSAGE_BYTES_MAX = 2**32
SIZE_BYTES = 8

T = TypeVar("T")


def own_session() -> dict[str, Any]:
    """Arguments for a process that must not get the Ctrl-C of our terminal.

    The Ctrl-C is for us; we then stop the child in order.
    """
    return {
        "start_new_session": sys.platform != "win32",
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    }


class ChildProcess:
    """A process that stops when its standard input ends; a context manager starts and kills it.

    Args:
        command: what to run; see `python`.
        job: what it is to do: a msgspec struct, for its `read_job`.
        stderr: where its errors go: to us by default, else as in `subprocess`.
        cwd: the folder it runs in; ours by default.
        environment: variables to set beside ours.

    Attributes:
        process: the process, once started.
        reading: reads what it writes, if anything does all the time; cancelled at a kill.
    """

    process: asyncio.subprocess.Process

    def __init__(
        self,
        command: Sequence[str],
        *,
        job: object = None,
        stderr: int | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.reading: asyncio.Task[None] | None = None
        self._command = command
        self._job = job
        self._stderr = stderr
        self._cwd = cwd
        self._environment = {"PYTHONIOENCODING": "utf-8:replace", **(environment or {})}
        # Kept here, so that a reader who is cancelled between a size and its data loses nothing.
        self._size: int | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it, and send the job if there is one."""
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self._cwd,
            env={**os.environ, **self._environment},
            **own_session(),
        )
        if self._job is not None:
            try:
                await self.send(self._job)
            except BaseException:
                await self.kill()
                raise

    async def send(self, job: object) -> None:
        """Send a job to a child that waits for one. If it is gone, its end will tell."""
        assert self.process.stdin is not None
        with suppress(ConnectionError):
            self.process.stdin.write(msgspec.json.encode(job) + b"\n")
            await self.process.stdin.drain()

    def end_input(self) -> None:
        """Ask it to stop."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def end(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to stop, wait until it has, and read to the end; returns its exit code.

        Raises:
            TimeoutError: it did not stop in time and was killed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                self.end_input()
                code = await self.process.wait()
                if self.reading is not None:
                    await self.reading
                return code
        except BaseException:
            await self.kill()
            raise

    async def kill(self) -> None:
        """End it now, if it has not ended; nothing in it gets to do anything any more."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.wait([self.reading])
        # Not `wait()`: a full pipe would keep it waiting for ever.
        await self.process.communicate()

    async def messages(self, kind: Any) -> AsyncIterator[Any]:
        """Its messages, of a type or a union of types, until it closes its standard output.

        Raises:
            ValueError: it wrote something else (`msgspec.DecodeError` is one, too).
        """
        assert self.process.stdout is not None
        decoder = msgspec.msgpack.Decoder(kind)
        with suppress(asyncio.IncompleteReadError):
            while True:
                if self._size is None:
                    size = int.from_bytes(await self.process.stdout.readexactly(SIZE_BYTES))
                    if size > MESSAGE_BYTES_MAX:
                        raise ValueError(f"a message of {size:,} bytes")
                    self._size = size
                data = await self.process.stdout.readexactly(self._size)
                self._size = None
                yield decoder.decode(data)


async def lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """The lines of a stream of any content; the longest are cut."""
    assert stream is not None
    rest = b""
    while chunk := await stream.read(2**16):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line[:LINE_BYTES_MAX].decode(errors="replace").rstrip()
    if rest:
        yield rest.decode(errors="replace").rstrip()


def python(module: str, *label: str) -> list[str]:
    """The command that runs a module; `label` is only for those who list processes."""
    return [sys.executable, "-m", module, *label]


# For the child.


def read_job(kind: type[T]) -> T:
    """The job on standard input; ends the process if the parent is gone."""
    line = b""
    while not line.endswith(b"\n"):
        # Not through `sys.stdin`: a thread inside its buffer makes Python abort at the exit.
        if not (data := os.read(0, 2**16)):
            sys.exit(ExitCode.INTERRUPTED)
        line += data
    return msgspec.json.decode(line, type=kind)


def when_stdin_ends(call: Callable[[], object]) -> None:
    """Call back when standard input ends: in the running event loop, or else in a thread."""
    tell = call
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
        tell = lambda: loop.call_soon_threadsafe(call)  # noqa: E731

    def wait_for_end() -> None:
        while os.read(0, 2**12):
            pass
        with suppress(RuntimeError):  # the event loop has ended
            tell()

    threading.Thread(target=wait_for_end, daemon=True).start()


def take_stdout(instead: int = 2) -> BinaryIO:
    """Keep standard output for messages: what is printed from now on goes to another file.

    Args:
        instead: the file descriptor that is printed to; by default that of standard error.
    """
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(instead, 1)
    return channel


def send(message: object, channel: BinaryIO | None = None) -> None:
    """Send a message to the parent, by default through standard output."""
    channel = channel or sys.stdout.buffer
    data = msgspec.msgpack.encode(message)
    channel.write(len(data).to_bytes(SIZE_BYTES) + data)
    channel.flush()
