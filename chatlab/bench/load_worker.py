"""A process that does one load job: `python -m chatlab.bench.load_worker`.

Reads the job as one line of JSON from standard input, writes what there is to tell to standard
output: each time eight bytes of length, then MessagePack. When its standard input ends, because it
is asked to stop or because its parent is gone, it stops and tells what it has.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from chatlab.bench.load import EchoLoad, Load
from chatlab.bench.load_process import SIZE_BYTES, Failure, Finished, LoadJob, News, Under
from chatlab.bench.scenario import plan
from chatlab.chat.parent import when_stdin_ends
from chatlab.errors import ChatlabError

PROGRESS_INTERVAL_S = 0.2


def main() -> None:
    """Do the job on standard input."""
    line = sys.stdin.buffer.readline()
    if line:
        asyncio.run(_work(msgspec.json.decode(line, type=LoadJob)))


async def _work(job: LoadJob) -> None:
    kind = EchoLoad if job.echo else Load
    load = kind(job.url, job.scenario, plan(job.scenario, job.seed), run_id=job.run_id)
    running = asyncio.create_task(load.run())
    when_stdin_ends(running.cancel)
    telling = asyncio.create_task(_tell_progress(load))
    try:
        await asyncio.wait([running])
    finally:
        telling.cancel()
    error = None if running.cancelled() else running.exception()
    if isinstance(error, ChatlabError):
        _tell(Failure(str(error)))
    elif error is not None:
        raise error
    else:
        _tell(Finished(load.result))


async def _tell_progress(load: Load) -> None:
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL_S)
        _tell(Under(load.progress()))


def _tell(news: News) -> None:
    data = msgspec.msgpack.encode(news)
    sys.stdout.buffer.write(len(data).to_bytes(SIZE_BYTES) + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
