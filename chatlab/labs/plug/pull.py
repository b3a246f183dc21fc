"""Pull the plug of one server: load, kill, start again, and what became of each message.

The load grows, and the kill comes once enough is acked, at a moment at which messages wait: acked,
and not yet delivered to their room. Delivery follows the save, so these are in danger. A crash in
life picks no moment; `chatlab crash` kills at random ones, and says how often messages are lost.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from chatlab.bench import scenario as scenarios
from chatlab.bench.crash.killing import Remains, Restart, kill_under, start_again, what_is_left
from chatlab.bench.load import Load
from chatlab.bench.load_result import LoadResult
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.bench.rounds import saved_in
from chatlab.bench.scenario import RUN_ID, Scenario
from chatlab.chat.protocol import AckLevel
from chatlab.errors import UsageError
from chatlab.labs.plug.room import Line, PulledMode, Scene, Stage, count_of, lines_of

USERS = 4
RAMP = 0.1
"""The first rate, of the last: so that one sees single messages before they become many."""
WATCH_S, AIM_S = 0.1, 0.3
"""How long to watch how many messages wait at most, and then to look for a moment at which nearly
as many do. In some modes hardly any ever wait."""
NEARLY = 0.75
AFTER_S = WATCH_S + AIM_S + 0.2
"""How long the load goes on after enough messages are acked, at least."""
LOAD_TIMEOUT_S = 30.0
POLL_S = 0.0005
FRAME_S = 0.1
STRIKE_S = 1.2
LOOK_S = 1.0


async def pull(
    mode: str,
    *,
    messages: int,
    rate_per_s: float,
    seed: int,
    work_folder: Path | None = None,
    stage: Stage,
) -> PulledMode:
    """Kill the server of a mode once.

    Args:
        mode: its line-up.
        messages: acked before the kill.
        rate_per_s: messages sent a second, towards the end.
        seed: of the load.
        work_folder: where its data folder is made (and removed).
        stage: where it is shown.

    Raises:
        UsageError, ServerFailed: the server would not start the first time, or never acked.
    """
    folder = Path(tempfile.mkdtemp(prefix="chatlab-", dir=work_folder))
    try:
        pulling = _Pull(mode, messages, stage)
        return await pulling.run(folder, load_of(messages, rate_per_s), seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_of(messages: int, rate_per_s: float) -> Scenario:
    """A load that grows, and goes on after so many messages."""
    return Scenario(
        name="plug",
        words="a load that grows, until the server is gone",
        messages=messages + max(1, round(rate_per_s * AFTER_S)),
        users=USERS,
        rate_per_s=rate_per_s * RAMP,
        rate_end_per_s=rate_per_s,
    )


@dataclass
class _Pull:
    """One kill, in progress."""

    mode: str
    messages: int
    stage: Stage
    waiting: int | None = 0
    events: list[str] = field(default_factory=list)

    async def run(self, folder: Path, scenario: Scenario, seed: int) -> PulledMode:
        self.stage.show(Scene(mode=self.mode))
        async with ServerProcess(self.mode, folder) as server:
            plan = scenarios.plan(scenario, seed)
            load = Load(server.url, scenario, plan, run_id=RUN_ID)
            killed_s = await kill_under(load, server, lambda: self._moment(load, server))
        waiting, self.waiting = self.waiting or 0, None
        self._happened(load.result, f"kill -9 {server.process.pid}: the server is dead.")
        await self.stage.pause(LOOK_S)
        restart, left = await self._look(folder, load.result)
        await self._tell(load.result, left)
        return PulledMode(
            ack_means=means_of(load.result),
            pid=server.process.pid,
            killed_s=killed_s,
            waiting=waiting,
            unacked_saved=len(left.there.difference(left.acked)),
            wrong=left.wrong,
            corrupt=restart.corrupt,
            recovery_s=restart.recovery_s,
            lines=lines_of(load.result, left),
        )

    async def _moment(self, load: Load, server: ServerProcess) -> None:
        """Show the load until enough is acked; then wait until messages wait."""
        while load.result.acked < self.messages and load.now_s() < LOAD_TIMEOUT_S:
            if load.tracker.all_settled.is_set():
                break
            self._show(load.result)
            await asyncio.sleep(FRAME_S)
            self._look_at(load, server)
        # Nothing is drawn from here on: what the clients get must be seen as it comes.
        most, since_s = 0, load.now_s()
        while (now_s := load.now_s() - since_s) < WATCH_S + AIM_S:
            waiting = self._look_at(load, server)
            most = max(most, waiting)
            if now_s > WATCH_S and waiting >= max(1, NEARLY * most):
                break
            await asyncio.sleep(POLL_S)

    def _look_at(self, load: Load, server: ServerProcess) -> int:
        """How many messages wait now."""
        if server.process.returncode is not None:
            raise ServerFailed("the server ended by itself, before it was killed")
        self.waiting = max(0, load.result.acked - load.result.delivered)
        return self.waiting

    async def _look(self, folder: Path, result: LoadResult) -> tuple[Restart, Remains]:
        """Start the server again, and look into its data folder."""
        self._happened(result, "Starting it again on the same data folder.")
        restart = await start_again(self.mode, folder)
        if restart.corrupt:
            self._happened(result, f"It does not start again: {restart.corrupt}")
            return restart, what_is_left(result, [])
        self._happened(result, f"Ready after {restart.recovery_s:.2f} s.")
        saved = await saved_in(self.mode, folder)
        if saved is None:
            raise UsageError(f"{self.mode} keeps no messages in files: nothing can be looked for")
        if saved.damaged:
            restart = restart._replace(corrupt=saved.why or f"{saved.damaged} damaged files")
        return restart, what_is_left(result, saved.messages)

    async def _tell(self, result: LoadResult, left: Remains) -> None:
        """Strike through what is gone, one after another."""
        frames = self.stage.frames if left.lost else 1
        for frame in range(1, frames + 1):
            struck = len(left.lost) * frame // frames
            self.stage.show(self._scene(lines_of(result, left, struck), means_of(result)))
            await self.stage.pause(STRIKE_S / frames)
        self.events.append(count_of(len(left.acked), len(left.lost), means_of(result)))
        self.stage.show(self._scene(lines_of(result, left), means_of(result)))
        await self.stage.pause(LOOK_S)

    def _happened(self, result: LoadResult, event: str) -> None:
        self.events.append(event)
        self._show(result)

    def _show(self, result: LoadResult) -> None:
        self.stage.show(self._scene(lines_of(result), means_of(result)))

    def _scene(self, lines: list[Line], means: AckLevel) -> Scene:
        return Scene(
            mode=self.mode,
            ack_means=means,
            lines=lines,
            waiting=self.waiting,
            events=tuple(self.events),
        )


def means_of(result: LoadResult) -> AckLevel:
    """What the server says that its acks mean.

    Raises:
        ServerFailed: it did not say.
    """
    if result.before is None:
        raise ServerFailed("the server gave no statistics")
    return result.before.ack_means
