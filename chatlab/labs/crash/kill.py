"""Kill a real server under a real load at a random moment (SIGKILL; on Windows TerminateProcess),
and look for what it had acked.

The operating system lives on and keeps everything that the server gave it. So this shows what an
ack of `queued` is worth, and that a file which is rewritten in place can be caught half-written.
What the operating system itself had not yet put on the disk takes a power cut:
see `disk/power_loss.py`.

The same server is then started again on the same folder. It must start (a torn tail is what a kill
leaves, and recovery is there for it), and what it acked is looked for in its files.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from chatlab.bench import scenario as scenarios
from chatlab.bench.crash.recovery import contents_of, without_folder
from chatlab.bench.load import Load
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.bench.scenario import RUN_ID, Scenario, content_of, number_of
from chatlab.chat.modes import LineUp
from chatlab.chat.protocol import AckLevel
from chatlab.data.records import Message
from chatlab.errors import StorageError, UsageError

USERS = 4
LOAD_S = 0.6
KILL_AFTER_S = (0.05, 0.45)
FIRST_ACK_TIMEOUT_S = 30.0
POLL_S = 0.001
ORDINARY_TRIALS = 5
"""An orderly start, to compare with, costs as much as half a trial: so the first few are enough."""
WHERE = {
    "queued": "in the server's queue: in memory alone, which the kill took with it",
    "written": "handed to the operating system, which survives a kill; later saves lost it",
    "synced": "nowhere: its ack said that it is on the disk. A broken promise",
}
"""Where a lost message was, by what its ack promised."""


class KillTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One server, killed once.

    Attributes:
        killed_s: seconds after the start of the load.
        sent, acked: messages, until the server was gone.
        lost: acked, and missing after the restart.
        wrong: messages stored twice, or changed.
        corrupt: why the folder cannot be used any more; empty if it can.
        recovery_s: from the start of a new server until it listens; None if it does not.
        ordinary_s: the same on the same folder after an orderly stop; None if not measured.
        story: what happened to one lost message; empty if none was lost.
    """

    killed_s: float
    sent: int
    acked: int
    lost: int
    wrong: int
    corrupt: str
    recovery_s: float | None
    ordinary_s: float | None
    story: list[str]


class KillResult(msgspec.Struct, frozen=True, kw_only=True):
    """All trials of one mode.

    Attributes:
        trials: how many.
        acked, lost, wrong: all trials added up; see `KillTrial`.
        trials_losing: trials in which anything acked was lost.
        corrupt: trials after which the folder could not be used any more.
        recovery_s, recovery_most_s: median and highest start after a kill, of those that started.
        ordinary_s: median start after an orderly stop, on the same folders.
        story: the first loss.
        each: every trial.
    """

    trials: int
    acked: int
    lost: int
    wrong: int
    trials_losing: int
    corrupt: int
    recovery_s: float | None
    recovery_most_s: float | None
    ordinary_s: float | None
    story: list[str]
    each: list[KillTrial]


