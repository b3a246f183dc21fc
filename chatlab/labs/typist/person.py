"""One person who types while others do: sends a message, waits until it comes back, takes a breath.

What a person feels is the time until their own message stands in the room. The server traces each
of these messages, so that its account of the time can be held against the person's.
"""

from __future__ import annotations

import asyncio
import time

from chatlab.bench.address import chat_url
from chatlab.bench.client import Connection, connect
from chatlab.chat import protocol
from chatlab.chat.settings import Clock
from chatlab.errors import UsageError

NAME = "typist"
BREATH_S = 0.1
"""Between a message that came back and the next one."""
ANSWER_TIMEOUT_S = 30.0


class TypingPerson:
    """A person in a room; an async context manager.

    Args:
        url: the server's address.
        room: where to type.
        clock: seconds.

    Attributes:
        echoes_ms: from each send to the moment at which the message was back.
        saved_ms, traces_ms: the server's account of the same messages, its steps added up: until
            the message was saved, and until it was sent to the last one in the room.
    """

    def __init__(self, url: str, room: str, clock: Clock = time.perf_counter) -> None:
        self._url = url
        self._room = room
        self._clock = clock
        self._connection: Connection | None = None
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._text = ""
        self._sent_at = self._back_at = 0.0
        self.echoes_ms: list[float] = []
        self.saved_ms: list[float] = []
        self.traces_ms: list[float] = []

    async def __aenter__(self) -> TypingPerson:
        self._connection = await connect(chat_url(self._url, NAME), self._on_frame)
        await self._ask(protocol.JoinRoom(room_id=self._room, ref="join"))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        await self._connection.close()

    async def type(self) -> None:
        """Type until cancelled."""
        while True:
            self._text = f"message {len(self.echoes_ms)} of one who types"
            self._sent_at = self._clock()
            await self._ask(
                protocol.SendMessage(room_id=self._room, content=self._text, trace=True)
            )
            self.echoes_ms.append((self._back_at - self._sent_at) * 1000)
            await asyncio.sleep(BREATH_S)

    async def _ask(self, request: protocol.Request) -> None:
        """Send a request, and wait for what answers it."""
        assert self._connection is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.send(protocol.encode(request))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._answer

    def _on_frame(self, data: bytes) -> None:
        match protocol.decode_outgoing(data):
            case protocol.MessageFrame(sender=sender, content=text) if sender == NAME:
                if text == self._text:
                    self._back_at = self._clock()
            case protocol.TraceFrame() as trace:
                queued_ms = trace.waiting_ms + trace.check_ms + trace.queue_ms
                saved_ms = queued_ms + trace.lock_ms + trace.save_ms
                self.saved_ms.append(saved_ms)
                self.traces_ms.append(saved_ms + trace.delivery_ms)
                self._answered()
            case protocol.Ack(ref="join"):
                self._answered()
            case protocol.ErrorFrame(message=why):
                self._answered(UsageError(f"the server refused what the typist sent: {why}"))

    def _answered(self, error: UsageError | None = None) -> None:
        if self._answer.done():
            return
        if error is None:
            self._answer.set_result(None)
        else:
            self._answer.set_exception(error)
