"""Ceilings: how fast could any mode be? Measured with the same sender, in the same run.

- `echo`: the barest server of the library, which sends each message back to its sender alone.
- `memory`: the whole chat server with the fastest parts, and no disk at all.

No mode is expected to reach them; its share says how much is left to win. A mode that sends many
messages in one frame can pass the echo server, which pays for a frame a message.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chatlab.bench import ceiling_servers
from chatlab.bench.load_process import LoadJob, LoadProcess
from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import RUN_ID, Scenario
from chatlab.bench.server_process import EchoProcess

ECHO, MEMORY = "echo", "memory"
CEILINGS = (ECHO, MEMORY)

_MEMORY_MODE = f"journal+store={ceiling_servers.__file__}:MemoryStore"


class CeilingRound(msgspec.Struct, frozen=True):
    """A ceiling, once.

    Attributes:
        throughput_per_s: messages answered (echo) or delivered (memory) per second.
        sender_cpu_percent: of one core, that the load generator used.
    """

    throughput_per_s: float
    sender_cpu_percent: float


async def measure_ceiling(
    name: str, scenario: Scenario, seed: int, *, work_folder: Path | None = None
) -> CeilingRound:
    """One round of a ceiling.

    Args:
        name: of `CEILINGS`.
        scenario, seed: what load.
        work_folder: where the data folder is made.

    Raises:
        UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
    """
    if name == MEMORY:
        load = msgspec.structs.replace(scenario, history=0)
        one = await measure_round(_MEMORY_MODE, load, seed, work_folder=work_folder)
        return CeilingRound(one.load.throughput_per_s, one.load.sender_cpu_percent)
    # The generator goes first: an echo server that stops waits for those who are connected.
    async with EchoProcess() as server, LoadProcess() as worker:
        result = await worker.run(LoadJob(server.url, scenario, seed, RUN_ID, echo=True))
    return CeilingRound(result.throughput_per_s, result.sender_cpu_percent)