async def kill_trial(
    line_up: LineUp,
    ack_means: AckLevel,
    *,
    history: int,
    rate_per_s: float,
    seed: int,
    number: int,
    work_folder: Path | None = None,
) -> KillTrial:
    """Kill a server once.

    Args:
        line_up, ack_means: the mode, and what its acks promise.
        history: messages in its data folder before.
        rate_per_s: messages sent to it a second, from several users in one room.
        seed, number: of the trial; together they make the load, and the moment.
        work_folder: where its data folder is made (and removed).

    Raises:
        UsageError, ServerFailed: the server would not start the first time, or never acked.
    """
    chance = random.Random(f"{seed}/{number}")
    load_of = Scenario(
        name="crash",
        words="a steady load, until the server is gone",
        messages=max(1, round(rate_per_s * LOAD_S)),
        users=USERS,
        rate_per_s=rate_per_s,
    )
    folder = Path(tempfile.mkdtemp(prefix="chatlab-", dir=work_folder))
    try:
        async with ServerProcess(line_up.name, folder, history) as server:
            plan = scenarios.plan(load_of, chance.randrange(2**32))
            load = Load(server.url, load_of, plan, run_id=RUN_ID)
            killed_s = await _kill_under(load, server, chance.uniform(*KILL_AFTER_S))
        restart = await _start_again(line_up.name, folder, compare=number <= ORDINARY_TRIALS)
        saved: list[Message] = []
        if not restart.corrupt:
            try:
                saved = await contents_of(line_up, folder)
            except StorageError as error:
                restart = restart._replace(corrupt=str(error))
        return _judge(load.result, saved, killed_s, ack_means, restart)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def add_up(trials: Sequence[KillTrial]) -> KillResult:
    """All trials of a mode; at least one."""
    recovered = [one.recovery_s for one in trials if one.recovery_s is not None]
    ordinary = [one.ordinary_s for one in trials if one.ordinary_s is not None]
    return KillResult(
        trials=len(trials),
        acked=sum(one.acked for one in trials),
        lost=sum(one.lost for one in trials),
        wrong=sum(one.wrong for one in trials),
        trials_losing=sum(one.lost > 0 for one in trials),
        corrupt=sum(bool(one.corrupt) for one in trials),
        recovery_s=median(recovered) if recovered else None,
        recovery_most_s=max(recovered, default=None),
        ordinary_s=median(ordinary) if ordinary else None,
        story=next((one.story for one in trials if one.story), []),
        each=list(trials),
    )


def story_of_kill(
    number: int, sent_s: float, acked_s: float, killed_s: float, means: AckLevel, corrupt: str
) -> list[str]:
    """The story of a message that was acked by a server, and was gone after the kill.

    Args:
        number: of the message.
        sent_s, acked_s, killed_s: seconds after the start of the load.
        means: what its ack promised.
        corrupt: why the folder cannot be used any more; empty if it can.
    """
    where = WHERE[means]
    if corrupt:
        where = "in a file that the server was rewriting, in place, when the kill came"
    return [
        f"{sent_s * 1000:.1f} ms: message {number} is sent",
        f"{acked_s * 1000:.1f} ms: it is acked as {means}",
        f"{killed_s * 1000:.1f} ms: the server is killed, {_later(killed_s - acked_s)} the ack",
        f"where it was: {where}",
        f"at the restart: {corrupt}" if corrupt else "at the restart: it is missing",
    ]


def _later(seconds: float) -> str:
    # An ack can wait in the client's socket while the server dies.
    return f"{seconds * 1000:.1f} ms after" if seconds >= 0 else "while the client still reads"


async def _kill_under(load: Load, server: ServerProcess, after_s: float) -> float:
    """Kill the server `after_s` seconds after its first ack; returns when, on the load's clock.

    Acks that were already sent still reach the client, and count.
    """
    running = asyncio.create_task(load.run())
    try:
        async with asyncio.timeout(FIRST_ACK_TIMEOUT_S):
            while not load.result.acked and not running.done():  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(POLL_S)
        await asyncio.sleep(0 if running.done() else after_s)
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


async def _start_again(mode: str, folder: Path, *, compare: bool) -> Restart:
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


def _judge(
    result: LoadResult,
    saved: list[Message],
    killed_s: float,
    means: AckLevel,
    restart: Restart,
) -> KillTrial:
    sent = {content_of(RUN_ID, n, send.text): n for n, send in enumerate(result.plan)}
    marked = [one.content for one in saved if number_of(RUN_ID, one.content) is not None]
    there = {sent[content] for content in marked if content in sent}
    acked = [n for n, at_s in enumerate(result.acked_s) if at_s != NEVER]
    lost = [n for n in acked if n not in there]
    story: list[str] = []
    if lost:
        n = lost[0]
        times_s = (result.sent_s[n], result.acked_s[n], killed_s)
        story = story_of_kill(n, *times_s, means=means, corrupt=restart.corrupt)
    return KillTrial(
        killed_s=killed_s,
        sent=result.sent,
        acked=len(acked),
        lost=len(lost),
        wrong=len(marked) - len(there),
        story=story,
        **restart._asdict(),
    )
