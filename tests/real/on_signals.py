"""Signals, and what a stop leaves behind."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.real.child import Child
from tests.real.crowd import flood
from tests.real.server import Server
from tests.real.trial import Trial, attack, contents

IDLE_MS = (0, 0.4, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 25)
"""From the first signal to the second: a stop without work takes about 15 ms."""
BUSY_MS = (0, 5, 30, 100)
"""The same, of a server under load."""
BRIEF_S = 2.0
"""Shorter trials try only every third of these."""


@attack()
async def hangup(trial: Trial) -> None:
    """SIGHUP, as when a terminal closes, is a stop like any other: drained, exit code 0."""
    await trial.calm()
    end = await trial.server.end(signal.SIGHUP)
    trial.note(code=end.code)


@attack(polite=False)
async def second_signal(trial: Trial) -> None:
    """A second SIGINT or SIGTERM, within milliseconds of the first, hurries the stop and tears
    nothing: exit code 0, no word on stderr, all that was acked is saved."""
    step = 1 if trial.seconds >= BRIEF_S else 3
    for clients, delays in ((0, IDLE_MS), (2, BUSY_MS)):
        for number, delay_ms in enumerate(delays[::step]):
            which = (signal.SIGINT, signal.SIGTERM)[number % 2]
            with tempfile.TemporaryDirectory(dir=trial.server.work) as work:
                server = Server(Path(work), trial.result.mode)
                await _twice(trial, server, which, delay_ms, clients)


async def _twice(trial: Trial, server: Server, which: int, delay_ms: float, clients: int) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        if clients:
            load = Child(flood, port=server.port, seconds=20, clients=clients)
            crowd = await stack.enter_async_context(load)
            await asyncio.sleep(0.3)
        server.send_signal(which)
        await asyncio.sleep(delay_ms / 1e3)
        end = await server.end(which)
        acked = contents((await crowd.result(tell=True))["acked"]) if clients else []
    lost = len(set(acked) - await server.saved()) if clients else 0
    figures = f"code {end.code}, {end.took_s:.2f} s, acked {len(acked):,}, lost {lost:,}"
    trial.note(**{f"{clients} clients, {delay_ms:g} ms": figures})
    trial.expect(end.code == 0, f"exit code {end.code}")
    trial.expect(not end.errors, f"stderr: {end.errors.splitlines()[-1:]}")
    trial.expect(not lost, "acked messages are lost")
    trial.result.lost += lost
