"""`chatlab` on its command line: in this process, which is quick, or as a process of its own."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatlab.cli.app import main
from tests.support.chat_client import WAIT_S, ChatClient

CHATLAB = (sys.executable, "-m", "chatlab")
# A file size limit must not leave half a .pyc behind.
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


class Done(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one clear line about a user's mistake."""
        assert (self.code, self.out) == (2, ""), self
        [line] = self.err.splitlines()
        assert line.startswith("chatlab: ")
        return line


def run_here(*words: str, folder: Path | None = None) -> Done:
    """Run a command in this process, in a folder."""
    code, handlers = 0, {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["chatlab", *words])
        patch.chdir(folder or Path.cwd())
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


@asynccontextmanager
async def command(
    *words: str, folder: Path | None = None, prefix: tuple[str, ...] = ()
) -> AsyncIterator[Process]:
    """A command in a process of its own, which ends with the block.

    Args:
        prefix: a command that runs it, such as `strace`.
    """
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *CHATLAB,
        *words,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=ENVIRONMENT | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: Process, typed: str = "") -> Done:
    """Type the lines and the end of the input; what comes of the command."""
    async with asyncio.timeout(4 * WAIT_S):
        out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def run(*words: str, typed: str = "", **how: Any) -> Done:
    """Run a command in a process of its own, from start to end."""
    async with command(*words, **how) as process:
        return await ended(process, typed)


async def until(stream: asyncio.StreamReader | None, text: str | re.Pattern[str]) -> str:
    """Everything that a process writes, up to the line that has this text in it."""
    wanted = re.compile(re.escape(text)) if isinstance(text, str) else text
    seen = ""
    async with asyncio.timeout(2 * WAIT_S):
        while not wanted.search(seen):
            line = (await stream.readline()).decode()
            assert line, f"it ended without {text!r}: {seen}"
            seen += line
    return seen


class ServeProcess:
    """`chatlab serve` in a process of its own.

    Attributes:
        first_line: what it printed first.
        url: where it listens.
        rest: what it printed after the first line; known when it has ended.
        errors: what it printed to standard error; known when it has ended.
    """

    def __init__(self, process: Process, first_line: str) -> None:
        self.process, self.first_line = process, first_line.rstrip()
        self.url = self.first_line.removeprefix("listening on ")

    async def end(self, by: str = "") -> int:
        """Send a signal, if one is named, and the end of its input; its exit code."""
        if by:
            self.process.send_signal(getattr(signal, by))
        code, self.rest, self.errors = await ended(self.process)
        return code


@asynccontextmanager
async def serving(data: Path, *options: str, **how: Any) -> AsyncIterator[ServeProcess]:
    """A server in a process of its own, on a free port."""
    words = ("serve", "--port=0", "--no-dashboard", f"--data={data}", *options)
    async with command(*words, **how) as process:
        yield ServeProcess(process, await until(process.stdout, "\n"))


@asynccontextmanager
async def serving_alice(
    data: Path, *options: str, **how: Any
) -> AsyncIterator[tuple[ServeProcess, ChatClient]]:
    """A server in a process of its own, and somebody who is in its room."""
    async with (
        serving(data, *options, **how) as server,
        await ChatClient.connect(server.url, "alice", "general") as alice,
    ):
        yield server, alice
