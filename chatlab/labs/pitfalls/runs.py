"""What the pitfalls lab does to a server: one function for each mistake, the same for its cure.

Each starts a fresh server on a fresh data folder, does what shows the mistake, and returns the
same figures in the same order.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from chatlab.bench.address import chat_url
from chatlab.bench.audit import audit
from chatlab.bench.client import connect
from chatlab.bench.load import Load
from chatlab.bench.processes import ServerProcess
from chatlab.bench.rounds import Round, measure_round
from chatlab.bench.scenario import RUN_ID, Scenario, plan
from chatlab.chat.metrics import percentile, percentiles
from chatlab.chat.protocol import Ack, ErrorFrame, SendMessage, decode_outgoing, encode
from chatlab.data.readers import read_saved
from chatlab.data.records import CHATROOMS, MESSAGES
from chatlab.disk.counted import TEMPORARY_SUFFIX
from chatlab.labs.base import most_at_risk

PATIENCE_S = 3.0
ASK_EVERY_S = 0.05
FAILS_AFTER_S = 0.7
FAILS_FOR_S = 1.0
SETTLE_S = 1.2
HISTORY = 2_000
ANSWER_TIMEOUT_S = 5.0

Unit = Literal["ms", "s", "bytes", "count"]


class Figure(msgspec.Struct, frozen=True):
    """A measured figure; `value` is None where there is none: of seconds, it never happened."""

    what: str
    value: float | None
    unit: Unit


@dataclass(frozen=True, slots=True)
class Side:
    """A server: its mode, and the knobs that it turns, as options of `chatlab serve`."""

    line_up: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(["--mode", self.line_up, *self.options])

    @property
    def mode(self) -> str:
        """The same in a mode's name."""
        turned = zip(self.options[::2], self.options[1::2], strict=True)
        return self.line_up + "".join(f"+{name[2:]}={value}" for name, value in turned)


async def busy_evening(side: Side, seed: int, work_folder: Path) -> list[Figure]:
    """A steady rate at which a batch of a hundred fills ten times a second."""
    load = Scenario(name="busy", words="a busy evening", messages=3_000, rate_per_s=1_000)
    done = await measure_round(side.mode, load, seed, work_folder=work_folder)
    return [
        *_delivery(done),
        Figure("most at risk in memory", most_at_risk(done.load), "count"),
        Figure("largest batch", done.after.batches.largest, "count"),
        Figure("peak memory of the process", done.after.rss_peak_bytes, "bytes"),
    ]


async def quiet_evening(side: Side, seed: int, work_folder: Path) -> list[Figure]:
    """A rate so low that no batch of a hundred fills within a second."""
    load = Scenario(name="quiet", words="a quiet evening", messages=200, rate_per_s=80)
    done = await measure_round(side.mode, load, seed, work_folder=work_folder)
    saves = done.load.io[MESSAGES.name].writes if MESSAGES.name in done.load.io else 0
    return [
        *_delivery(done),
        Figure("most at risk in memory", most_at_risk(done.load), "count"),
        Figure("saves of messages.json", saves, "count"),
    ]


async def long_history(side: Side, seed: int, work_folder: Path) -> list[Figure]:
    """A steady rate after some history, so that a copy of the file takes a while to make."""
    load = Scenario(
        name="after history",
        words="a steady rate after some history",
        # The server keeps ten seconds of its lag, and a p95 takes 200 samples: a loop that stands
        # still half of the time just gets there, and on a busy machine does not.
        messages=950,
        rate_per_s=100,
        history=HISTORY,
    )
    done = await measure_round(side.mode, load, seed, work_folder=work_folder)
    acks_ms = sorted(done.load.ack_ms())
    return [
        Figure("event loop late, p50", done.after.loop_lag_ms.p50, "ms"),
        Figure("event loop late, p95", done.after.loop_lag_ms.p95, "ms"),
        Figure("ack p95", percentiles(acks_ms).p95, "ms"),
        Figure("slowest ack", percentile(acks_ms, 1.0) if acks_ms else None, "ms"),
        *_delivery(done)[1:],
    ]


