"""RFC 6455 by hand: frames as bytes, right and wrong ones, and a connection that sends them.

Knows nothing of chatlab but its JSON. The mask is all zeros, which the standard lets a client
choose: so what is sent is what one reads here, and a block of frames can be made once.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from typing import Any

MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WAIT_S = 10.0
HERE = "127.0.0.1"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, length: int = -1) -> bytes:
    """One frame; with `length`, its header announces another length than the payload has."""
    size = len(payload) if length < 0 else length
    first = (fin << 7) | opcode
    if size < 126:
        header = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        header = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, size)
    return header + bytes(4) + payload


def text(**request: Any) -> bytes:
    """A request, such as `text(type="list_rooms", ref=1)`, in one frame."""
    return frame(TEXT, json.dumps(request).encode())


def handshake(path: str) -> bytes:
    """The request that opens a connection."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HERE}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class Wire:
    """One raw connection, after its handshake.

    Args:
        port: of the server, on this machine.
        user: who it says it is; or `path` names all that is asked for.
        source: the address that it comes from.

    Attributes:
        status: of the handshake: 101, or an HTTP status that refuses it; 0 for none.
        body: of a refusal.
        closed: the code and the reason of the server's close frame; (1006, "") without one.
    """

    def __init__(self, port: int, user: str = "", *, path: str = "", source: str = "") -> None:
        where = (source, 0) if source else None
        self.socket = socket.create_connection((HERE, port), WAIT_S, where)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = (1006, "")
        self.unread = b""
        self.socket.sendall(handshake(path or f"/?user={user}"))
        while b"\r\n\r\n" not in self.unread and self._more():
            pass
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        self.status = int(head.split()[1]) if head else 0
        if self.status != 101:
            while self._more():
                pass
        self.body = b"" if self.status == 101 else self.unread

    def send(self, **request: Any) -> None:
        """Send one request."""
        self.socket.sendall(text(**request))

    def ask(self, wait_s: float = WAIT_S, **request: Any) -> dict[str, Any]:
        """Send a request with a `ref`, and return the answer to it; {} if it closes instead."""
        self.send(**request)
        while (got := self.receive(wait_s)) is not None:
            answer: dict[str, Any] = json.loads(got)
            if answer.get("ref") == request["ref"]:
                return answer
        return {}

    def receive(self, wait_s: float = WAIT_S) -> bytes | None:
        """The next text; None once the server has closed. Answers pings.

        Raises:
            TimeoutError: nothing came for so long.
        """
        self.socket.settimeout(wait_s)
        while (one := self._frame()) is not None:
            opcode, payload = one
            if opcode == TEXT:
                return payload
            if opcode == PING:
                self.socket.sendall(frame(PONG, payload))
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                self.closed = (code, payload[2:].decode(errors="replace"))
                return None
        return None

    def until_closed(self, wait_s: float = WAIT_S) -> tuple[int, str]:
        """Read on until the server closes; the code and the reason, (0, "") if it does not."""
        try:
            while self.receive(wait_s) is not None:
                pass
        except TimeoutError:
            return (0, "")
        return self.closed

    def close(self) -> None:
        """Leave politely, without waiting."""
        with suppress(OSError):
            self.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        self.socket.close()

    def _frame(self) -> tuple[int, bytes] | None:
        while True:
            if (cut := first_frame(self.unread)) is not None:
                opcode, payload, self.unread = cut
                return opcode, payload
            if not self._more():
                return None

    def _more(self) -> bool:
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError:  # reset
            return False
        self.unread += data
        return bool(data)


def first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The opcode, the payload and what follows of a server's first frame; None if not whole."""
    if len(data) < 2:
        return None
    size, start = data[1] & 0x7F, 2
    if size > 125:
        start = 4 if size == 126 else 10
        size = int.from_bytes(data[2:start], "big")
        if len(data) < start:
            return None
    end = start + size
    return (data[0] & 0x0F, data[start:end], data[end:]) if len(data) >= end else None
