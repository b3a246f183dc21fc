"""One user who says something and waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.bench.client import Connection, chat_url, connect
from chatlab.chat.protocol import Ack, ErrorFrame, SendMessage, decode_outgoing, encode

ANSWER_TIMEOUT_S = 5.0


class Speaker:
    """A connected user; made by `speaker`."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self._ref = 0
        self._answer: asyncio.Future[str] | None = None

    async def say(self, room_id: str) -> str:
        """Send one message; returns "ok" for an ack, else the error's code.

        Raises:
            TimeoutError: no answer came.
        """
        assert self.connection is not None
        self._ref += 1
        self._answer = asyncio.get_running_loop().create_future()
        self.connection.send(encode(SendMessage(room_id=room_id, content="may I?", ref=self._ref)))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._answer

    def hear(self, data: bytes) -> None:
        """Take a frame from the server."""
        frame = decode_outgoing(data)
        if not isinstance(frame, Ack | ErrorFrame) or frame.ref != self._ref:
            return
        if self._answer is not None and not self._answer.done():
            self._answer.set_result("ok" if isinstance(frame, Ack) else frame.code)


@asynccontextmanager
async def speaker(url: str, user: str) -> AsyncIterator[Speaker]:
    """A user, connected for as long as a `with` block lasts.

    Raises:
        UsageError: the server cannot be reached, or says no.
    """
    one = Speaker()
    one.connection = await connect(chat_url(url, user), one.hear)
    try:
        yield one
    finally:
        await one.connection.close()