async def changed_membership(side: Side, seed: int, work_folder: Path) -> list[Figure]:
    """Somebody edits `chatrooms.json`: bob leaves one room, and may enter another."""
    del seed  # no chance in it
    with tempfile.TemporaryDirectory(prefix="chatlab-", dir=work_folder) as name:
        folder = Path(name)
        async with (
            ServerProcess(side.mode, folder) as server,
            talker(server.url, "bob") as say,
        ):
            assert await say("general") == "ok"
            assert await say("staff") == "no_such_room"  # it is private, and so it says
            _edit_rooms(folder)
            refused_s = admitted_s = None
            accepted, start = 0, time.perf_counter()
            while (waited_s := time.perf_counter() - start) < PATIENCE_S:
                if refused_s is None:
                    is_accepted = await say("general") == "ok"
                    accepted += is_accepted
                    refused_s = None if is_accepted else waited_s
                if admitted_s is None and await say("staff") == "ok":
                    admitted_s = waited_s
                if refused_s is not None and admitted_s is not None:
                    break
                await asyncio.sleep(ASK_EVERY_S)
    return [
        Figure("until the removed one is refused", refused_s, "s"),
        Figure("until the new one may speak", admitted_s, "s"),
        Figure("accepted from the removed one", accepted, "count"),
    ]


async def failing_disk(side: Side, seed: int, work_folder: Path) -> list[Figure]:
    """For a second, no file can be replaced: a folder stands where the temporary file belongs."""
    load = Scenario(name="steady", words="a steady rate", messages=300, rate_per_s=100)
    with tempfile.TemporaryDirectory(prefix="chatlab-", dir=work_folder) as name:
        folder = Path(name)
        async with ServerProcess(side.mode, folder) as server:
            running = Load(server.url, load, plan(load, seed), run_id=RUN_ID, settle_s=SETTLE_S)
            breaking = asyncio.create_task(_break_for_a_while(folder))
            try:
                noted = await running.run()
            finally:
                breaking.cancel()
                await asyncio.wait([breaking])
            await server.stop()
        found = audit(noted, RUN_ID, read_saved(folder))
    failures = noted.after.queue.failures if noted.after else 0
    return [
        Figure("saves that failed", failures, "count"),
        Figure("acked", found.acked, "count"),
        Figure("saved", found.saved, "count"),
        Figure("acked and lost", found.lost, "count"),
    ]


def _delivery(done: Round) -> list[Figure]:
    found = percentiles(done.load.delivery_ms())
    return [Figure("delivery p50", found.p50, "ms"), Figure("delivery p95", found.p95, "ms")]


def _edit_rooms(folder: Path) -> None:
    """Bob leaves "general" and is let into "staff", by the hand of an administrator."""
    path = folder / CHATROOMS.name
    rooms = []
    for room in CHATROOMS.decode(path.read_bytes()):
        people = room.participants
        if room.id == "general":
            people = tuple(person for person in people if person != "bob")
        elif room.id == "staff":
            people = (*people, "bob")
        rooms.append(msgspec.structs.replace(room, participants=people))
    edited = path.with_name("edited.json")
    edited.write_bytes(CHATROOMS.encode(rooms))
    edited.replace(path)  # at once: the server must never read half of it


async def _break_for_a_while(folder: Path) -> None:
    await asyncio.sleep(FAILS_AFTER_S)
    obstacle = folder / (MESSAGES.name + TEMPORARY_SUFFIX)
    while True:  # the temporary file may stand there at this very moment
        with suppress(FileExistsError):
            obstacle.mkdir()
            break
        await asyncio.sleep(0.001)
    try:
        await asyncio.sleep(FAILS_FOR_S)
    finally:
        obstacle.rmdir()


@asynccontextmanager
async def talker(url: str, user: str) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """A connected user: a function that says something in a room, waits for the answer, and returns
    "ok" for an ack, else the error's code.

    Raises:
        UsageError: the server cannot be reached, or says no.
        TimeoutError: no answer came.
    """
    answers: asyncio.Queue[str] = asyncio.Queue()

    def hear(data: bytes) -> None:
        match decode_outgoing(data):
            case Ack():
                answers.put_nowait("ok")
            case ErrorFrame(code=code):
                answers.put_nowait(code)

    async def say(room_id: str) -> str:
        connection.send(encode(SendMessage(room_id=room_id, content="may I?", ref="may I?")))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await answers.get()

    connection = await connect(chat_url(url, user), hear)
    try:
        yield say
    finally:
        await connection.close()
