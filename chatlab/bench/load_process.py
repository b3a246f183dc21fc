"""The load generator in a process of its own, so that nothing else (a live view, say) can make it
late. The other end of the pipe is `load_worker.py`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from chatlab.bench.load_result import LoadProgress, LoadResult
from chatlab.bench.scenario import Scenario
from chatlab.errors import ChatlabError, UsageError

PARTIAL_TIMEOUT_S = 10.0
SIZE_BYTES = 8


class LoadJob(msgspec.Struct, frozen=True):
    """What a worker is asked to do: see `Load`, and `EchoLoad` if `echo` is set."""

    url: str
    scenario: Scenario
    seed: int
    run_id: str
    echo: bool = False


class Failure(msgspec.Struct, frozen=True, tag=True):
    """The worker could not do it, and why."""

    text: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The worker's result, whole or partial."""

    result: LoadResult


class Under(msgspec.Struct, frozen=True, tag=True):
    """Where the worker stands."""

    progress: LoadProgress


News = Failure | Finished | Under


class GeneratorFailed(ChatlabError):
    """The load generator's process ended without a result."""


class LoadProcess:
    """A worker process that does one job; an async context manager that starts and ends it.

    Attributes:
        progress: where it stands; None before the first message.
    """

    def __init__(self) -> None:
        self.progress: LoadProgress | None = None
        self._process: asyncio.subprocess.Process | None = None
        # Kept here, so that a reader who is cancelled between a size and its data loses nothing.
        self._size: int | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chatlab.bench.load_worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C in the terminal is for us alone; we then ask for what there is.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        # Not `wait()`: a full pipe would keep it waiting for ever.
        await self._process.communicate()

    async def run(self, job: LoadJob) -> LoadResult:
        """Do the job.

        A caller that is cancelled gets no result; `stop` then fetches what there is.

        Raises:
            UsageError: the server does not let the load in.
            GeneratorFailed: the process ended by itself.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        await self._process.stdin.drain()
        return await self._result()

    async def stop(self) -> LoadResult | None:
        """End a run early and return its partial result; None if there is none."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()  # this asks it to stop
        try:
            async with asyncio.timeout(PARTIAL_TIMEOUT_S):
                return await self._result()
        except (TimeoutError, ChatlabError):
            return None

    async def _result(self) -> LoadResult:
        async for news in self._news():
            match news:
                case Under(progress=progress):
                    self.progress = progress
                case Finished(result=result):
                    return result
                case Failure(text=text):
                    raise UsageError(text)
        raise GeneratorFailed("the load generator ended without a result")

    async def _news(self) -> AsyncIterator[News]:
        assert self._process is not None
        assert self._process.stdout is not None
        decoder: msgspec.msgpack.Decoder[News] = msgspec.msgpack.Decoder(News)
        with suppress(asyncio.IncompleteReadError):
            while True:
                if self._size is None:
                    size = await self._process.stdout.readexactly(SIZE_BYTES)
                    self._size = int.from_bytes(size)
                data = await self._process.stdout.readexactly(self._size)
                self._size = None
                yield decoder.decode(data)
