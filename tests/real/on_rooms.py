"""Attacks on what all share: the rooms, and who may be in them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.real.child import Child, Until
from tests.real.frames import HERE, Wire, text
from tests.real.server import CHATLAB
from tests.real.trial import Trial, attack

ROOMS = 10_000
INVITED = 9_994
INVENTED_MAX = 100
"""Of all invented users, so many may get in: the share of one client."""
ROOMS_OF_ONE_MAX = 200
WINDOW = 100
"""Requests in flight."""
MESSAGE_MAX = 1 << 20
"""Bytes in a message that usual WebSocket clients accept."""


def ask_all(until: Until, port: int, count: int, request: dict[str, Any]) -> dict[str, int]:
    """Send a request so many times, a hundred in flight, each with its own number for {}; how many
    were answered, by `ack` or error code."""
    as_json = json.dumps(request)
    requests = [{**json.loads(as_json.replace("{n}", str(n))), "ref": n} for n in range(count)]
    wire = Wire(port, "stranger")
    wire.receive()
    wire.ask(type="join_room", roomId="general", ref="join")
    answers: dict[str, int] = {}
    sent = answered = 0
    while answered < len(requests) and not until.over():
        block = requests[sent : answered + WINDOW]
        wire.socket.sendall(b"".join(text(**one) for one in block))
        sent += len(block)
        if (got := wire.receive()) is None:
            answers[f"closed with {wire.closed[0]}"] = 1
            break
        answer = json.loads(got)
        if isinstance(answer.get("ref"), int):
            answered += 1
            kind = answer.get("code", answer["type"])
            answers[kind] = answers.get(kind, 0) + 1
    wire.close()
    return answers


def newcomer(_: Until, port: int, room: str) -> dict[str, Any]:
    """Join a room as somebody new; the answer."""
    wire = Wire(port, "newcomer")
    wire.receive()
    answer = wire.ask(type="join_room", roomId=room, ref="join")
    wire.close()
    return answer


@attack()
async def invented_guests(trial: Trial) -> None:
    """A stranger invites 9,994 invented users into `general`: it stays open to newcomers."""
    invite = {"type": "invite", "roomId": "general", "user": "invented{n}"}
    seconds = 4 * trial.seconds
    raider = Child(ask_all, port=trial.port, seconds=seconds, count=INVITED, request=invite)
    (said,) = await trial.raid(raider)
    async with Child(newcomer, port=trial.port, seconds=5, room="general") as child:
        answer = await child.result()
    trial.note(answers=said, newcomer=answer)
    trial.expect(said.get("ack", 0) <= INVENTED_MAX, "invented users get in")
    trial.expect(answer.get("type") == "ack", f"a newcomer gets {answer.get('code')}")


@attack()
async def room_maker(trial: Trial) -> None:
    """One client creates rooms without end: it has a share of them, and others can still do so."""
    room = {"type": "create_room", "roomId": "room-{n}"}
    raider = Child(ask_all, port=trial.port, seconds=trial.seconds, count=ROOMS, request=room)
    (said,) = await trial.raid(raider)
    trial.note(answers=said)
    trial.expect(said.get("ack", 0) <= ROOMS_OF_ONE_MAX, "one client gets any number of rooms")


def _fill_rooms(data: Path) -> None:
    data.mkdir()
    general = {"id": "general", "name": "General", "participants": [], "private": False}
    rooms = [
        {"id": f"room-{n:05}", "name": "\N{FIREWORKS}" * 100, "participants": [], "private": False}
        for n in range(ROOMS - 100)  # the rest is for the polite client, and for a load
    ]
    (data / "chatrooms.json").write_text(json.dumps([general, *rooms]), encoding="utf-8")


def visit(until: Until, port: int) -> dict[str, Any]:
    """Connect as a usual client does, and list all rooms, page by page; the longest message."""
    seen: set[str] = set()
    longest, after = 0, ""
    try:
        with connect(f"ws://{HERE}:{port}/?user=visitor") as socket:
            longest = len(str(socket.recv(10)).encode())
            while not until.over():
                socket.send(json.dumps({"type": "list_rooms", "after": after, "ref": 1}))
                page = str(socket.recv(10))
                longest = max(longest, len(page.encode()))
                if not (rooms := [room["id"] for room in json.loads(page)["rooms"]]):
                    break
                after = rooms[-1]
                if after in seen:  # a server without pages
                    break
                seen.update(rooms)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"longest": longest, "seen": len(seen)}


@attack(prepare=_fill_rooms)
async def many_rooms(trial: Trial) -> None:
    """A server with 10,000 rooms: its welcome and its lists fit into usual clients."""
    (said,) = await trial.raid(Child(visit, port=trial.port, seconds=10))
    words = ("load", f"ws://{HERE}:{trial.port}", "--messages", "40")
    load = await asyncio.create_subprocess_exec(
        *CHATLAB, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await load.communicate()
    trial.note(visitor=said, load=out.decode(errors="replace")[-300:])
    trial.expect("error" not in said, f"a usual client: {said.get('error')}")
    trial.expect(said.get("longest", 0) <= MESSAGE_MAX, "a message of more than 1 MiB")
    trial.expect(said.get("seen", 0) >= ROOMS - 100, "not every room can be listed")
    trial.expect(load.returncode == 0, f"chatlab load ends with {load.returncode}")


PROBES: tuple[dict[str, Any], ...] = (
    {"type": "join_room"},
    {"type": "leave_room"},
    {"type": "who"},
    {"type": "history", "limit": 1},
    {"type": "send_message", "content": "?"},
    {"type": "invite", "user": "alice"},
)


def probe(_: Until, port: int) -> dict[str, list[str]]:
    """Ask for a private room and for one that is not there; the answers, without the names."""
    wire = Wire(port, "prober")
    wire.receive()
    answers: dict[str, list[str]] = {}
    for one in PROBES:
        for room in ("staff", "stuff"):
            answer = json.dumps(wire.ask(**one, roomId=room, ref=f"{room} {one['type']}"))
            answers.setdefault(one["type"], []).append(answer.replace(room, "ROOM"))
    wire.close()
    return answers


@attack(polite=False)
async def private_rooms_probed(trial: Trial) -> None:
    """Every request for a private room gets the answer that a room which is not there gets."""
    (answers,) = await trial.raid(Child(probe, port=trial.port, seconds=5))
    trial.note(answers=answers)
    told = [name for name, (private, missing) in answers.items() if private != missing]
    trial.expect(not told, f"a private room is told apart by {', '.join(told)}")
