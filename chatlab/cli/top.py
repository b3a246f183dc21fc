"""`chatlab top`: the dashboard of a server that runs elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

from chatlab.cli.options import finite

if TYPE_CHECKING:
    from chatlab.chat.snapshot import Snapshot

DEFAULT_URL = "ws://127.0.0.1:8765"


def top(
    url: Annotated[str, typer.Argument(help="The server's address.")] = DEFAULT_URL,
    interval: Annotated[
        float,
        typer.Option(
            min=0.1, max=60, metavar="SECONDS", callback=finite, help="Time between two looks."
        ),
    ] = 0.5,
    explain: Annotated[
        bool, typer.Option("--explain", help="Explain every row of the dashboard, and exit.")
    ] = False,
) -> None:
    """Attach the live dashboard to a running server. Ctrl-C detaches; the server goes on."""
    if explain:
        from rich.console import Console

        from chatlab.view import explain as explanations

        Console().print(explanations.render(explanations.dashboard()))
        return
    from chatlab.view.dashboard import print_summary
    from chatlab.view.dashboard.live import show

    last: list[Snapshot] = []

    async def watch() -> None:
        async def remembered() -> AsyncIterator[Snapshot]:
            async for snapshot in stream(url, interval):
                last[:] = [snapshot]
                yield snapshot

        await show(remembered())

    try:
        asyncio.run(watch())
        print(f"the server at {url} has stopped")
    except KeyboardInterrupt:
        pass
    if last:
        print_summary(last[0])


async def stream(url: str, interval_s: float) -> AsyncGenerator[Snapshot, None]:
    """Snapshots of a server, until it closes."""
    from chatlab.bench.client import connect, stats_url
    from chatlab.chat import snapshot as snapshots

    # Only the latest matters: a viewer that is slow skips what it missed.
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
