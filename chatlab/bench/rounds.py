"""One round: a fresh server on a fresh data folder, a load, an audit. Every lab is made of these.

A round is invalid if the load generator did not do what was planned: then its figures tell of the
generator, not of the server. Read `load.py` next (the generator), or `audit.py`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chatlab.bench.audit import Audit, audit
from chatlab.bench.invalid_rounds import why_invalid
from chatlab.bench.load_result import LoadResult
from chatlab.bench.processes import LoadJob, LoadProcess, ServerFailed, ServerProcess
from chatlab.bench.saved_by_store import read_saved_by_store
from chatlab.bench.scenario import RUN_ID, Scenario, number_of
from chatlab.chat.modes import PARTS, named
from chatlab.chat.server_job import USUAL_OPTIONS, ServerOptions
from chatlab.chat.snapshot import Snapshot
from chatlab.data.readers import SavedMessages, read_saved
from chatlab.data.records import Message

Step = Literal["starting", "measuring", "stopping"]
Tell = Callable[[Step, str, LoadProcess | None], None]
"""Called at each step of a round, with the server's address and the load generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One mode, once.

    Attributes:
        number: from 1, in the order in which all rounds were run.
        load: what the load generator noted.
        audit: what became of the messages.
        after: the server's snapshot after the last message.
        damage: why what was saved could not all be read; empty if it could.
    """

    number: int
    load: LoadResult
    audit: Audit
    after: Snapshot
    damage: str = ""

    @property
    def operations(self) -> int:
        """Reads and writes of all files."""
        return sum(io.operations for io in self.load.io.values())

    @property
    def operations_per_message(self) -> float | None:
        """... for each saved message; None if none was saved."""
        return self.operations / self.audit.saved if self.audit.saved else None

    @property
    def cpu_s(self) -> float:
        """Processor time of the server, from the first message to the last."""
        return self.after.cpu_s - (self.load.before.cpu_s if self.load.before else 0.0)

    @property
    def invalid(self) -> list[str]:
        """Why the plan was not met, so that no verdict may rest on this round; empty if it was."""
        return why_invalid(self.load)


async def measure_round(
    mode: str,
    scenario: Scenario,
    seed: int,
    *,
    number: int = 1,
    work_folder: Path | None = None,
    options: ServerOptions = USUAL_OPTIONS,
    prepared: Path | None = None,
    tell: Tell = lambda _step, _url, _worker: None,
) -> Round:
    """Measure one mode once.

    Args:
        mode: its line-up.
        scenario, seed: what load.
        number: of the round.
        work_folder: where to make its data folder, which is removed at the end; the system's
            temporary folder if None.
        options: of its server.
        prepared: a data folder to copy and start on, instead of a new one with
            `scenario.history` messages.
        tell: called at each step.

    Raises:
        UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
    """
    tell("starting", "", None)
    folder = Path(tempfile.mkdtemp(prefix="chatlab-", dir=work_folder))
    history = 0 if prepared else scenario.history
    try:
        if prepared:
            await asyncio.to_thread(_copy, prepared, folder)
        async with LoadProcess() as worker, ServerProcess(mode, folder, history, options) as server:
            tell("measuring", server.url, worker)
            result = await worker.run(LoadJob(server.url, scenario, seed, RUN_ID))
            tell("stopping", server.url, worker)
            await server.stop()
        if result.after is None:
            raise ServerFailed("the server stopped answering during a round")
        saved = await saved_in(mode, folder)
        return Round(
            number=number,
            load=result,
            audit=audit(result, RUN_ID, saved),
            after=result.after,
            damage=saved.why if saved else "",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def saved_in(mode: str, folder: Path) -> SavedMessages | None:
    """What a stopped server has saved of a load; None if its store keeps nothing in files."""
    if named(mode).sources["store"] in PARTS["store"]:
        return await asyncio.to_thread(read_saved, folder, _is_ours)
    return await read_saved_by_store(mode, folder, _is_ours)


def _copy(prepared: Path, folder: Path) -> None:
    """Copy a data folder and fsync it: else the system would write it while a round is measured."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _is_ours(message: Message) -> bool:
    """Whether a round sent this message; an audit need not hold the history."""
    return number_of(RUN_ID, message.content) is not None
