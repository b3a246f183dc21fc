"""Many clients in one process, which send valid messages as fast as they may, and read all.

Messages are told apart by `TAG-CLIENT REF`, and what was acked is kept as ranges of refs.
"""

from __future__ import annotations

import math
import re
import selectors
import time
from contextlib import suppress
from typing import Any, NamedTuple

from tests.real.child import Until
from tests.real.frames import CLOSE, TEXT, Wire, frame

BLOCK = 40
"""Messages in one write."""
CLOSING = frame(CLOSE)[:1]
LAST_ACKS_S = 10.0
ACK = re.compile(rb'\{"type":"ack","ref":(\d+),')
ERROR = re.compile(rb'\{"type":"error","code":"(\w+)"[^}]*?"ref":(\d+)\}')


class Talker:
    """One client of a crowd.

    Attributes:
        acked: ranges of refs, both ends included.
        told: refs with an error, by its code.
    """

    def __init__(self, port: int, name: str, room: str, source: str = "") -> None:
        self.name, self.room = name, room
        self.wire = Wire(port, name, source=source)
        self.wire.receive()
        self.joined = self.wire.ask(type="join_room", roomId=room, ref="join").get("type") == "ack"
        self.wire.socket.setblocking(False)
        self.sent = self.answered = 0
        self.acked: list[list[int]] = []
        self.told: dict[str, int] = {}
        self.open = True
        self._out = memoryview(b"")
        self._rest = b""

    @property
    def unfinished(self) -> bool:
        """Whether a part of the last block is still to be sent."""
        return bool(self._out)

    def write(self, count: int) -> None:
        """Send what is left of the last block, or a block of so many messages."""
        if not self._out and count > 0:
            self._out = memoryview(b"".join(self._message(self.sent + n) for n in range(count)))
            self.sent += count
        try:
            self._out = self._out[self.wire.socket.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self.open = False

    def read(self) -> None:
        """Read what there is, and note what was acked or refused."""
        try:
            data = self.wire.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.open = False
            return
        data = self._rest + data
        end = data.rfind(b"}") + 1
        self._rest, data = data[end:], data[:end]
        if self._rest[:1] == CLOSING:
            with suppress(OSError):
                self.wire.close()
            self.open = False
        for ref in map(int, ACK.findall(data)):
            self.answered += 1
            if self.acked and self.acked[-1][1] == ref - 1:
                self.acked[-1][1] = ref
            else:
                self.acked.append([ref, ref])
        for code, _ in ERROR.findall(data):
            self.answered += 1
            self.told[code.decode()] = self.told.get(code.decode(), 0) + 1

    def _message(self, ref: int) -> bytes:
        return frame(
            TEXT,
            b'{"type":"send_message","roomId":"%s","content":"%s %d","ref":%d}'
            % (self.room.encode(), self.name.encode(), ref, ref),
        )


def flood(
    until: Until,
    port: int,
    clients: int,
    tag: str = "flood",
    room: str = "general",
    in_flight: int = 0,
    addresses: int = 1,
    messages: int = 0,
    rate: float = 0,
) -> dict[str, Any]:
    """Send until told to end, then wait for the last acks.

    Args:
        in_flight: the most unanswered messages of a client; 0 for no limit.
        addresses: how many addresses they come from, 127.0.0.1 and up.
        messages: the most that each sends; 0 for no limit.
        rate: messages a second of all together, by plan, whatever is answered; 0 for no limit.
    """
    crowd = []
    for n in range(clients):
        source = f"127.0.0.{1 + n % addresses}" if addresses > 1 else ""
        crowd.append(Talker(port, f"{tag}-{n}", room, source))
    start = time.monotonic()
    _talk(until, crowd, Plan(in_flight or math.inf, messages or math.inf, rate / clients))
    for one in crowd:
        one.wire.socket.close()
    told: dict[str, int] = {}
    for one in crowd:
        for code, count in one.told.items():
            told[code] = told.get(code, 0) + count
    return {
        "acked": {one.name: one.acked for one in crowd},
        "sent": sum(one.sent for one in crowd),
        "answered": sum(one.answered for one in crowd),
        "told": told,
        "seconds": time.monotonic() - start,
        "shares": [one.answered for one in crowd],
    }


class Plan(NamedTuple):
    """How much a client may send: unanswered messages, messages in all, and messages a second."""

    in_flight: float
    messages: float
    rate: float

    def next(self, one: Talker, elapsed_s: float) -> int:
        """How many messages a client may send now."""
        due = self.rate * elapsed_s if self.rate else math.inf
        allowed = min(self.in_flight + one.answered, self.messages, due)
        return int(min(BLOCK, allowed - one.sent))


def _talk(until: Until, crowd: list[Talker], plan: Plan) -> None:
    start, over_at = time.monotonic(), 0.0

    def events(one: Talker) -> int:
        more = not over_at and plan.next(one, time.monotonic() - start) > 0
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if more or one.unfinished else 0)

    with selectors.DefaultSelector() as selector:
        for one in crowd:
            selector.register(one.wire.socket, events(one), one)
        while any(one.open for one in crowd):
            if not over_at and until.over():
                over_at = time.monotonic()
            finished = all(one.answered >= one.sent or not one.open for one in crowd)
            if over_at and (finished or time.monotonic() > over_at + LAST_ACKS_S):
                return
            ready = selector.select(0.01 if plan.rate else 0.05)
            for key, happened in ready:
                one = key.data
                if happened & selectors.EVENT_READ:
                    one.read()
                if happened & selectors.EVENT_WRITE:
                    one.write(plan.next(one, time.monotonic() - start))
                if not one.open:
                    selector.unregister(one.wire.socket)
            for one in crowd if plan.rate else [key.data for key, _ in ready]:
                if one.open and (wanted := events(one)) != selector.get_key(one.wire.socket).events:
                    selector.modify(one.wire.socket, wanted, one)
