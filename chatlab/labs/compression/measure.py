"""The compression lab: bytes saved, and the processor time that they cost.

Two places where the `journal` mode can compress, each switched on alone: the wire (every frame, for
every receiver, again) and the disk (a segment, once, when nothing is added to it any more). Rounds
of all three alternate, and ratios are paired by round.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from chatlab.bench.client import fetch_snapshot
from chatlab.bench.processes import ServerFailed, ServerProcess
from chatlab.bench.statistics import Estimate, estimate
from chatlab.chat.server_job import ServerOptions
from chatlab.chat.settings import Settings
from chatlab.data import journal_format as form
from chatlab.data.inspection import inspect
from chatlab.data.readers import read_saved
from chatlab.labs.base import ROUND_S, Lab, LabReport, Option, SixRounds
from chatlab.labs.compression.wire_client import ROOM, WireUser, in_order, talk_together

MODE = "journal"
USERS = 10
SEGMENTS = 5
MESSAGE_BYTES = 200
"""Of a message in the journal, about."""
EXPECTED_PER_S = 3_500
"""For the estimate."""
PATIENCE_S = 20.0
LOOK_EVERY_S = 0.05

PLAIN, WIRE, DISK = "nothing compressed", "wire compressed", "segments compressed"
OPTIONS: dict[str, ServerOptions] = {
    PLAIN: ServerOptions(),
    WIRE: ServerOptions(compress=True),
    DISK: ServerOptions(settings=Settings(compress_segments=True)),
}

_SAID = (
    "Happy New Year to all of you, wherever you are!",
    "Can you see the fireworks from there? We can hear them, even with the windows closed.",
    "Back in a minute, somebody is at the door.",
    "I have read the chapter twice now and still do not see why the second proof is needed.",
    "Yes.",
    "No idea. Ask Carol, she was there when they decided it.",
    "The train is late again, so please begin without me and keep a slice of the cake.",
    "Who has the key to the room on the third floor?",
)


class CompressionRound(msgspec.Struct, frozen=True, kw_only=True):
    """One server, once.

    Attributes:
        per_s: messages acked and delivered to everyone, per second.
        cpu_us: processor time of the server for a message, in microseconds.
        wire_bytes: through all sockets, both ways, for a message that was said.
        disk_bytes: that closed segments take for a message in them; None if none was closed.
        clean: everyone got everything, in order, and all of it lies on the disk.
    """

    per_s: float
    cpu_us: float
    wire_bytes: float
    disk_bytes: float | None
    clean: bool


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Compression at one place against none, ratios paired by round.

    Attributes:
        bytes: bytes with it / without, on the wire or on the disk; None if there are none.
        cpu, per_s: likewise.
        worth_below_mbit_s: for the wire: the line speed below which sending the saved bytes would
            take longer than the extra processor time; None if nothing is saved or no time is lost.
    """

    bytes: Estimate | None
    cpu: Estimate
    per_s: Estimate
    worth_below_mbit_s: float | None = None

    @property
    def costs_cpu(self) -> bool:
        """Whether the whole interval says that it costs processor time."""
        return self.cpu.low is not None and self.cpu.low > 1


class CompressionReport(LabReport, frozen=True, kw_only=True):
    """All rounds, and what each choice gains and costs.

    Attributes:
        users, messages, rounds, segment_bytes: as it was run; messages are those of a round.
        done: the rounds of each.
        wire, disk: what each choice gains and costs; None before its first round, and if the
            rounds were too short for their processor time to show.
    """

    schema: str = "chatlab.compression/1"
    users: int
    messages: int
    rounds: int
    segment_bytes: int
    done: dict[str, list[CompressionRound]]
    wire: Choice | None
    disk: Choice | None

    @property
    def passed(self) -> bool:
        """Whether nothing was lost in any round."""
        return all(one.clean for rounds in self.done.values() for one in rounds)


