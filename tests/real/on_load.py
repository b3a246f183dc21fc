"""Attacks by valid messages: too many, or at the wrong moment."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from typing import Any

from tests.real.child import Child, Until
from tests.real.crowd import flood
from tests.real.frames import Wire, text
from tests.real.server import STOP_S
from tests.real.trial import ATTACKS, Attack, Trial, attack, contents

CROWD = 200
QUEUE_FULL = 9_000
LEAVERS, JOINS = 10, 5_000


async def _flood(trial: Trial, clients: int) -> None:
    raiders = [Child(flood, port=trial.port, seconds=trial.seconds, clients=clients)]
    (said,) = await trial.raid(*raiders)
    shares = sorted(said["shares"])
    trial.note(flood={name: said[name] for name in ("sent", "answered", "told", "shares")})
    least, most = shares[0], shares[-1]
    trial.expect(least * 5 >= most, f"flooders got {least:,} to {most:,}")


@attack()
async def flooders(trial: Trial) -> None:
    """Four clients flood with valid messages (flooders_N: N): clients take turns, and others hardly
    feel them."""
    await _flood(trial, 4)


@attack()
async def flooders_40(trial: Trial) -> None:
    """Forty flooders: as four."""
    await _flood(trial, 40)


def flooders_of(count: int) -> Attack:
    """The attack by so many flooders."""
    return replace(
        ATTACKS["flooders"], name=f"flooders_{count}", act=lambda trial: _flood(trial, count)
    )


@attack(mode="optimized")
async def stop_with_full_queue(trial: Trial) -> None:
    """SIGTERM while 200 clients have filled the queue: all that was acked is saved first."""
    raider = Child(
        flood,
        port=trial.port,
        seconds=60,
        clients=CROWD,
        room="new-year",
        messages=500,
        addresses=4,
    )
    async with raider:
        await _until_full(trial)
        end = await trial.server.end(signal.SIGTERM)
        said = await raider.result()
    trial.acked += contents(said["acked"])
    trial.note(flood={name: said[name] for name in ("sent", "answered", "told")}, stop_s=end.took_s)


async def _until_full(trial: Trial) -> None:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        _, page = await trial.server.get("/stats")
        if page.get("queue", {}).get("depth", 0) >= QUEUE_FULL:
            return
        await asyncio.sleep(0.05)
    trial.note(queue="never full")


def join_and_leave(until: Until, port: int, addresses: int = 4) -> dict[str, Any]:
    """Ten clients send 5,000 joins and leaves each, at once, read nothing, and are gone."""
    sent = 0
    block = b"".join(
        text(type=("join_room", "leave_room")[n % 2], roomId="general", ref=n) for n in range(JOINS)
    )
    wires = [
        Wire(port, f"leaver{n}", source=f"127.0.0.{1 + n % addresses}") for n in range(LEAVERS)
    ]
    for wire in wires:
        wire.socket.setblocking(False)
    rest = dict.fromkeys(wires, block)
    while any(rest.values()) and not until.over():
        for wire, left in rest.items():
            try:
                n = wire.socket.send(left[: 1 << 16]) if left else 0
                rest[wire], sent = left[n:], sent + n
            except BlockingIOError:
                continue
            except OSError:
                rest[wire] = b""
        time.sleep(0.001)
    for wire in wires:
        wire.socket.close()
    return {"sent_bytes": sent}


@attack(polite=False)
async def stop_after_leavers(trial: Trial) -> None:
    """SIGTERM after clients have sent 50,000 joins and left: the work of the gone is dropped."""
    raider = Child(join_and_leave, port=trial.port, seconds=trial.seconds)
    (said,) = await trial.raid(raider)
    end = await trial.server.end(signal.SIGTERM)
    trial.note(raider=said, stop_s=end.took_s)
    trial.expect(end.took_s <= STOP_S, f"the stop took more than {STOP_S:g} s")
