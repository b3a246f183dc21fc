"""Attacks on the door: places, descriptors, names and tokens."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from typing import Any

from tests.real.child import Child, Until
from tests.real.frames import HERE, Wire
from tests.real.trial import Trial, attack

PLACES = 1_100
"""More than `clients_max`."""
WATCHERS, WATCHERS_CORE_MAX = 200, 0.3
DESCRIPTORS = 64
STDERR_LINES_MAX = 20
ELSEWHERE = "127.0.0.2"
TOKEN = "correct-horse-battery-staple"
GUESSES_PER_S_MAX = 50
FROZEN_S = 20.0


def occupy(
    until: Until, port: int, count: int, path: str = "", silent: bool = False
) -> dict[str, Any]:
    """Open connections, and keep them; how many were let in.

    Args:
        path: that each asks for, with its number for {}.
        silent: whether they never ask for anything.
    """
    wires: list[Any] = []
    refused: dict[str, int] = {}
    for n in range(count):
        if until.over():
            break
        try:
            if silent:
                wires.append(socket.create_connection((HERE, port), 2.0))
                continue
            wire = Wire(port, path=path.format(n))
            if wire.status == 101:
                wires.append(wire)
            else:
                refused[str(wire.status)] = refused.get(str(wire.status), 0) + 1
        except OSError as error:
            refused[type(error).__name__] = refused.get(type(error).__name__, 0) + 1
    for_stats = [one for one in wires if "stats" in path]
    while not until.over():
        for one in for_stats:
            one.socket.setblocking(False)
            try:
                while one.socket.recv(1 << 16):
                    pass
            except OSError:
                continue
        until.wait(0.05)
    return {"let_in": len(wires), "refused": refused}


def enter(_: Until, port: int, user: str = "newcomer", source: str = ELSEWHERE) -> int:
    """Connect from another address; the HTTP status."""
    try:
        wire = Wire(port, user, source=source)
    except OSError:
        return 0
    wire.close()
    return wire.status


async def _newcomer(trial: Trial, **how: Any) -> int:
    async with Child(enter, port=trial.port, seconds=5, **how) as child:
        return await child.result()  # type: ignore[no-any-return]


async def _besiege(trial: Trial, **how: Any) -> None:
    """While one address holds all that it can get, somebody else comes."""
    await trial.calm()
    start = time.monotonic()
    seconds = 4 + trial.seconds
    async with Child(occupy, port=trial.port, seconds=seconds, **how) as child:
        await asyncio.sleep(3 + trial.seconds / 2)
        status = await _newcomer(trial)
        health, _ = await trial.server.get("/health", source=ELSEWHERE)
        said = await child.result()
    trial.fray(start)
    trial.note(raider=said, newcomer=status)
    trial.expect(status == 101, f"a newcomer from another address gets {status or 'no answer'}")
    trial.expect(health == 200, "/health is silent to another address")


@attack(linux=True)
async def all_places(trial: Trial) -> None:
    """One address opens 1,100 connections: others are let in."""
    await _besiege(trial, count=PLACES, path="/?user=holder{}")


@attack(linux=True)
async def silent_connections(trial: Trial) -> None:
    """One address opens 1,100 connections and says nothing: others are let in."""
    await _besiege(trial, count=PLACES, silent=True)


@attack()
async def watchers(trial: Trial) -> None:
    """200 watchers of /stats: they cost less than a third of a core."""
    await trial.calm()
    start = time.monotonic()
    child = Child(
        occupy,
        port=trial.port,
        seconds=3 + trial.seconds,
        count=WATCHERS,
        path="/stats?interval_s=0.05",
    )
    async with child:
        await asyncio.sleep(2)
        cpu, at = sum(trial.server.ps.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(trial.seconds)
        cores = (sum(trial.server.ps.cpu_times()[:2]) - cpu) / (time.monotonic() - at)
        said = await child.result()
    trial.fray(start)
    trial.note(cores=round(cores, 2), raider=said)
    trial.expect(cores <= WATCHERS_CORE_MAX, "watchers cost too much of a core")


@attack(descriptors=DESCRIPTORS)
async def descriptors(trial: Trial) -> None:
    """More connections than the server may have descriptors: /health answers, one note, no busy
    waiting, and newcomers are let in once they are free."""
    await trial.calm()
    start = time.monotonic()
    how = {"count": 3 * DESCRIPTORS, "path": "/?user=holder{}"}
    async with Child(occupy, port=trial.port, seconds=2 + trial.seconds, **how) as child:
        await asyncio.sleep(1 + trial.seconds / 2)
        cpu, at = sum(trial.server.ps.cpu_times()[:2]), time.monotonic()
        health, _ = await trial.server.get("/health")
        said = await child.result()
        cores = (sum(trial.server.ps.cpu_times()[:2]) - cpu) / (time.monotonic() - at)
    trial.fray(start)
    await asyncio.sleep(1.0)
    status = await _newcomer(trial, source="")
    lines = (trial.server.work / "err").read_text().count("\n")
    trial.note(raider=said, stderr_lines=lines, cores=round(cores, 2), newcomer=status)
    trial.expect(health == 200, "/health is silent")
    trial.expect(lines <= STDERR_LINES_MAX, "stderr is flooded")
    trial.expect(cores < 0.5, "it waits busily")
    trial.expect(status == 101, f"afterwards a newcomer gets {status or 'no answer'}")


def take_over(until: Until, port: int, alive: bool) -> float | None:
    """Connect as somebody who is connected, but frozen (or alive); the seconds until let in."""
    first = Wire(port, "sleeper")
    if alive:  # it answers pings while it reads
        threading.Thread(target=first.until_closed, args=(60.0,), daemon=True).start()
    start = time.monotonic()
    while not until.over():
        second = Wire(port, "sleeper")
        if b'"welcome"' in (second.receive() or b""):
            return time.monotonic() - start
        second.socket.close()
        until.wait(0.5)
    return None


@attack()
async def frozen_client(trial: Trial) -> None:
    """A client that no longer answers loses its name to who comes next; one that answers, not."""
    frozen = Child(take_over, port=trial.port, seconds=FROZEN_S, alive=False)
    async with Child(take_over, port=trial.port, seconds=trial.seconds, alive=True) as one:
        alive = await one.result()
    (said,) = await trial.raid(frozen)
    trial.note(frozen_s=said, alive_s=alive)
    trial.expect(said is not None, f"`user_taken` for {FROZEN_S:g} s")
    trial.expect(alive is None, "a client that answers lost its name")


def guess(until: Until, port: int) -> dict[str, Any]:
    """Guess the token until told to end; how many guesses were answered, by status."""
    answers: dict[str, int] = {}
    while not until.over():
        n = sum(answers.values())
        try:
            status = str(Wire(port, path=f"/?user=guesser&token=guess{n}").status)
        except OSError as error:
            status = type(error).__name__
        answers[status] = answers.get(status, 0) + 1
    return answers


@attack(options=(f"--token={TOKEN}",), polite=False)
async def token_guesses(trial: Trial) -> None:
    """Guesses of the token slow down, and who knows it is let in from elsewhere meanwhile."""
    seconds = max(trial.seconds, 3.0)
    start = time.monotonic()
    async with Child(guess, port=trial.port, seconds=seconds) as child:
        await asyncio.sleep(seconds / 2)
        source = ELSEWHERE if sys.platform == "linux" else ""
        status = await _newcomer(trial, user=f"friend&token={TOKEN}", source=source)
        said = await child.result()
    rate = said.get("401", 0) / (time.monotonic() - start)
    trial.note(guesses=said, per_s=round(rate))
    trial.expect(rate <= GUESSES_PER_S_MAX, "guesses are not slowed down")
    trial.expect(status == 101, f"who knows the token gets {status}")
