"""A server's job: what `chatlab serve`, the benchmark and the labs ask of a chat server.

A server child gets its job as JSON on its standard input (`child_process.py`) and imports only the
server, so that it starts quickly:

    python -m chatlab.chat.server_job      prints `listening on ws://...`; ends with its stdin

`chatlab serve` does the same job in its own process, under the dashboard.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.chat.user_parts import LOADED_FILES, exit_call
from chatlab.child_process import read_job, when_stdin_ends
from chatlab.errors import ChatlabError, ExitCode
from chatlab.plain_text import printable_lines
from chatlab.signals import Stop, ignore_signals

if TYPE_CHECKING:
    from chatlab.chat.server.app import ChatServer, Farewell


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a server differs from the usual one; see `ChatServer`.

    Attributes:
        host, port: where it listens; port 0 picks a free one.
        faults, disk: what it simulates: plans of `--fault`, and a name for `--disk`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ack: AckLevel | None = None
    token: str | None = None
    compress: bool = False
    settings: Settings = Settings()
    faults: tuple[str, ...] = ()
    disk: str | None = None


USUAL_OPTIONS = ServerOptions()


class ServerJob(msgspec.Struct, frozen=True):
    """A mode to serve.

    Attributes:
        mode: its line-up.
        data: its data folder.
        history: generated messages to start with, in a fresh folder.
    """

    mode: str
    data: str
    history: int = 0
    options: ServerOptions = USUAL_OPTIONS


async def serve(
    job: ServerJob,
    stop: Stop,
    watch: Callable[[ChatServer, Stop], Awaitable[Farewell]] | None = None,
) -> int:
    """Serve until `stop` is set; returns the exit code.

    Args:
        job: what to serve.
        stop: tells to stop, and to hurry.
        watch: shows the server meanwhile, and stops it.

    Raises:
        UsageError: it cannot start.
    """
    from chatlab.chat.modes import parse
    from chatlab.chat.process import spare_the_garbage_collector
    from chatlab.chat.server.app import ChatServer
    from chatlab.data.folder import DataFolder
    from chatlab.disk.simulated import simulate

    options, path = job.options, Path(job.data)
    line_up = parse(job.mode)
    conditions = simulate(path, plans=options.faults, disk=options.disk)
    data = DataFolder(path, job.history, line_up.classes["store"].kept_in)  # type: ignore[attr-defined]
    blocked = asyncio.create_task(_watch_for_blocking_calls())
    async with (
        data as folder,
        ChatServer(
            line_up,
            folder,
            settings=options.settings,
            host=options.host,
            port=options.port,
            ack=options.ack,
            token=options.token,
            compress=options.compress,
            starting=data.starting,
            conditions=conditions,
        ) as server,
    ):
        gc.enable()
        spare_the_garbage_collector()
        print(f"listening on {server.url}", flush=True)
        if simulated := "; ".join(server.snapshot().simulated):
            print(f"simulated: {printable_lines(simulated)}", flush=True)
        hurry = asyncio.create_task(_hurry(server, stop))
        if watch is not None:
            farewell = await watch(server, stop)
        else:
            await stop.asked.wait()
            farewell = await server.stop()
    hurry.cancel()
    blocked.cancel()
    print(f"stopped: {farewell.saved:,} queued messages saved, {farewell.unsaved:,} unsaved")
    return ExitCode.of(not farewell.unsaved)


async def _hurry(server: ChatServer, stop: Stop) -> None:
    await stop.hurry.wait()
    server.hurry()


def told_to_stop(with_stdin: bool) -> Stop:
    """What signals ask for from now on, and the end of stdin."""
    stop = Stop()
    stop.on_signals()
    if with_stdin:
        when_stdin_ends(stop.ask)
    return stop


def main() -> None:
    """Do the job on standard input."""
    gc.disable()  # while the server is imported: nothing of that is garbage
    _import_when_used("importlib.metadata")  # websockets imports it, and does not use it
    job = read_job(ServerJob)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # shows at once what a part prints
    try:
        code = asyncio.run(_serve(job))
    except ChatlabError as error:
        _complain(str(error))
        code = ExitCode.USAGE
    except SystemExit as error:
        _complain(exit_call(error))
        code = ExitCode.SOFTWARE
    ignore_signals()
    sys.exit(code)


def _import_when_used(name: str) -> None:
    """Put off an import until something in the module is asked for: it is a tenth of a start."""
    parent, _, child = name.rpartition(".")
    stand_in = ModuleType(name)

    def load(attribute: str) -> object:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    stand_in.__getattr__ = load  # type: ignore[method-assign]
    sys.modules[name] = stand_in
    setattr(importlib.import_module(parent), child, stand_in)


async def _serve(job: ServerJob) -> int:
    return await serve(job, told_to_stop(with_stdin=True))


async def _watch_for_blocking_calls() -> None:
    """Only a learner's parts are watched."""
    from chatlab.chat.process import LoopWatchdog

    if LOADED_FILES:
        await LoopWatchdog(LOADED_FILES, _complain, time.perf_counter).run()


def _complain(words: str) -> None:
    print(f"chatlab: {printable_lines(words)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
