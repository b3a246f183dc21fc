"""Kill a real server under a real load at a random moment, and look for what it had acked.

This shows what an ack of `queued` is worth, and that a file which is rewritten in place can be
caught half-written. The same server is then started again on the same folder. It must start (a torn
tail is what a kill leaves, and recovery is there for it), and what it acked is looked for in its
files. Read `bench/crash/killing.py` for what one kill is.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from chatlab.bench import scenario as scenarios
from chatlab.bench.crash.killing import Restart, kill_under, start_again, what_is_left
from chatlab.bench.crash.recovery import contents_of
from chatlab.bench.load import Load
from chatlab.bench.load_result import LoadResult
from chatlab.bench.processes import ServerProcess
from chatlab.bench.scenario import RUN_ID, Scenario
from chatlab.chat.modes import LineUp
from chatlab.chat.protocol import AckLevel
from chatlab.data.records import Message
from chatlab.errors import StorageError

USERS = 4
LOAD_S = 0.6
KILL_AFTER_S = (0.05, 0.45)
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
            after_s = chance.uniform(*KILL_AFTER_S)
            killed_s = await kill_under(load, server, lambda: asyncio.sleep(after_s))
        restart = await start_again(line_up.name, folder, compare=number <= ORDINARY_TRIALS)
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


def _judge(
    result: LoadResult,
    saved: list[Message],
    killed_s: float,
    means: AckLevel,
    restart: Restart,
) -> KillTrial:
    left = what_is_left(result, saved)
    story: list[str] = []
    if left.lost:
        n = left.lost[0]
        times_s = (result.sent_s[n], result.acked_s[n], killed_s)
        story = story_of_kill(n, *times_s, means=means, corrupt=restart.corrupt)
    return KillTrial(
        killed_s=killed_s,
        sent=result.sent,
        acked=len(left.acked),
        lost=len(left.lost),
        wrong=left.wrong,
        story=story,
        **restart._asdict(),
    )
