"""The barest server that `websockets` can be: each message goes back to its sender, unread.

A ceiling: no server built on this library can answer each message by itself any faster.

    python -m chatlab.bench.echo        prints `listening on ws://...`; ends with its standard input
"""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, serve

from chatlab.chat.parent import when_stdin_ends


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve until standard input ends."""
    ended = asyncio.Event()
    when_stdin_ends(ended.set)
    # Compression is off, as it is in the chat server.
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
