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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from chatlab.bench.load_process import LoadJob, LoadProcess
from chatlab.bench.scenario import RUN_ID, Scenario, load, override
from chatlab.bench.server_process import LISTENING, START_TIMEOUT_S, ServerProcess
from chatlab.bench.statistics import Estimate, estimate
from chatlab.errors import UsageError

SCHEMA = "chatlab.watching/1"
WIDTH, HEIGHT = 140, 40
MESSAGES = 8_000
COST_MAX = 0.05


class WatchingReport(msgspec.Struct, frozen=True):
    """What the dashboard costs.

    Attributes:
        mode: of the server.
        watched_per_s, unwatched_per_s: messages delivered per second, one figure a round.
        ratio: watched / unwatched, paired by round.
    """

    schema: str
    mode: str
    watched_per_s: list[float]
    unwatched_per_s: list[float]
    ratio: Estimate

    def surely_within(self, most: float) -> bool:
        """Whether the whole interval says that watching takes no larger share than `most`."""
        return self.ratio.low is not None and self.ratio.low >= 1 - most

    def surely_above(self, most: float) -> bool:
        """Whether the whole interval says that it takes a larger one."""
        return self.ratio.high is not None and self.ratio.high < 1 - most


async def measure_watching(
    mode: str, rounds: int, tell: Callable[[str], None], messages: int = MESSAGES
) -> WatchingReport:
    """Measure a server with and without its dashboard, in turn: A B B A.

    Args:
        mode: its line-up.
        rounds: of each.
        tell: hears what is being done.
        messages: in a round.

    Raises:
        UsageError: this system has no pseudo-terminals.
    """
    if sys.platform == "win32":
        raise UsageError("Windows has no pseudo-terminals: what watching costs is unknown there")
    found: dict[bool, list[float]] = {True: [], False: []}
    for number in range(1, rounds + 1):
        for watched in (True, False) if number % 2 else (False, True):
            tell(f"round {number} of {rounds}: {'with' if watched else 'without'} the dashboard")
            found[watched].append(await _per_s(mode, watched, messages))
    ratios = [ours / theirs for ours, theirs in zip(found[True], found[False], strict=True)]
    return WatchingReport(SCHEMA, mode, found[True], found[False], estimate(ratios))


async def _per_s(mode: str, watched: bool, messages: int) -> float:
    scenario = override(load("midnight"), messages=messages, in_flight=32)
    with tempfile.TemporaryDirectory(prefix="chatlab-") as name:
        folder = Path(name)
        async with LoadProcess() as worker:
            if watched:
                async with _watched_server(mode, folder) as url:
                    return await _loaded(worker, url, scenario)
            async with ServerProcess(mode, folder) as server:
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
