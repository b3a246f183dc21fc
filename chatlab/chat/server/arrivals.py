"""When did each message arrive? Latency counts from the moment at which a frame could be read.

A busy server reads late: its messages wait in the socket, then in the connection, before it even
knows of them. A latency that begins when the server gets round to reading hides that wait, and with
it most of what the clients feel. So each connection keeps a log of arrivals:

- On Linux the kernel stamps what it receives (`SO_TIMESTAMPNS`, socket(7)): `StampedSocket` asks
  for the stamp with each read. Elsewhere a message arrives when it is read.
- While too much waits, a connection is not read at all. Then the log looks, again and again, at how
  many bytes the socket holds (`FIONREAD`, not on Windows), and a byte has arrived when it was first
  among them. Messages that are read together are taken to be equally long.

What has arrived and was not yet taken is "waiting outside".
"""

from __future__ import annotations

import array
import asyncio
import socket
import struct
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Collection

from chatlab.chat.parts.message_seams import Transport
from chatlab.chat.rates import network
from chatlab.chat.server.door import Door
from chatlab.chat.server.limits import LimitedConnection, Note
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Waiting

SO_TIMESTAMPNS = 35
"""Of Linux (asm-generic/socket.h); Python's `socket` does not name it."""
_TIMESPEC = struct.Struct("@qq")
_STAMP_SPACE = 64
RESERVED_S = 1.0
"""Seconds that one connection may have the last descriptor."""
MARKS_MAX = 1_000
"""Looks at one socket that is not read: at one every 20 ms, these last for 20 seconds of arrivals.
Then every second one is forgotten."""


class StampedSocket(socket.socket):
    """A socket that knows when the kernel received what was read last.

    Attributes:
        received_at: seconds since 1970; 0.0 if the system does not say.
        known: whether the server has counted it.
        in_reserve: whether it has the last descriptor: it may ask something, but not stay.
    """

    received_at = 0.0
    known = False
    in_reserve = False

    def recv(self, size: int, flags: int = 0) -> bytes:
        data, stamps, _, _ = self.recvmsg(size, _STAMP_SPACE, flags)
        self.received_at = 0.0  # the first packets after the stamps were asked for may have none
        for _, kind, stamp in stamps:
            if kind == SO_TIMESTAMPNS and len(stamp) == _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack(stamp)
                self.received_at = seconds + nanoseconds / 1e9
        return data


