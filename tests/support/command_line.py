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
from typing import NamedTuple

import pytest

from chatlab.cli.app import main
from tests.support.chat_client import ENVIRONMENT, WAIT_S, chatlab_command

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
    before = sys.argv, Path.cwd(), {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    sys.argv, code = ["chatlab", *words], 0
    os.chdir(folder or before[1])
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            sys.argv = before[0]
            os.chdir(before[1])
            for number, handler in before[2].items():
                signal.signal(number, handler)
    return Done(code, *(stream.buffer.getvalue().decode() for stream in streams))  # type: ignore[attr-defined]


@asynccontextmanager
async def command(
    *words: str, folder: Path | None = None, file_bytes_max: int | None = None
) -> AsyncIterator[Process]:
    """A command in a process of its own, which ends with the block; see `chatlab_command`."""
    process = await asyncio.create_subprocess_exec(
        *chatlab_command(*words, file_bytes_max=file_bytes_max),
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


async def run(*words: str, typed: str = "", folder: Path | None = None) -> Done:
    """Run a command in a process of its own, from start to end."""
    async with command(*words, folder=folder) as process:
        return await ended(process, typed)


async def until(stream: asyncio.StreamReader | None, text: str | re.Pattern[str]) -> str:
    """Everything that a process writes, up to the line that has this text in it."""
    assert stream is not None
    wanted = re.compile(re.escape(text)) if isinstance(text, str) else text
    seen = ""
    async with asyncio.timeout(2 * WAIT_S):
        while not wanted.search(seen):
            line = (await stream.readline()).decode()
            assert line, f"it ended without {text!r}: {seen}"
            seen += line
    return seen
