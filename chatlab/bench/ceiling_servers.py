"""What the ceilings are measured on: an echo server, and a store that keeps nothing.

- `echo`: the barest server that `websockets` can be. Each message goes back to its sender, unread;
  no server built on this library can answer each message by itself any faster.
- `MemoryStore`: the latest messages, in memory, gone with the process. Not a way to run a chat:
  what the server could do if saving messages cost nothing.

    python -m chatlab.bench.ceiling_servers   prints `listening on ws://...`; ends with its input
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatlab.chat.parts.lock import Lock
from chatlab.chat.parts.reader import Reader
from chatlab.chat.parts.store import Store
from chatlab.chat.parts.writer import Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.child_process import when_stdin_ends
from chatlab.data.records import Message
from chatlab.disk.files import Files

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

MESSAGES_MAX = 10_000


class MemoryStore(Store):
    """Keeps the latest `MESSAGES_MAX` messages, and loses them at the end."""

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
    from websockets.asyncio.server import serve

    ended = asyncio.Event()
    when_stdin_ends(ended.set)
    # Compression is off, as it is in the chat server.
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