class ArrivalLog:
    """The arrivals of one connection, oldest first.

    Args:
        clock: seconds.

    Attributes:
        read_at: when something was read last, or the log began.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.read_at = clock()
        # How many messages, and when they arrived. Bounded by what may wait in a connection.
        self._groups: deque[tuple[int, float]] = deque()
        self._logged = 0
        self._latest = self.read_at
        # While the socket is not read: how many bytes it held, and when.
        self._marks: list[tuple[int, float]] = []

    def read(self, size: int, count: int, age_s: float = 0.0) -> None:
        """Some bytes were read, which end `count` messages.

        Args:
            size: of the bytes.
            count: of the messages.
            age_s: seconds since the last of the bytes came.
        """
        now = self.read_at = self._clock()
        # A clock of the system may be set: nothing arrived before what was read earlier.
        at = min(now, max(now - age_s, self._latest))
        if self._marks:
            for number in range(1, count + 1):
                self._add(1, min(self._seen_at(size * number // count, at), at))
            self._marks = [(held - size, seen) for held, seen in self._marks if held > size]
        elif count:
            self._add(count, at)
        self._latest = at

    def look(self, held: int) -> None:
        """The socket is not read now, and holds so many bytes."""
        if held > (self._marks[-1][0] if self._marks else 0):
            self._marks.append((held, self._clock()))
            if len(self._marks) > MARKS_MAX:
                del self._marks[::2]

    def taken(self, waiting: int) -> float:
        """When the message arrived that was just taken.

        Args:
            waiting: messages, or parts of them, that wait after it.
        """
        at = self._groups[0][1] if self._groups else self._latest
        # A message in fragments has an entry for each: it arrived with the last of them.
        while self._logged > waiting:
            count, at = self._groups[0]
            less = min(count, self._logged - waiting)
            self._logged -= less
            if less == count:
                self._groups.popleft()
            else:
                self._groups[0] = count - less, at
        return at

    def oldest(self) -> float | None:
        """When the first message that still waits arrived; None if none does."""
        first = self._groups or self._marks
        return first[0][1] if first else None

    def _add(self, count: int, at: float) -> None:
        self._groups.append((count, at))
        self._logged += count

    def _seen_at(self, offset: int, otherwise: float) -> float:
        # The marks grow in both numbers. A search from the first would cost much: a thousand marks
        # for each of a hundred messages.
        at = bisect_left(self._marks, (offset,))
        return self._marks[at][1] if at < len(self._marks) else otherwise


class LoggingConnection(LimitedConnection):
    """A connection, of any transport, that is bounded and logs arrivals; see `logging_connection`.

    Attributes:
        arrivals: the log.
        address: what it counts for, at the door.
        may_stay: whether it may have a place.
        last_sign: of life: when something was read, and when a look found that; see `life.py`.
        answered_at: when it last answered a check of its name; see there.
    """

    arrivals: ArrivalLog
    transport_part: Transport
    door: Door
    address: str
    may_stay: bool
    last_sign = (-1.0, 0.0)
    answered_at = float("-inf")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.arrivals = ArrivalLog(self.clock)
        # The wrapper of asyncio does not show it otherwise; without it, nothing is stamped.
        inner = getattr(transport.get_extra_info("socket"), "_sock", None)
        self._stamped = inner if isinstance(inner, StampedSocket) else None
        self.may_stay = True
        if self._stamped:
            self._stamped.known = True
            if self._stamped.in_reserve:
                self.may_stay = False
                self.loop.call_later(RESERVED_S, transport.abort)  # type: ignore[attr-defined]
        self.address = network(transport.get_extra_info("peername"))
        super().connection_made(transport)
        self.door.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.door.closed(self)

    def abort(self) -> None:
        """Close it at once, without a word."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        before = self.transport_part.waiting(self)
        super().data_received(data)
        received_at = self._stamped.received_at if self._stamped else 0.0
        age_s = time.time() - received_at if received_at else 0.0
        messages = self.transport_part.waiting(self) - before
        self.arrivals.read(len(data), messages, age_s)
        self.fit_reads(len(data), messages)

    def taken_at(self) -> float:
        """When the message arrived that was just taken."""
        return self.arrivals.taken(self.transport_part.waiting(self))

    def look(self) -> None:
        """Log what has arrived while the socket is not read."""
        if not self.transport.is_reading():
            self.arrivals.look(unread_bytes(self.transport) or 0)

    def holds_unread(self) -> bool:
        """Whether something has arrived that nobody has looked at."""
        unread = unread_bytes(self.transport)
        if unread is None:  # the system does not say: assume so where nobody reads
            unread = not self.transport.is_reading()
        return bool(unread or self.transport_part.waiting(self))


def logging_connection(
    part: Transport, clock: Clock, note: Note, send_buffer_max: int, door: Door
) -> type[LoggingConnection]:
    """The connection class of a transport, with limits, a log of arrivals, and a door."""
    body = {
        "transport_part": part,
        "clock": staticmethod(clock),
        "note": staticmethod(note),
        "send_buffer_max": send_buffer_max,
        "door": door,
    }
    return type("LoggedConnection", (LoggingConnection, part.connection_class()), body)


def waiting_outside(connections: Collection[LoggingConnection], now: float) -> Waiting:
    """What has arrived at some connections and was not yet taken.

    Args:
        connections: all of a server.
        now: seconds, on their clock.
    """
    messages, held, oldest = 0, 0, now
    known = True
    for connection in connections:
        unread = unread_bytes(connection.transport)
        known = known and unread is not None
        held += unread or 0
        # Bytes that were not read hold one message at least, or the beginning of one.
        messages += connection.transport_part.waiting(connection) + bool(unread)
        oldest = min(oldest, connection.arrivals.oldest() or now)
    return Waiting(messages, held if known else None, now - oldest)


def unread_bytes(transport: asyncio.BaseTransport) -> int | None:
    """Bytes that wait in a connection's socket; None where the system does not say."""
    try:
        import fcntl
        import termios
    except ImportError:  # Windows
        return None
    held = array.array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, held)
    except (OSError, AttributeError, ValueError):  # closed meanwhile
        return 0
    return held[0]
