"""The polite client: one user who talks to another in a room of their own, and measures.

An open loop: message n is due at a time that was planned before, and its latency counts from then,
however late the server, or this process, is. How late this process itself was is told beside it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from tests.real.child import Until
from tests.real.frames import Wire

PER_S = 20
ROOM = "parlour"
LAST_ANSWERS_S = 2.0


def talk(until: Until, port: int, tag: str = "polite") -> dict[str, Any]:
    """Send 20 messages a second until told to end; one row for each: due, sent, acked, delivered.

    Times are seconds of the system's monotonic clock, None for never.
    """
    speaker, hearer = Wire(port, tag), Wire(port, f"{tag}-hearer")
    welcome = json.loads(speaker.receive() or b"{}")
    speaker.ask(type="create_room", roomId=f"{ROOM}-{tag}", ref="room")
    hearer.ask(type="join_room", roomId=f"{ROOM}-{tag}", ref="room")
    rows: list[list[float | None]] = []
    errors: dict[str, int] = {}

    def hear_answers() -> None:
        for answer in _texts(speaker):
            ref = answer.get("ref")
            if answer["type"] == "ack" and isinstance(ref, int):
                rows[ref][2] = time.monotonic()
            elif answer["type"] == "error":
                errors[answer["code"]] = errors.get(answer["code"], 0) + 1

    def hear_messages() -> None:
        for message in _texts(hearer):
            if message["type"] == "message":
                rows[int(message["content"].rpartition(" ")[2])][3] = time.monotonic()

    hearers = [threading.Thread(target=one, daemon=True) for one in (hear_answers, hear_messages)]
    for thread in hearers:
        thread.start()
    _speak(until, speaker, rows, tag, f"{ROOM}-{tag}")
    ends_at = time.monotonic() + LAST_ANSWERS_S
    while time.monotonic() < ends_at and any(row[2] is None or row[3] is None for row in rows):
        if not any(thread.is_alive() for thread in hearers):
            break
        time.sleep(0.01)
    acked = [f"{tag} {ref}" for ref, row in enumerate(rows) if row[2] is not None]
    return {
        "promise": welcome.get("ackMeans"),
        "rows": rows,
        "acked": acked,
        "errors": errors,
        "closed": list(speaker.closed),
    }


def _speak(until: Until, wire: Wire, rows: list[list[float | None]], tag: str, room: str) -> None:
    start = time.monotonic()
    while not until.over():
        ref = len(rows)
        due = start + ref / PER_S
        until.wait(due - time.monotonic())
        if until.told.is_set():
            return
        rows.append([due, time.monotonic(), None, None])
        try:
            wire.send(type="send_message", roomId=room, content=f"{tag} {ref}", ref=ref)
        except OSError:  # the server is gone
            rows.pop()
            return


def _texts(wire: Wire) -> Any:
    while True:
        try:
            got = wire.receive(60.0)
        except TimeoutError:
            continue
        if got is None:
            return
        yield json.loads(got)


@dataclass(frozen=True)
class Felt:
    """What the polite client felt in some seconds, in milliseconds; an answer that has not come
    counts with the wait so far.

    Attributes:
        late: how late it sent, itself: the 99th percentile.
    """

    n: int
    ack_p50: float
    ack_p99: float
    delivery_p50: float
    delivery_p99: float
    late: float


def felt(rows: list[list[float | None]], start: float, end: float) -> Felt | None:
    """What it felt between two times; None if it sent too little to tell."""
    part = [row for row in rows if row[0] is not None and start <= row[0] < end]
    if len(part) < 5:
        return None
    latest = max(time for row in rows for time in row if time is not None)

    def waits(column: int) -> tuple[float, float]:
        ms = [((latest if r[column] is None else r[column]) - r[0]) * 1e3 for r in part]  # type: ignore[operator]
        return median(ms), quantiles(ms, n=100, method="inclusive")[98]

    return Felt(len(part), *waits(2), *waits(3), waits(1)[1])
