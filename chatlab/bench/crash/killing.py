"""Kill a real server under a real load (SIGKILL; on Windows TerminateProcess), start it again on
the same data folder, and find out which of the messages that it had acked are gone.

The operating system lives on and keeps everything that the server gave it. What the operating
system itself had not yet put on the disk takes a power cut: see `disk/power_loss.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chatlab.bench.crash.recovery import without_folder
from chatlab.bench.load import Load
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.bench.scenario import RUN_ID, content_of, number_of
from chatlab.data.records import Message
from chatlab.errors import UsageError

FIRST_ACK_TIMEOUT_S = 30.0
POLL_S = 0.001


async def kill_under(
    load: Load, server: ServerProcess, moment: Callable[[], Awaitable[object]]
) -> float:
    """Run a load, and kill its server; returns when, on the load's clock.

    Acks that were already sent still reach the client, and count.

    Args:
        load: marked with `RUN_ID`.
        server: the one that it talks to.
        moment: awaited after the first ack; the kill follows. Not awaited if the load is over.

    Raises:
        UsageError, ServerFailed: the server does not let the load in, or never acks.
    """
    running = asyncio.create_task(load.run())
    try:
        async with asyncio.timeout(FIRST_ACK_TIMEOUT_S):
            while not load.result.acked and not running.done():  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(POLL_S)
        if not running.done():
            await moment()
        killed_s = load.progress().t_s
        await server.kill()
        await running
    except TimeoutError:
        raise ServerFailed(f"no ack within {FIRST_ACK_TIMEOUT_S:g} s") from None
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, UsageError):
            await running
    return killed_s


class Restart(NamedTuple):
    """Seconds to start after the kill, and after an orderly stop; and why it would not start."""

    recovery_s: float | None
    ordinary_s: float | None = None
    corrupt: str = ""


async def start_again(mode: str, folder: Path, *, compare: bool = False) -> Restart:
    """Start a server on a killed one's data folder, and stop it in order.

    Args:
        compare: whether to start it once more, to see what a start without recovery takes.
    """
    begin = time.perf_counter()
    try:
        async with ServerProcess(mode, folder) as server:
            recovery_s = time.perf_counter() - begin
            await server.stop()
        if not compare:
            return Restart(recovery_s)
        begin = time.perf_counter()
        async with ServerProcess(mode, folder) as server:
            return Restart(recovery_s, time.perf_counter() - begin)
    except UsageError as error:
        return Restart(None, corrupt=without_folder(str(error), folder))


class Remains(NamedTuple):
    """What is left of a load.

    Attributes:
        acked: numbers of the messages whose ack reached their sender, ascending.
        lost: those of them that are missing.
        there: numbers of the messages that are there, acked or not.
        wrong: how many are stored twice, or changed.
    """

    acked: list[int]
    lost: list[int]
    there: set[int]
    wrong: int


def what_is_left(result: LoadResult, saved: Iterable[Message]) -> Remains:
    """Compare what a load noted with what its server, killed meanwhile, has saved."""
    sent = {content_of(RUN_ID, n, send.text): n for n, send in enumerate(result.plan)}
    marked = [one.content for one in saved if number_of(RUN_ID, one.content) is not None]
    there = {sent[content] for content in marked if content in sent}
    acked = [n for n, at_s in enumerate(result.acked_s) if at_s != NEVER]
    lost = [n for n in acked if n not in there]
    return Remains(acked, lost, there, wrong=len(marked) - len(there))