@dataclass(kw_only=True)
class Compression(Lab):
    """The journal mode with nothing compressed, with the wire compressed, and with closed segments
    compressed: throughput, processor time, bytes on the wire and on the disk, for each message.
    """

    rounds: SixRounds = 6
    messages: Annotated[int, Option("N", "Messages in a round.", 10, 1_000_000)] = 20_000
    done: dict[str, list[CompressionRound]] = field(
        default_factory=lambda: {name: [] for name in OPTIONS}, init=False
    )

    @property
    def segment_bytes(self) -> int:
        """At which size the journal closes a segment, so that there are a few of them."""
        return max(1, self.messages * MESSAGE_BYTES // SEGMENTS)

    def estimate(self) -> tuple[float, str]:
        total = self.rounds * len(OPTIONS)
        return total * (ROUND_S + self.messages / EXPECTED_PER_S), f"{total} rounds"

    async def measure(self) -> None:
        for number in range(1, self.rounds + 1):
            for name in OPTIONS if number % 2 else reversed(OPTIONS):
                self.say(f"round {number} of {self.rounds}: {name}")
                with tempfile.TemporaryDirectory(prefix="chatlab-", dir=self.folder) as folder:
                    self.done[name].append(await self._measure(name, Path(folder)))

    def report(self) -> CompressionReport:
        return self.fill(
            CompressionReport,
            users=USERS,
            wire=self._choice(WIRE, lambda one: one.wire_bytes, on_the_wire=True),
            disk=self._choice(DISK, lambda one: one.disk_bytes),
        )

    async def _measure(self, name: str, folder: Path) -> CompressionRound:
        said = [
            [
                f"{user}: {_SAID[number % len(_SAID)]} ({number})"
                for number in range(user, self.messages, USERS)
            ]
            for user in range(USERS)
        ]
        mode = f"{MODE}+segment-size={self.segment_bytes}"
        begin = asyncio.Barrier(USERS + 1)
        async with ServerProcess(mode, folder, options=OPTIONS[name]) as server:
            talking = asyncio.create_task(talk_together(server.url, said, begin))
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await begin.wait()
                before, started_at = await fetch_snapshot(server.url), time.perf_counter()
                users = await talking
                took_s = time.perf_counter() - started_at
                if name == DISK:
                    await _until_compressed(folder)
                after = await fetch_snapshot(server.url)
            except (ExceptionGroup, TimeoutError) as error:
                raise ServerFailed(f"a client was cut off: {error}") from error
            finally:
                talking.cancel()
            await server.stop()
        return CompressionRound(
            per_s=self.messages / took_s,
            cpu_us=(after.cpu_s - before.cpu_s) / self.messages * 1e6,
            wire_bytes=sum(user.bytes_in + user.bytes_out for user in users) / self.messages,
            disk_bytes=await asyncio.to_thread(_disk_bytes, folder),
            clean=await asyncio.to_thread(_is_clean, folder, users, said),
        )

    def _choice(
        self,
        name: str,
        bytes_of: Callable[[CompressionRound], float | None],
        *,
        on_the_wire: bool = False,
    ) -> Choice | None:
        both = zip(self.done[name], self.done[PLAIN], strict=False)
        pairs = [(with_it, without) for with_it, without in both if without.cpu_us > 0]
        if not pairs:
            return None
        sizes = [(bytes_of(with_it), bytes_of(without)) for with_it, without in pairs]
        known = [a / b for a, b in sizes if a is not None and b]
        choice = Choice(
            bytes=estimate(known) if known else None,
            cpu=estimate([a.cpu_us / b.cpu_us for a, b in pairs]),
            per_s=estimate([a.per_s / b.per_s for a, b in pairs]),
        )
        if not on_the_wire:
            return choice
        saved = estimate([b.wire_bytes - a.wire_bytes for a, b in pairs]).median
        cost_us = estimate([a.cpu_us - b.cpu_us for a, b in pairs]).median
        worth = 8 * saved / cost_us if saved > 0 and cost_us > 0 else None
        return msgspec.structs.replace(choice, worth_below_mbit_s=worth)


async def _until_compressed(folder: Path) -> None:
    """Until the server has compressed what it had begun to: that is part of its price."""
    async with asyncio.timeout(PATIENCE_S):
        while len(list(folder.glob(form.PATTERN))) > 1:  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(LOOK_EVERY_S)


def _disk_bytes(folder: Path) -> float | None:
    store = inspect(folder).store("journal")
    closed = store.segments[:-1] if store else []
    messages = sum(one.messages for one in closed)
    return sum(one.file_bytes for one in closed) / messages if messages else None


def _is_clean(folder: Path, users: list[WireUser], said: list[list[str]]) -> bool:
    saved = read_saved(folder, lambda message: message.room_id == ROOM)
    contents = [message.content for message in saved.messages]
    everyone = [*users, WireUser(0, contents, 0, 0)]
    acked = [user.acked for user in users] == list(map(len, said))
    return acked and saved.damaged == 0 and in_order(everyone, said)
