"""Clients take turns, so that one who sends much does not make the others wait.

A client that has caught up is never asked to wait. One with more to say than the server gets done
says so much (`turn_size` messages, or `TURN_S` seconds of them), and then waits in line for its
next turn; at most `AT_ONCE` such clients have one. Meanwhile its messages stay in its own
connection, which is not read. So a message of a quiet client waits for a turn or two, however many
others flood the server: a sparse flow goes first, as in FQ-CoDel (RFC 8290).

What comes after, in the queue: `parts/processor/queue_base.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable

from chatlab.chat.settings import Clock

TURN_S = 0.005
AT_ONCE = 2


class Turns:
    """The turns of a server.

    Args:
        size: messages of one turn; 0: nobody waits for a turn.
        clock: seconds.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._free = AT_ONCE
        self._line: deque[asyncio.Future[None]] = deque()  # bounded by the number of clients
        self._halted = False

    def taken(
        self, frames: AsyncIterable[str | bytes], behind: Callable[[], bool]
    ) -> AsyncIterable[str | bytes]:
        """One client's frames, each when it is its turn.

        Args:
            behind: whether more of its frames wait.
        """
        return self._taken(frames, behind) if self._size else frames

    def halt(self) -> None:
        """Give no more turns."""
        self._halted = True

    def go_on(self) -> None:
        """Give turns again."""
        self._halted = False
        self._call_next()

    async def _taken(
        self, frames: AsyncIterable[str | bytes], behind: Callable[[], bool]
    ) -> AsyncIterator[str | bytes]:
        left, ends_at, has_turn = self._size, 0.0, False
        try:
            async for frame in frames:
                if left == self._size:
                    ends_at = self._clock() + TURN_S
                yield frame
                left -= 1
                if left and self._clock() < ends_at and not (has_turn and not behind()):
                    continue
                if has_turn:
                    has_turn = False
                    self._leave()
                if behind():
                    await self._enter()
                    has_turn = True
                left = self._size
        finally:
            if has_turn:
                self._leave()

    async def _enter(self) -> None:
        """Wait in line."""
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._call_next()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._free += 1
        # Not now: first those who are not in line, and whatever else is due.
        asyncio.get_running_loop().call_soon(self._call_next)

    def _call_next(self) -> None:
        while self._free and self._line and not self._halted:
            place = self._line.popleft()
            if not place.done():
                self._free -= 1
                place.set_result(None)
