"""The machine that measures: what it is, and how fast any mode could be on it.

What cannot be found out about it stays "unknown". The ceilings are measured with the same sender,
in the same run:

- `echo`: the barest server that `websockets` can be. Each message goes back to its sender, unread.
- `memory`: the whole chat server with the fastest parts, and a store that keeps nothing on disk.

No mode is expected to reach them; its share says how much is left to win. A mode that sends many
messages in one frame can pass the echo server, which pays for a frame a message.

    python -m chatlab.bench.machine    the echo server: prints `listening on ws://...`, ends with
                                       its standard input
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from chatlab import __version__
from chatlab.bench.processes import ListeningProcess, LoadJob, LoadProcess
from chatlab.bench.rounds import measure_round
from chatlab.bench.scenario import RUN_ID, Scenario
from chatlab.chat.parts.storage_seams import Lock, Reader, Store, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.child_process import when_stdin_ends
from chatlab.data.records import Message
from chatlab.disk.files import Files

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

ECHO, MEMORY = "echo", "memory"
CEILINGS = (ECHO, MEMORY)
MEMORY_MODE = f"journal+store={__file__}:MemoryStore"
MESSAGES_MAX = 10_000


def describe(folder: Path) -> dict[str, Any]:
    """Everything a reader needs to judge a figure or to repeat it.

    Args:
        folder: where the data folders are: the cost of an fsync depends on the file system.
    """
    return {
        "chatlab": __version__,
        "python": platform.python_version(),
        "websockets": importlib.metadata.version("websockets"),
        "picows": importlib.metadata.version("picows"),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "file_system": file_system(folder),
    }


def file_system(folder: Path) -> str:
    """The type of the file system of `folder`, such as "ext4"; or "unknown"."""
    try:
        here = folder.resolve()
        mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
        for parent in (here, *here.parents):
            if parent in mounts:
                return mounts[parent] or "unknown"
    except (OSError, psutil.Error):
        pass
    return "unknown"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


class CeilingRound(msgspec.Struct, frozen=True):
    """One round of a ceiling.

    Attributes:
        throughput_per_s: messages answered (echo) or delivered (memory) per second.
        sender_cpu_percent: of one core, that the load generator used.
    """

    throughput_per_s: float
    sender_cpu_percent: float


async def measure_ceiling(
    name: str, scenario: Scenario, seed: int, *, work_folder: Path | None = None
) -> CeilingRound:
    """Measure a ceiling once.

    Args:
        name: one of `CEILINGS`.
        scenario, seed: what load.
        work_folder: where the data folder is made.

    Raises:
        UsageError, ServerFailed, GeneratorFailed: a process would not start, or not stop.
    """
    if name == MEMORY:
        load = msgspec.structs.replace(scenario, history=0)
        one = await measure_round(MEMORY_MODE, load, seed, work_folder=work_folder)
        return CeilingRound(one.load.throughput_per_s, one.load.sender_cpu_percent)
    # The generator goes first: an echo server that stops waits for those who are connected.
    async with ListeningProcess("chatlab.bench.machine") as server, LoadProcess() as worker:
        result = await worker.run(LoadJob(server.url, scenario, seed, RUN_ID, echo=True))
    return CeilingRound(result.throughput_per_s, result.sender_cpu_percent)


class MemoryStore(Store):
    """Keeps the latest messages, and loses them at the end: not a way to run a chat."""

    kept_in = ""

    def __init__(
        self, files: Files, reader: Reader, writer: Writer, lock: Lock, settings: Settings
    ) -> None:
        super().__init__(files, reader, writer, lock, settings)
        self._messages: deque[Message] = deque(maxlen=MESSAGES_MAX)

    @property
    def promise(self) -> AckLevel:
        return "queued"

    async def save(self, batch: Sequence[Message]) -> None:
        self._messages.extend(batch)

    async def history(self, room_id: str, limit: int) -> list[Message]:
        return [one for one in self._messages if one.room_id == room_id][-limit:]


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve as the echo server until standard input ends."""
    from websockets.asyncio.server import serve  # here: who measures needs no server

    ended = asyncio.Event()
    when_stdin_ends(ended.set)
    # Compression is off, as it is in the chat server.
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
