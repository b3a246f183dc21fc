"""The load generator in a process of its own, so that no live view makes it late.

The child is this module, too: `python -m chatlab.bench.load_process`. It reports its progress, then
its result. When its standard input ends, it stops and reports what it has.
"""

from __future__ import annotations

import asyncio

import msgspec

from chatlab.bench.load_result import LoadProgress, LoadResult
from chatlab.bench.scenario import Scenario, plan
from chatlab.child_process import ChildProcess, python, read_job, send, when_stdin_ends
from chatlab.errors import ChatlabError, UsageError

PARTIAL_TIMEOUT_S = 10.0
PROGRESS_INTERVAL_S = 0.2


class LoadJob(msgspec.Struct, frozen=True):
    """What the generator is to do: see `Load`, and `EchoLoad` if `echo` is set."""

    url: str
    scenario: Scenario
    seed: int
    run_id: str
    echo: bool = False


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
        super().__init__(python("chatlab.bench.load_process"))
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
    load = kind(job.url, job.scenario, plan(job.scenario, job.seed), run_id=job.run_id)
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
