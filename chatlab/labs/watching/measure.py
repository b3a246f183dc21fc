"""What does it cost to look? The same load on a server with its dashboard, and without it.

The dashboard draws only where there is a terminal, so the watched server gets a pseudo-terminal
(which Windows does not have: there the cost is unknown).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from rich.console import Group, RenderableType

from chatlab.bench.processes import (
    LISTENING,
    START_TIMEOUT_S,
    LoadJob,
    LoadProcess,
    ServerFailed,
    ServerProcess,
)
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.bench.statistics import Estimate, estimate
from chatlab.chat.secret import VARIABLE
from chatlab.errors import UsageError
from chatlab.labs import screen
from chatlab.labs.base import ROUND_S, Lab, LabReport, Messages, Option, Rounds

WIDTH, HEIGHT = 140, 40
COST_MAX = 0.05
EXPECTED_PER_S = 5_000
"""For the estimate."""
VERDICTS = {
    "within": f"Watching costs at most {COST_MAX:.0%} of the throughput.",
    "above": f"Watching costs more than {COST_MAX:.0%} of the throughput.",
    "not clear": f"Whether watching costs at most {COST_MAX:.0%} is not clear: try more --rounds.",
}


class WatchingReport(LabReport, frozen=True, kw_only=True):
    """What the dashboard costs.

    Attributes:
        mode: of the server.
        watched_per_s, unwatched_per_s: messages delivered per second, one figure a round.
        ratio: watched / unwatched, paired by round; None before the first pair.
    """

    schema: str = "chatlab.watching/1"
    mode: str
    watched_per_s: list[float]
    unwatched_per_s: list[float]
    ratio: Estimate | None

    @property
    def verdict(self) -> Literal["within", "above", "not clear"]:
        """Whether the whole interval says that watching takes at most `COST_MAX`, or more."""
        if self.ratio is None or self.ratio.low is None or self.ratio.high is None:
            return "not clear"
        if self.ratio.low >= 1 - COST_MAX:
            return "within"
        return "above" if self.ratio.high < 1 - COST_MAX else "not clear"

    @property
    def passed(self) -> bool:
        """Whether watching is not surely too dear."""
        return self.verdict != "above"


@dataclass(kw_only=True)
class Watching(Lab):
    """Exit code 1 if it surely costs more than 5% of the throughput: the whole interval says so."""

    mode: Annotated[str, Option("MODE", "The server's line-up.", kind="modes")] = "optimized"
    rounds: Rounds = 6
    messages: Messages = 8_000
    per_s: dict[bool, list[float]] = field(
        default_factory=lambda: {True: [], False: []}, init=False
    )

    def __post_init__(self) -> None:
        """Raises `UsageError` where this system has no pseudo-terminals."""
        super().__post_init__()
        if sys.platform == "win32":
            raise UsageError("Windows has no pseudo-terminals: what watching costs is unknown")

    def estimate(self) -> tuple[float, str]:
        total = 2 * self.rounds
        return total * (ROUND_S + self.messages / EXPECTED_PER_S), f"{total} rounds"

    async def measure(self) -> None:
        """With and without the dashboard, in turn: A B B A."""
        for number in range(1, self.rounds + 1):
            for watched in (True, False) if number % 2 else (False, True):
                how = "with" if watched else "without"
                self.say(f"round {number} of {self.rounds}: {how} the dashboard")
                self.per_s[watched].append(await self._round(watched))

    def report(self) -> WatchingReport:
        pairs = list(zip(self.per_s[True], self.per_s[False], strict=False))
        return self.fill(
            WatchingReport,
            watched_per_s=self.per_s[True],
            unwatched_per_s=self.per_s[False],
            ratio=estimate([ours / theirs for ours, theirs in pairs]) if pairs else None,
        )

    def render(self, report: WatchingReport) -> RenderableType:
        if report.ratio is None:
            return screen.nothing()
        ratio = report.ratio
        rounds = screen.rounds(len(ratio.samples))
        interval = screen.interval(ratio, ".3f") or "needs 6 rounds"
        return Group(
            screen.title(
                f"Messages delivered per second by {report.mode} (medians of {rounds}):",
                complete=report.complete,
            ),
            f"  {'with the dashboard':30}{median(report.watched_per_s):>10,.0f}",
            f"  {'without it':30}{median(report.unwatched_per_s):>10,.0f}",
            f"Ratio, paired by round: {ratio.median:.3f} (95% interval: {interval}).",
            VERDICTS[report.verdict],
        )

    async def _round(self, watched: bool) -> float:
        scenario = override(load("midnight"), messages=self.messages, in_flight=32)
        with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.folder) as name:
            folder = Path(name)
            async with LoadProcess() as worker:
                if watched:
                    async with _watched_server(self.mode, folder) as url:
                        return await _loaded(worker, url, scenario)
                async with ServerProcess(self.mode, folder) as server:
                    return await _loaded(worker, server.url, scenario)


async def _loaded(worker: LoadProcess, url: str, scenario: Scenario) -> float:
    return (await worker.run(LoadJob(url, scenario, 1, RUN_ID))).throughput_per_s


@asynccontextmanager
async def _watched_server(mode: str, folder: Path) -> AsyncIterator[str]:
    """A server on a pseudo-terminal, whose screen this process reads and throws away."""
    shown, terminal = _open_terminal()
    reader = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(shown, "rb", buffering=0)
    )
    # A secret that is meant for another server must not lock this lab out of its own.
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", "serve", "--mode", mode, "--port", "0"),
        *("--data", str(folder), "--stop-with-stdin"),
        stdin=subprocess.PIPE,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(terminal)
    line = ""
    try:
        with suppress(OSError):  # the server ended: see `_read_to_the_end`
            async with asyncio.timeout(START_TIMEOUT_S):
                line = (await reader.readline()).decode().strip()
        if not line.startswith(LISTENING):
            raise ServerFailed(f"the server did not start: {line}")
        reading = asyncio.create_task(_read_to_the_end(reader))
        yield line.removeprefix(LISTENING)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # this asks it to stop
        await process.wait()
        pipe.close()
    await reading


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):  # so Linux says that the other side of a pseudo-terminal is closed
        while await reader.read(65_536):
            pass


def _open_terminal() -> tuple[int, int]:
    import fcntl
    import pty
    import struct
    import termios

    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    return screen, terminal
