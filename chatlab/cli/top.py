"""`chatlab top`: the dashboard of a server that runs elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import typer
from rich.console import Console

from chatlab.bench.client import connect, stats_url
from chatlab.chat import snapshot as snapshots
from chatlab.chat.snapshot import Snapshot
from chatlab.cli.options import DEFAULT_URL, finite
from chatlab.view import explain as explanations
from chatlab.view.dashboard import print_summary
from chatlab.view.dashboard.live import show


def top(
    url: str = typer.Argument(DEFAULT_URL, help="The server's address."),
    interval: float = typer.Option(
        0.5, min=0.1, max=60, metavar="SECONDS", callback=finite, help="Time between two snapshots."
    ),
    explain: bool = typer.Option(
        False, "--explain", help="Explain every row of the dashboard, and exit."
    ),
) -> None:
    """Attach the live dashboard to a running server. Ctrl-C detaches; the server goes on."""
    if explain:
        Console().print(explanations.render(explanations.dashboard()))
        return
    last: Snapshot | None = None

    async def remembered() -> AsyncIterator[Snapshot]:
        nonlocal last
        async for last in stream(url, interval):
            yield last

    try:
        asyncio.run(show(remembered()))
        print(f"the server at {url} has stopped")
    except KeyboardInterrupt:
        pass
    if last is not None:
        print_summary(last)


async def stream(url: str, interval_s: float) -> AsyncGenerator[Snapshot, None]:
    """Snapshots of a server, until it closes."""
    # Only the latest matters: a slow viewer skips what it missed.
    arrived: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)

    def on_frame(frame: bytes) -> None:
        if arrived.full():
            arrived.get_nowait()
        arrived.put_nowait(frame)

    connection = await connect(stats_url(url, interval_s), on_frame)
    closed = asyncio.ensure_future(connection.closed.wait())
    try:
        while True:
            frame = asyncio.ensure_future(arrived.get())
            await asyncio.wait([frame, closed], return_when=asyncio.FIRST_COMPLETED)
            if not frame.done():
                frame.cancel()
                return
            yield snapshots.decode(frame.result())
    finally:
        closed.cancel()
        await connection.close()
