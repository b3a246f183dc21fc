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
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from rich.console import Group, RenderableType

from chatlab.bench.load_process import LoadJob, LoadProcess
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.bench.server_process import LISTENING, START_TIMEOUT_S, ServerProcess
from chatlab.bench.statistics import Estimate, estimate
from chatlab.errors import UsageError
from chatlab.labs import screen
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option

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
    rounds: Annotated[int, Option("N", "Rounds of each.", 1, 100)] = 6
    messages: Annotated[int, Option("N", "Messages in a round.", 100, 1_000_000)] = 8_000
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
        return WatchingReport(
            **self.head(),
            mode=self.mode,
            watched_per_s=self.per_s[True],
            unwatched_per_s=self.per_s[False],
            ratio=estimate([ours / theirs for ours, theirs in pairs]) if pairs else None,
        )

    def render(self, report: WatchingReport) -> RenderableType:
        if report.ratio is None:
            return screen.nothing()
        ratio = report.ratio
        rounds = screen.rounds(len(ratio.samples))
        interval = "needs 6 rounds" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
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
    """A server on a pseudo-terminal, whose screen somebody reads and throws away."""
    screen, terminal = _open_terminal()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatlab", "serve", "--mode", mode, "--port", "0"),
        *("--data", str(folder), "--stop-with-stdin"),
        stdin=subprocess.PIPE,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(terminal)
    reading = threading.Thread(
        target=_read_screen, args=(screen, asyncio.get_running_loop(), listening), daemon=True
    )
    reading.start()
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            url = await listening
        yield url
    finally:
        assert process.stdin is not None
        process.stdin.close()  # this asks it to stop
        await process.wait()
        await asyncio.to_thread(reading.join)
        os.close(screen)


def _open_terminal() -> tuple[int, int]:
    import fcntl
    import pty
    import struct
    import termios

    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    return screen, terminal


def _read_screen(
    screen: int, loop: asyncio.AbstractEventLoop, listening: asyncio.Future[str]
) -> None:
    start = b""
    told = False
    while True:
        try:
            data = os.read(screen, 65_536)
        except OSError:  # Linux says so when the other side of a pseudo-terminal is closed
            return
        if not data:
            return
        if not told:
            start += data
            line, newline, _ = start.partition(b"\n")
            if newline:
                told = True
                url = line.decode().strip().removeprefix(LISTENING)
                loop.call_soon_threadsafe(_tell, listening, url)


def _tell(listening: asyncio.Future[str], url: str) -> None:
    if not listening.done():  # nobody waits any more after a Ctrl-C
        listening.set_result(url)
