"""Clients take turns, so that one who sends much does not make the others wait.

A client that says little is heard at once. One of whose messages many wait, or who says more than
`QUIET_PER_S` messages a second, waits in line for a turn: `turn_size` messages, or `TURN_S` seconds
of them. One client has a turn at a time. Meanwhile what the others say stays in their own
connections, which are not read. So a message of a quiet client waits for a turn or two, however
many others flood the server: short flows go first, as in FQ-CoDel (RFC 8290).

Nor does the server do much at once: a batch for many people is sent in `Pieces`.

What comes in between, in the queue: `parts/processor/fair_queue.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Sequence

from chatlab.chat.parts.message_seams import Entry, Talker
from chatlab.chat.settings import Clock

TURN_S = 0.002
QUIET_PER_S = 100.0
FEW = 8
"""Messages; a client of whom no more than these wait is quiet, if its rate is low."""

PIECE_S = 0.002

FULL_SHARES = 10
"""Clients; where more have unsaved messages, each may have fewer."""


class Turns:
    """The turns of a server.

    Args:
        size: messages of one turn; 0: nobody waits for a turn.
        clock: seconds.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self._size = size
        self._clock = clock
        self._free = True
        self._line: deque[asyncio.Future[None]] = deque()  # bounded by the number of clients
        self._halted = False

    def taken(
        self, frames: AsyncIterable[str | bytes], client: Talker
    ) -> AsyncIterable[str | bytes]:
        """A client's frames, each when it is its turn."""
        return self._taken(frames, client) if self._size else frames

    def halt(self) -> None:
        """Give no more turns."""
        self._halted = True

    def go_on(self) -> None:
        """Give turns again."""
        self._halted = False
        self._call_next()

    async def _taken(
        self, frames: AsyncIterable[str | bytes], client: Talker
    ) -> AsyncIterator[str | bytes]:
        clock, size = self._clock, float(self._size)
        behind, has_room = client.behind, client.has_room
        free, since = size, clock()  # what the client may say without a turn: a token bucket
        left, ends_at = 0, 0.0  # what it may say in the turn that it has
        try:
            async for frame in frames:
                if not left:
                    now = clock()
                    free = min(size, free + (now - since) * QUIET_PER_S)
                    since = now
                    if free < 1 or behind() > FEW:
                        await client.room()  # else it would wait for that in its turn
                        await self._enter()
                        left, ends_at = self._size, clock() + TURN_S
                    else:
                        free -= 1
                yield frame
                if left:
                    left -= 1
                    if not behind() or not has_room():  # it waits now, of its own
                        left = 0
                        self._leave()
                    elif not left or clock() >= ends_at:
                        left = 0
                        # Not now: first those who are not in line, and whatever else is due.
                        asyncio.get_running_loop().call_soon(self._leave)
        finally:
            if left:
                self._leave()

    async def _enter(self) -> None:
        """Wait in line."""
        if self._free and not self._line and not self._halted:
            self._free = False
            return
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._free = True
        self._call_next()

    def _call_next(self) -> None:
        while self._free and self._line and not self._halted:
            place = self._line.popleft()
            if not place.done():
                self._free = False
                place.set_result(None)


class Pieces:
    """Sends a batch in pieces of `PIECE_S` seconds.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    async def before(self, entry: Entry, batch: Sequence[Entry]) -> None:
        """Before each message of a batch: let others go on, if the batch has taken long.

        Not before the first: batches of one message keep their order.
        """
        now = self._clock()
        if entry is batch[0]:
            self._until = now + PIECE_S
        elif now >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock() + PIECE_S


class Shares:
    """How many unsaved messages each client may have: less, where many clients have some.

    So many flooders fill the queue no further than a few do, and wait, where the server would have
    to refuse most of what they send: a refusal is as dear as a message.

    Args:
        most: messages; what all together have is bounded by `FULL_SHARES` times as many.

    Attributes:
        sharing: clients that have unsaved messages.
        size: messages of each client, at least 1.
    """

    def __init__(self, most: int) -> None:
        self._most = self.size = most
        self.sharing = 0

    def join(self, clients: int) -> None:
        """So many more have unsaved messages; -1 for one less."""
        self.sharing += clients
        self.size = max(1, self._most * FULL_SHARES // max(FULL_SHARES, self.sharing))


class Sharer:
    """A client's part of `Talker` that keeps it to its share."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._unsaved = 0
        self._has_free = asyncio.Event()

    def reserved_at_once(self) -> bool:
        if self._unsaved >= self._shares.size:
            return False
        if not self._unsaved:
            self._shares.join(1)
        self._unsaved += 1
        return True

    async def reserve(self) -> None:
        while not self.reserved_at_once():
            await self.room()

    def has_room(self) -> bool:
        return self._unsaved < self._shares.size

    async def room(self) -> None:
        while not self.has_room():
            self._has_free.clear()
            await self._has_free.wait()

    def release(self) -> None:
        self._unsaved -= 1
        if not self._unsaved:
            self._shares.join(-1)
        self._has_free.set()
