"""Every attack at once on one server, with three times the load that it can take, for minutes.

Each attacker, the load and the polite client are processes of their own; the attackers begin again
whenever they have been thrown out.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import re
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.real.child import Child, Until
from tests.real.crowd import flood
from tests.real.polite import Felt, felt, talk
from tests.real.server import CHATLAB, STOP_S, Server
from tests.real.trial import MB

CALM_S = 30.0
BURST_S = 5.0
FIRST_MINUTE_S = 60.0
PAUSE_S = 0.2
OVERLOAD = 3
FLAT_MB = 10
STDERR_LINES_MAX = 20
FACTOR_MAX = 10
"""The polite client's p99 under attack, against the one before."""
CONTENT = re.compile(rb'"content":\s*"([\w-]+) (\d+)"')

ON_AND_ON: dict[str, tuple[str, dict[str, Any]]] = {
    "fragments": ("on_wire:send_on", {"first": "0181000000007b", "again": "008000000000"}),
    "pings": ("on_wire:send_on", {"first": "", "again": "89fd00000000" + "70" * 125}),
    "read pings": ("on_wire:send_on", {"first": "", "again": "89810000000070", "read": True}),
    "wrong frames": ("on_wire:send_wrong", {}),
    "leavers": ("on_load:join_and_leave", {}),
    "invites": (
        "on_rooms:ask_all",
        {"count": 1_000, "request": {"type": "invite", "roomId": "general", "user": "nobody{n}"}},
    ),
    "rooms": (
        "on_rooms:ask_all",
        {"count": 1_000, "request": {"type": "create_room", "roomId": "room-{n}"}},
    ),
    "probes": ("on_rooms:probe", {}),
    "places": ("on_door:occupy", {"count": 1_100, "path": "/?user=holder{}"}),
    "silent": ("on_door:occupy", {"count": 200, "silent": True}),
    "watchers": ("on_door:occupy", {"count": 200, "path": "/stats?interval_s=0.05"}),
}
"""What attacks, by name: a function of this package, and its arguments."""
ROUND_S = 15.0


def keep_at(until: Until, port: int, what: str, tag: str) -> dict[str, Any]:
    """Attack again and again; how often, and what was said the last time."""
    name, arguments = ON_AND_ON[what]
    module, _, function = name.partition(":")
    act = getattr(importlib.import_module(f"tests.real.{module}"), function)
    rounds, last, errors = 0, None, 0
    while not until.over():
        brief = Until(min(ROUND_S, until.ends_at - time.monotonic()))
        brief.told = until.told
        try:
            last = act(brief, port=port, **arguments, **({"tag": tag} if "wire" in name else {}))
            rounds += 1
        except (OSError, ValueError):  # thrown out, or not let in
            errors += 1
        until.wait(PAUSE_S)
    return {"rounds": rounds, "thrown_out": errors, "last": last}


async def marathon(mode: str, seconds: float) -> dict[str, Any]:
    """Run it; the figures, and what is broken under `broken`."""
    report: dict[str, Any] = {"mode": mode, "seconds": seconds}
    with tempfile.TemporaryDirectory(prefix="chatlab-marathon-") as work:
        async with Server(Path(work), mode) as server, AsyncExitStack() as stack:
            enter = stack.enter_async_context
            where: dict[str, Any] = {"port": server.port, "seconds": seconds + 120}
            polite = await enter(Child(talk, **where))
            calm_s = min(CALM_S, max(3.0, seconds / 4))
            calm = (time.monotonic(), time.monotonic() + calm_s)
            await asyncio.sleep(calm_s)
            capacity = await _capacity(server)
            rate = OVERLOAD * capacity / 2
            start = time.monotonic()
            loads = [
                await enter(Child(flood, **where, clients=5, tag=f"load{n}", rate=rate))
                for n in range(2)
            ]
            attackers = {
                name: await enter(Child(keep_at, **where, what=name, tag=f"raider{n}"))
                for n, name in enumerate(ON_AND_ON)
            }
            await asyncio.sleep(seconds)
            fray = (start, time.monotonic())
            heard = asyncio.create_task(polite.result(tell=True))
            stats = (await server.get("/stats"))[1]
            end = await server.end()
            for one in (*loads, *attackers.values()):
                one.tell()
            said = [await load.result() for load in loads]
            report["attackers"] = {n: await one.result() for n, one in attackers.items()}
            rows = (await heard)["rows"]
            acked = {tag: ranges for one in said for tag, ranges in one["acked"].items()}
            acked["polite"] = [[n, n] for n, row in enumerate(rows) if row[2] is not None]
            report |= {
                "capacity_per_s": round(capacity),
                "offered_per_s": round(rate * 2),
                "load": [{k: v for k, v in one.items() if k != "acked"} for one in said],
                "stop": {"code": end.code, "s": round(end.took_s, 1)},
                "stderr": end.errors[-2_000:],
                "stderr_lines": end.errors.count("\n"),
                "stats": {k: stats.get(k) for k in ("counts", "refusals", "notes", "cpu_percent")},
                "stored_mb": round(_size(server.data) / MB, 1),
                "polite": {"before": _of(felt(rows, *calm)), "attacked": _of(felt(rows, *fray))},
                "memory": _memory(server, fray),
                "health": _health(server, fray),
                "lost": await _lost(server, acked),
            }
    report["broken"] = _broken(report)
    return report


