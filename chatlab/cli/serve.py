"""`chatlab serve` and `chatlab modes`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from chatlab.bench.address import DEFAULT_PORT
from chatlab.chat.protocol import AckLevel
from chatlab.chat.server.app import ChatServer, Farewell
from chatlab.chat.server_job import ServerJob, ServerOptions, told_to_stop
from chatlab.chat.server_job import serve as serve_job
from chatlab.chat.settings import Settings
from chatlab.cli.keys import terminal_keys
from chatlab.cli.options import (
    DISK,
    FAULT,
    SETTINGS,
    TOKEN,
    check_modes,
    complete_mode,
    flag,
    option,
    with_groups,
)
from chatlab.data.folder import DEFAULT_FOLDER
from chatlab.signals import Stop, ignore_signals
from chatlab.view.dashboard.live import REFRESH_S, Keys, every, show
from chatlab.view.dashboard.summary import print_summary


@with_groups
def serve(
    mode: str = option(
        "naive",
        "MODE",
        "NAME, NAME+PART=IMPL or NAME+KNOB=VALUE; see chatlab modes.",
        "--mode",
        "-m",
        autocompletion=complete_mode,
    ),
    host: str = option(
        "127.0.0.1", "ADDRESS", "Address to listen on. 0.0.0.0 opens it to your network."
    ),
    port: int = option(
        DEFAULT_PORT, "N", "Port to listen on; 0 picks a free one.", min=0, max=65535
    ),
    data: Path = option(
        DEFAULT_FOLDER, "FOLDER", "Data folder; a fresh one is filled with the starting data."
    ),
    history: int = option(0, "N", "Generated messages to put into a fresh data folder.", min=0),
    settings: Settings = SETTINGS,
    ack: AckLevel | None = option(
        None, "LEVEL", "Raise what an ack promises: queued, written or synced."
    ),
    compress: bool = flag("--compress", "Let clients compress what goes over the wire."),
    compress_segments: bool = flag(
        "--compress-segments", "Journal only: compress each segment once the next one has started."
    ),
    token: str | None = TOKEN,
    fault: list[str] | None = FAULT,
    disk: str | None = DISK,
    no_dashboard: bool = flag("--no-dashboard", "Serve without the live view."),
    stop_with_stdin: bool = typer.Option(False, hidden=True),
) -> None:
    """Start the chat server and watch it work.

    The last line of the screen names its keys. q or Ctrl-C saves what is queued, then stops; a
    second Ctrl-C waits no longer for a disk that fails. SIGTERM and a closed terminal stop it, too.
    """
    (named,) = check_modes(mode)
    options = ServerOptions(
        host=host,
        port=port,
        ack=ack,
        token=token,
        compress=compress,
        settings=replace(settings, compress_segments=compress_segments),
        faults=tuple(fault or ()),
        disk=disk,
    )
    job = ServerJob(mode, str(data), history, options)
    serving = _serve_user_parts if named.user_parts else _serve
    keys = None if no_dashboard or stop_with_stdin else terminal_keys()
    code = asyncio.run(serving(job, stop_with_stdin, not no_dashboard, keys))
    ignore_signals()
    sys.exit(code)


def modes(
    parts: bool = flag("--parts", "Print what each mode is made of, and how to swap a part."),
    knobs: bool = flag("--knobs", "Print the numbers that a mode's name can set."),
) -> None:
    """Print what each mode does, and what its ack means."""
    from chatlab.view.modes import print_knobs, print_modes, print_parts

    if parts:
        print_parts()
    if knobs:
        print_knobs()
    if not (parts or knobs):
        print_modes()


async def _serve(job: ServerJob, stop_with_stdin: bool, dashboard: bool, keys: Keys | None) -> int:
    watched = partial(_watched, keys) if dashboard else None
    return await serve_job(job, told_to_stop(stop_with_stdin), watched)


async def _serve_user_parts(
    job: ServerJob, stop_with_stdin: bool, dashboard: bool, keys: Keys | None
) -> int:
    from chatlab.cli.user_parts import UserPartsServer

    return await UserPartsServer(job, dashboard, keys).serve(told_to_stop(stop_with_stdin))


async def _watched(keys: Keys | None, server: ChatServer, stop: Stop) -> Farewell:
    """Serve under the dashboard until `stop` is set, and print a summary."""
    view = asyncio.create_task(show(every(REFRESH_S, server.snapshot), keys=keys))
    stopped = asyncio.create_task(stop.asked.wait())
    # If the view fails, stop and say so: a server that shows nothing must not look alive.
    await asyncio.wait([view, stopped], return_when=asyncio.FIRST_COMPLETED)
    farewell = await server.stop()  # in view: draining can take seconds
    view.cancel()
    stopped.cancel()
    await asyncio.wait([view])
    if not view.cancelled() and (error := view.exception()):
        raise error
    print_summary(server.snapshot())
    return farewell
