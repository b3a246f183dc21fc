"""`chatlab serve` and `chatlab modes`."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from chatlab import exit_codes
from chatlab.chat.settings import KNOBS, Settings
from chatlab.cli.mine import check_modes
from chatlab.cli.options import SETTINGS, DiskName, FaultPlans, with_groups

if TYPE_CHECKING:
    from chatlab.chat.server import ChatServer, Farewell
    from chatlab.cli.serve_own import Own
    from chatlab.data.folder import DataFolder

DEFAULT_FOLDER = Path("chatlab-data")
DEFAULT_PORT = 8765
REFRESH_S = 0.5


@with_groups
def serve(
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            "-m",
            metavar="MODE",
            help="NAME, NAME+PART=IMPL or NAME+KNOB=VALUE; see chatlab modes.",
        ),
    ] = "naive",
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Address to listen on. 0.0.0.0 opens it to your network."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 picks a free one."),
    ] = DEFAULT_PORT,
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Data folder; a fresh one is filled with the starting data."
        ),
    ] = DEFAULT_FOLDER,
    history: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Generated messages to put into a fresh data folder."
        ),
    ] = 0,
    settings: Settings = SETTINGS,
    ack: Annotated[
        Literal["queued", "written", "synced"] | None,
        typer.Option(
            metavar="LEVEL", help="queued, written or synced: raise what an ack promises."
        ),
    ] = None,
    compress: Annotated[
        bool, typer.Option("--compress", help="Offer clients to compress what goes over the wire.")
    ] = False,
    compress_segments: Annotated[
        bool,
        typer.Option(
            "--compress-segments",
            help="Journal only: compress each segment once the next one has begun.",
        ),
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="Secret that clients must show as ?token=..."),
    ] = None,
    fault: FaultPlans = None,
    disk: DiskName = None,
    no_dashboard: Annotated[
        bool, typer.Option("--no-dashboard", help="Serve without the live view.")
    ] = False,
    stop_with_stdin: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Start the chat server and watch it work.

    Ctrl-C saves what is queued, then stops.
    """
    from chatlab.chat.modes import parse
    from chatlab.chat.server import ChatServer
    from chatlab.data.folder import DataFolder
    from chatlab.disk.simulated import simulate

    (asked,) = check_modes(mode)
    if asked.user_parts and not stop_with_stdin:
        from chatlab.cli.serve_own import Own

        given = {
            "--host": host,
            **{f"--{name}": getattr(settings, knob.field) for name, knob in KNOBS.items()},
            "--ack": ack,
            "--token": token,
            "--disk": disk,
        }
        words = [f"{name}={value}" for name, value in given.items() if value is not None]
        words += ["--compress"] * compress + ["--compress-segments"] * compress_segments
        words += [f"--fault={plan}" for plan in fault or ()]
        dashboard = not no_dashboard
        own = Own(mode, data, history, tuple(words), port=port, token=token, dashboard=dashboard)
        sys.exit(asyncio.run(_serve_own(own)))
    settings = replace(settings, compress_segments=compress_segments)
    line_up = parse(mode)
    conditions = simulate(data, plans=fault or (), disk=disk)

    folder = DataFolder(data, history, line_up.classes["store"].kept_in)  # type: ignore[attr-defined]

    def make_server(path: Path) -> ChatServer:
        return ChatServer(
            line_up,
            path,
            settings=settings,
            host=host,
            port=port,
            ack=ack,
            token=token,
            compress=compress,
            starting=folder.starting,
            conditions=conditions,
        )

    if asked.user_parts and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what they print is heard at once
    serving = _serve(make_server, folder, not no_dashboard, stop_with_stdin)
    sys.exit(_run_own(serving) if asked.user_parts else asyncio.run(serving))


def modes() -> None:
    """Print every mode's line-up: which part plays each role, and what an ack means."""
    from chatlab.view.modes import print_modes

    print_modes()


async def _serve_own(own: Own) -> int:
    return await own.serve(_stop_event(with_stdin=False))


def _run_own(serving: Coroutine[Any, Any, int]) -> int:
    """Serve with parts of someone's own, which may exit: returns the exit code."""
    from chatlab.chat.user_parts import user_line

    try:
        return asyncio.run(serving)
    except SystemExit as error:
        print(
            f"chatlab: sys.exit({error.code!r}) was called{user_line(error)}: in a server, "
            "that ends it for everyone",
            file=sys.stderr,
        )
        return exit_codes.SOFTWARE


async def _watch_for_stalls() -> None:
    from chatlab.chat.loop_watchdog import LoopWatchdog
    from chatlab.chat.user_parts import LOADED_FILES

    def tell(words: str) -> None:
        print(f"chatlab: {words}", file=sys.stderr, flush=True)

    if LOADED_FILES:
        await LoopWatchdog(LOADED_FILES, tell, time.perf_counter).run()


async def _serve(
    make_server: Callable[[Path], ChatServer],
    data: DataFolder,
    dashboard: bool,
    stop_with_stdin: bool,
) -> int:
    """Serve until told to stop; returns the exit code."""
    from chatlab.chat.process import spare_the_garbage_collector

    stop = _stop_event(stop_with_stdin)
    stalls = asyncio.create_task(_watch_for_stalls())
    async with data as folder, make_server(folder) as server:
        spare_the_garbage_collector()
        print(f"listening on {server.url}", flush=True)
        if simulated := "; ".join(server.snapshot().simulated):
            print(f"simulated: {simulated}", flush=True)
        if dashboard:
            farewell = await _watched(server, stop)
        else:
            await stop.wait()
            farewell = await server.stop()
    stalls.cancel()
    print(f"stopped: {farewell.saved:,} queued messages saved, {farewell.unsaved:,} unsaved")
    return exit_codes.of(not farewell.unsaved)


async def _watched(server: ChatServer, stop: asyncio.Event) -> Farewell:
    """Serve under the dashboard until told to stop, and leave a summary."""
    from chatlab.view.dashboard.live import every, show
    from chatlab.view.dashboard.summary import print_summary

    view = asyncio.create_task(show(every(REFRESH_S, server.snapshot)))
    stopped = asyncio.create_task(stop.wait())
    # A view that fails must be heard of, not leave a server that looks alive and shows nothing.
    await asyncio.wait([view, stopped], return_when=asyncio.FIRST_COMPLETED)
    farewell = await server.stop()  # under the eyes of the user: draining can take seconds
    view.cancel()
    stopped.cancel()
    await asyncio.wait([view])
    if not view.cancelled() and (error := view.exception()):
        raise error
    print_summary(server.snapshot())
    return farewell


def _stop_event(with_stdin: bool) -> asyncio.Event:
    """An event that is set by SIGINT, SIGTERM, Windows' Ctrl-Break, or the end of stdin."""
    from chatlab.chat.parent import when_stdin_ends

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def set_stop(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), set_stop)
    if with_stdin:
        when_stdin_ends(stop.set)
    return stop
