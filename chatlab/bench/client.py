"""One WebSocket connection to a chat server, for all clients: the load generator, `chatlab chat`
and `chatlab top`.

Built on `picows`, whose parsing is compiled: a load generator in Python must spend its time on
measuring, not on frames. A callback gets each frame, in the event loop, as it arrives.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from chatlab.bench.address import how_to_start, shown, snapshot_url
from chatlab.chat import snapshot as snapshots
from chatlab.chat.snapshot import Snapshot
from chatlab.errors import UsageError, system_words

HTTP_TIMEOUT_S = 10.0
TEXT_FRAME, MASKED = 0x81, 0x80
SHORT, LONG = 125, 0xFFFF
_ERROR_NUMBER = re.compile(r"\[(?:Errno|WinError) (-?\d+)\]")
OnFrame = Callable[[bytes], None]


class Connection(WSListener):
    """An open connection.

    Args:
        on_frame: called with each text frame's bytes.

    Attributes:
        closed: set when either side has ended the connection.
        close_reason: what the server said when it closed; empty if it said nothing.
    """

    def __init__(self, on_frame: OnFrame) -> None:
        super().__init__()
        self._on_frame = on_frame
        self._transport: WSTransport | None = None
        self.closed = asyncio.Event()
        self.close_reason = ""

    def send(self, frame: bytes) -> None:
        """Hand a text frame to the socket; does nothing once the connection has ended."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.send(WSMsgType.TEXT, frame)

    def send_framed(self, frames: bytes) -> None:
        """Send frames as `framed` makes them, all at once."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.underlying_transport.write(frames)

    def pause_reading(self) -> None:
        """Stop reading, as a client on a bad line does."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.underlying_transport.resume_reading()

    async def close(self) -> None:
        """Close the connection, and wait until it has ended."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
            await self.closed.wait()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._hand_over(frame.get_payload_as_bytes(), transport)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_reason = frame.get_close_reason() or ""
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _hand_over(self, data: bytes, transport: WSTransport) -> None:
        if self.close_reason:
            return  # the connection is being closed
        try:
            self._on_frame(data)
        except msgspec.MsgspecError as error:
            # If it were raised here, the event loop would swallow it.
            self.close_reason = f"a frame that cannot be understood: {error}"
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self.closed.set()


def framed(payload: bytes) -> bytes:
    """A client's text frame, masked as RFC 6455 demands (sections 5.2 and 5.3)."""
    size = len(payload)
    if size <= SHORT:
        head = bytes((TEXT_FRAME, MASKED | size))
    elif size <= LONG:
        head = bytes((TEXT_FRAME, MASKED | 126)) + size.to_bytes(2)
    else:
        head = bytes((TEXT_FRAME, MASKED | 127)) + size.to_bytes(8)
    key = os.urandom(4)
    mask = int.from_bytes((key * (size // 4 + 1))[:size])
    return head + key + (int.from_bytes(payload) ^ mask).to_bytes(size)


async def connect(url: str, on_frame: OnFrame) -> Connection:
    """Open a connection.

    Raises:
        UsageError: no chat server answers at `url`, or it refuses; the text says which.
    """
    try:
        # The faster transport reports a failed TLS handshake by a traceback on standard error.
        faster = not url.startswith("wss")
        _, connection = await ws_connect(lambda: Connection(on_frame), url, use_aiofastnet=faster)
    except WSError as error:
        raise UsageError(f"{shown(url)} refused the connection: {_words(error)}") from error
    except (OSError, TimeoutError) as error:
        nobody = f"no server answers at {shown(url)} ({_why(error)})"
        if _is_refused(error):
            nobody = f"nothing listens on {urlsplit(url).netloc}"
        raise UsageError(f"{nobody}: {how_to_start(url)}") from error
    assert isinstance(connection, Connection)
    return connection


async def fetch_snapshot(url: str, timeout_s: float = HTTP_TIMEOUT_S) -> Snapshot:
    """One snapshot of the server at `url`.

    Args:
        url: its address.
        timeout_s: how long it may be silent.

    Raises:
        UsageError: the server does not give one.
    """
    try:
        return snapshots.decode(await asyncio.to_thread(_get, snapshot_url(url), timeout_s))
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise UsageError(f"no statistics from {shown(url)}: {error}") from error


def _get(address: str, timeout_s: float) -> bytes:
    # No proxy: nothing but the address that the user named is ever contacted.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=timeout_s) as answer:
        data: bytes = answer.read()
    return data


def _is_refused(error: OSError) -> bool:
    """Whether no process listens there; of a name with several addresses, at none of them."""
    numbers = {int(number) for number in _ERROR_NUMBER.findall(str(error))}
    return isinstance(error, ConnectionRefusedError) or numbers == {errno.ECONNREFUSED}


def _why(error: OSError) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else system_words(error)


def _words(error: WSError) -> str:
    """The message in the server's HTTP answer, if there is one."""
    body = getattr(error, "raw_body", None)
    try:
        return str(json.loads(body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)
