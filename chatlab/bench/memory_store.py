"""No store at all: the latest messages, in memory, gone with the process.

Not a way to run a chat, but a ceiling: what the server could do if keeping messages cost nothing.
`chatlab compare --ceiling` measures with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from chatlab.chat.parts.lock import Lock
from chatlab.chat.parts.reader import Reader
from chatlab.chat.parts.store import Store
from chatlab.chat.parts.writer import Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.settings import Settings
from chatlab.data.records import Message
from chatlab.disk.files import Files

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
