"""Which connections are alive: any byte is a sign of life, and so is one that nobody has read yet.

The library pings every client every 20 seconds, and each program answers by itself. A program that
is frozen, or whose cable was pulled, does not, and TCP says nothing of it for many minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chatlab.chat.rooms import Presence
from chatlab.chat.server.arrivals import LoggingConnection
from chatlab.chat.server.client import POLICY_VIOLATION, SocketClient
from chatlab.chat.settings import Clock

LOOK_S = 1.0
CHECKS_EVERY_S = 1.0
NOT_ALIVE = "no sign of life for {:.0f} s, not even an answer to a ping"
TAKEN_OVER = "another connection took this name: this one did not answer"

_closing: set[asyncio.Task[None]] = set()  # each ends within the time that a close may take


class SilenceWatch:
    """Closes connections that show no sign of life.

    Args:
        clock: seconds.
        silence_max_s: without a sign.
        note: gets sentences for people.
    """

    def __init__(self, clock: Clock, silence_max_s: float, note: Callable[[str], None]) -> None:
        self._clock = clock
        self._silence_max_s = silence_max_s
        self._note = note
        self._looked_at = clock()
        # Seconds that this server was there to hear something: while a laptop sleeps, all is quiet.
        self._awake_s = 0.0

    def look(self, connections: Callable[[], Iterable[LoggingConnection]]) -> None:
        """Look at them, if the last look was long enough ago."""
        step_s = self._clock() - self._looked_at
        if step_s < LOOK_S:
            return
        self._looked_at += step_s
        self._awake_s += min(step_s, 2 * LOOK_S)
        for connection in connections():
            self._look_at(connection)

    def _look_at(self, connection: LoggingConnection) -> None:
        latest, since_s = connection.last_sign
        read_at = connection.arrivals.read_at
        if read_at != latest:
            connection.last_sign = read_at, self._awake_s
        elif self._awake_s - since_s > self._silence_max_s and connection.state is State.OPEN:
            if connection.holds_unread():
                connection.last_sign = read_at, self._awake_s
            else:
                self._note("a client was disconnected: it showed no sign of life")
                close_soon(connection, NOT_ALIVE.format(self._silence_max_s))


class NameKeeper:
    """Lets users in by name: whoever has a name keeps it for as long as it answers.

    Args:
        presence: of all clients.
        wait_s: for an answer.
        note: gets sentences for people.
    """

    def __init__(self, presence: Presence, wait_s: float, note: Callable[[str], None]) -> None:
        self._presence = presence
        self._wait_s = wait_s
        self._note = note
        self._checks: dict[str, asyncio.Task[None]] = {}  # one for each name that is connected

    async def arrive(self, newcomer: SocketClient) -> bool:
        """Add a newcomer to the presence; False if another one has its name, and is alive."""
        peer = newcomer.connection.remote_address
        if self._presence.arrive(newcomer, peer):
            return True
        check = self._checks.get(newcomer.user)
        if check is None:
            check = asyncio.create_task(self._check(newcomer.user))
            self._checks[newcomer.user] = check
        await asyncio.wait([check])
        # Of all who waited for the check, the first gets the name, if it is still there itself.
        alive = newcomer.connection.state is State.OPEN
        return alive and self._presence.arrive(newcomer, peer)

    async def _check(self, user: str) -> None:
        try:
            for client in self._presence.clients():
                if client.user == user and isinstance(client, SocketClient):
                    if not await _answers(client.connection, self._wait_s):
                        self._presence.leave(client)
                        self._note(f"{user} was disconnected: it did not answer a newcomer's check")
                        close_soon(client.connection, TAKEN_OVER)
                    return
        finally:
            del self._checks[user]


def close_soon(connection: LoggingConnection, reason: str) -> None:
    """Close it without waiting for it."""
    task = asyncio.create_task(connection.close(POLICY_VIOLATION, reason))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


async def _answers(connection: LoggingConnection, wait_s: float) -> bool:
    """Whether a connection shows a sign of life within some seconds."""
    if connection.state is not State.OPEN:
        return False
    now = connection.clock()
    # Its answers are limited, too (`limits.py`): newcomers must not use them up.
    if now - connection.answered_at < CHECKS_EVERY_S or connection.holds_unread():
        return True
    before = connection.arrivals.read_at
    with suppress(ConnectionClosed, TimeoutError):
        async with asyncio.timeout(wait_s):
            await (await connection.ping())
    # A pong behind much else is late; what came before it is a sign, too.
    if connection.arrivals.read_at == before and not connection.holds_unread():
        return False
    connection.answered_at = now
    return True