def words(report: dict[str, Any]) -> str:
    """The report, to be read."""
    memory, polite, health = report["memory"], report["polite"], report["health"]
    rounds = (f"{name} {one['rounds']:,}" for name, one in report["attackers"].items())
    lines = {
        "mode": f"{report['mode']}, {report['seconds']:g} s",
        "load": f"{report['offered_per_s']:,}/s offered, {report['capacity_per_s']:,}/s capacity",
        "memory MB": f"{memory['start']} at the start, after the first minute {memory['settled']} "
        f"to {memory['end']}, at most {memory['max']}; {report['stored_mb']} stored",
        "polite before": _felt_words(polite["before"]),
        "polite attacked": _felt_words(polite["attacked"]),
        "/health": f"{health['silent']} of {health['asked']} silent; said: {health['said']}",
        "rounds": ", ".join(rounds),
        "stop": f"exit code {report['stop']['code']} after {report['stop']['s']} s",
        "lost": f"{report['lost']:,}",
        "verdict": "BROKEN: " + "; ".join(report["broken"]) if report["broken"] else "held",
    }
    return "\n".join(f"{name:16} {text}" for name, text in lines.items())


def _felt_words(one: dict[str, float]) -> str:
    if not one:
        return "not measured"
    return (
        f"ack p50 {one['ack_p50']:,.1f}, p99 {one['ack_p99']:,.1f} ms; delivery p50 "
        f"{one['delivery_p50']:,.1f}, p99 {one['delivery_p99']:,.1f} ms; late by {one['late']} ms"
    )


async def _capacity(server: Server) -> float:
    """Messages that it saves in a second, for ten clients with 32 in flight each."""
    burst = Child(flood, port=server.port, seconds=BURST_S, clients=10, tag="burst", in_flight=32)
    async with burst:
        await asyncio.sleep(1.0)
        before, at = (await server.get("/stats"))[1], time.monotonic()
        await asyncio.sleep(BURST_S - 2)
        after, took_s = (await server.get("/stats"))[1], time.monotonic() - at
        await burst.result()
    saved = [page.get("counts", {}).get("saved", 0) for page in (before, after)]
    return max(50.0, (saved[1] - saved[0]) / took_s)


def _memory(server: Server, fray: tuple[float, float]) -> dict[str, float]:
    """In MB: at the start, and after the first minute."""
    settled = fray[0] + min(FIRST_MINUTE_S, (fray[1] - fray[0]) / 3)
    start = [size / MB for at, size in server.rss if at < fray[0]][-1]
    later = [size / MB for at, size in server.rss if settled <= at <= fray[1]]
    figures = {"start": start, "settled": later[0], "end": later[-1], "max": max(later)}
    return {name: round(size, 1) for name, size in figures.items()}


def _health(server: Server, fray: tuple[float, float]) -> dict[str, Any]:
    asked = [status for at, status in server.health if fray[0] <= at <= fray[1] - 2]
    return {"asked": len(asked), "silent": asked.count(""), "said": sorted(set(asked))}


async def _lost(server: Server, acked: dict[str, list[list[int]]]) -> int:
    """How many acked messages are not in the folder; read in pieces, as there may be millions."""
    there = {tag: bytearray(ranges[-1][1] + 1 if ranges else 0) for tag, ranges in acked.items()}
    exported = server.work / "export.json"
    words = ("data", "export", str(server.data), "--to", str(exported))
    process = await asyncio.create_subprocess_exec(
        *CHATLAB, *words, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        return -1
    with exported.open("rb") as file:
        rest = b""
        while data := file.read(1 << 22):
            rest += data
            end = 0
            for found in CONTENT.finditer(rest):
                end, ref = found.end(), int(found[2])
                marks = there.get(found[1].decode())
                if marks is not None and ref < len(marks):
                    marks[ref] = 1
            rest = rest[max(end, len(rest) - 10_000) :]
    return sum(
        last - first + 1 - sum(there[tag][first : last + 1])
        for tag, ranges in acked.items()
        for first, last in ranges
    )


def _of(one: Felt | None) -> dict[str, float]:
    return {name: round(value, 2) for name, value in vars(one).items()} if one else {}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _broken(report: dict[str, Any]) -> list[str]:
    memory, stop = report["memory"], report["stop"]
    checks = {
        "memory is not flat": memory["max"] - memory["settled"] <= FLAT_MB,
        "acked messages are lost": report["lost"] == 0,
        "/health is silent": report["health"]["silent"] == 0,
        f"exit code {stop['code']}": stop["code"] == 0,
        f"the stop took {stop['s']:g} s": stop["s"] <= STOP_S,
        f"{report['stderr_lines']:,} lines on stderr": report["stderr_lines"] < STDERR_LINES_MAX,
    }
    for what in ("ack", "delivery"):
        before, attacked = (
            report["polite"][when].get(f"{what}_p99", 0.0) for when in ("before", "attacked")
        )
        factor = attacked / before if before and attacked else math.inf
        checks[f"a polite client's {what} p99 x {factor:,.3g}"] = factor <= FACTOR_MAX
    return [words for words, holds in checks.items() if not holds]
