"""The two sides of a measurement, each in a process of its own.

A server lives as long as a `with` block lasts. The load generator has its own process so that no
live view makes it late: it is this module, too (`python -m chatlab.bench.processes`), and reports
its progress, then its result. When its standard input ends, it stops and reports what it has.

Whatever happens, no process stays behind: see `child_process.py`, which also says how one is
stopped.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from chatlab.bench.load_result import LoadProgress, LoadResult
from chatlab.bench.scenario import Scenario, plan
from chatlab.chat.server_job import USUAL_OPTIONS, ServerJob, ServerOptions
from chatlab.child_process import (
    STOP_TIMEOUT_S,
    ChildProcess,
    lines,
    python,
    read_job,
    send,
    when_stdin_ends,
)
from chatlab.errors import ChatlabError, UsageError

START_TIMEOUT_S = 60.0
LISTENING = "listening on "
COMPLAINTS_MAX = 20
"""Lines of a server's standard error to keep, the last ones."""
PARTIAL_TIMEOUT_S = 10.0
PROGRESS_INTERVAL_S = 0.2


class ServerFailed(ChatlabError):
    """A server process ended, or said nothing, when it should have served."""


class ListeningProcess(ChildProcess):
    """A child that says `listening on URL` once it does; an async context manager.

    Args:
        module: what to run, as `python -m MODULE`.
        label: words behind that, for those who list processes.
        job: what it is to do, if it needs one.
        on_error: called with each line that it writes to standard error, once it listens.
        on_output: called with each line of its standard output, except that one.

    Attributes:
        url: where it listens; known inside the block.

    Raises, on entering:
        UsageError: it refused to start; the text is its own.
        ServerFailed: it did not start within `START_TIMEOUT_S`.
    """

    def __init__(
        self,
        module: str,
        *label: str,
        job: object = None,
        on_error: Callable[[str], object] = lambda _: None,
        on_output: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(python(module, *label), job=job, stderr=subprocess.PIPE)
        self._on_error = on_error
        self._on_output = on_output
        self._complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
        self._last_words = ""
        self._over = False
        self.url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._until_listening()
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                words = f"the server did not start within {START_TIMEOUT_S:g} s"
                raise ServerFailed(words) from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> str:
        """Have the server save what it has and stop; returns its last words. Safe to repeat.

        Raises:
            ServerFailed: it had to be killed, or reports messages that it could not save.
        """
        if self._over:
            return ""
        self._over = True
        try:
            code = await self.end()
        except TimeoutError:
            complaints = "".join(f"; {one}" for one in self._complaints)
            words = f"the server did not stop within {STOP_TIMEOUT_S:g} s and was killed"
            raise ServerFailed(words + complaints) from None
        if code:
            complaints = "; ".join(self._complaints)
            raise ServerFailed(f"the server failed: {complaints or self._last_words}")
        return self._last_words

    async def kill(self) -> None:
        self._over = True
        await super().kill()

    async def ended(self) -> int:
        """Wait until it ends by itself; returns its exit code."""
        return await self.process.wait()

    async def _until_listening(self) -> None:
        listening = asyncio.Event()
        self.reading = reading = asyncio.create_task(self._read(listening))
        waiting = asyncio.ensure_future(listening.wait())
        both: list[asyncio.Future[Any]] = [waiting, reading]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not listening.is_set():
            await self.process.wait()
            words = "\n".join(self._complaints) or self._last_words
            raise UsageError(words or "the server ended without a word")

    async def _read(self, listening: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:  # which waits for both also when it is cancelled
            group.create_task(self._read_output(listening))
            group.create_task(self._read_errors(listening))

    async def _read_output(self, listening: asyncio.Event) -> None:
        async for line in lines(self.process.stdout):
            if not listening.is_set() and line.startswith(LISTENING):
                self.url = line.removeprefix(LISTENING)
                listening.set()
            else:
                self._last_words = line or self._last_words
                self._on_output(line)

    async def _read_errors(self, listening: asyncio.Event) -> None:
        async for line in lines(self.process.stderr):
            words = line.removeprefix("chatlab: ")
            self._complaints.append(words)
            if listening.is_set():  # else it is quoted as the reason why it does not start
                self._on_error(words)


class ServerProcess(ListeningProcess):
    """A chat server; see `chat/server_job.py`.

    Args:
        mode: its line-up.
        data: its data folder.
        history: generated messages to start with.
        options: how it differs from the usual server.
        on_error, on_output: see `ListeningProcess`.
    """

    def __init__(
        self,
        mode: str,
        data: Path,
        history: int = 0,
        options: ServerOptions = USUAL_OPTIONS,
        *,
        on_error: Callable[[str], object] = lambda _: None,
        on_output: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(
            *("chatlab.chat.server_job", mode, str(data)),
            job=ServerJob(mode, str(data), history, options),
            on_error=on_error,
            on_output=on_output,
        )


class LoadJob(msgspec.Struct, frozen=True):
    """What the generator is to do: see `Load`, and `EchoLoad` if `echo` is set.

    Attributes:
        stamped: whether messages carry when they are due.
    """

    url: str
    scenario: Scenario
    seed: int
    run_id: str
    echo: bool = False
    deadline_s: float | None = None
    stamped: bool = False


class LoadUnderWay(msgspec.Struct, frozen=True, tag=True):
    """Where the generator stands."""

    progress: LoadProgress


class LoadDone(msgspec.Struct, frozen=True, tag=True):
    """The result, whole or partial."""

    result: LoadResult


class LoadRefused(msgspec.Struct, frozen=True, tag=True):
    """The generator could not do the job, and why."""

    text: str


class GeneratorFailed(ChatlabError):
    """The load generator's process ended without a result."""


class LoadProcess(ChildProcess):
    """A child that does one job.

    Attributes:
        progress: where it stands; None before the first message.
    """

    def __init__(self) -> None:
        super().__init__(python("chatlab.bench.processes"))
        self.progress: LoadProgress | None = None

    async def run(self, job: LoadJob) -> LoadResult:
        """Do the job.

        A caller that is cancelled gets no result; `stop` then fetches what there is.

        Raises:
            UsageError: the server does not let the load in.
            GeneratorFailed: the process ended by itself.
        """
        await self.send(job)
        return await self._result()

    async def stop(self) -> LoadResult | None:
        """End a run early and return its partial result; None if there is none."""
        self.end_input()
        try:
            async with asyncio.timeout(PARTIAL_TIMEOUT_S):
                return await self._result()
        except (TimeoutError, ChatlabError):
            return None

    async def _result(self) -> LoadResult:
        async for message in self.messages(LoadUnderWay | LoadDone | LoadRefused):
            match message:
                case LoadUnderWay(progress=progress):
                    self.progress = progress
                case LoadDone(result=result):
                    return result
                case LoadRefused(text=text):
                    raise UsageError(text)
        raise GeneratorFailed("the load generator ended without a result")


async def _do(job: LoadJob) -> None:
    from chatlab.bench.load import EchoLoad, Load

    kind = EchoLoad if job.echo else Load
    load = kind(
        job.url,
        job.scenario,
        plan(job.scenario, job.seed),
        run_id=job.run_id,
        deadline_s=job.deadline_s,
        since_1970=time.time if job.stamped else None,
    )
    running = asyncio.create_task(load.run())
    when_stdin_ends(running.cancel)
    while not (await asyncio.wait([running], timeout=PROGRESS_INTERVAL_S))[0]:
        send(LoadUnderWay(load.progress()))
    error = None if running.cancelled() else running.exception()
    if isinstance(error, ChatlabError):
        send(LoadRefused(str(error)))
    elif error is not None:
        raise error
    else:
        send(LoadDone(load.result))


if __name__ == "__main__":
    asyncio.run(_do(read_job(LoadJob)))
