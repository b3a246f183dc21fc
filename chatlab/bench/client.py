"""One WebSocket connection to a chat server, for all clients: the load generator, `chatlab chat`
and `chatlab top`.

Built on `picows`, whose parsing is compiled: a load generator in Python must spend its time on
measuring, not on frames. A callback gets each frame, in the event loop, as it arrives.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from chatlab.bench import strangers
from chatlab.bench.address import shown, snapshot_url
from chatlab.chat import snapshot as snapshots
from chatlab.chat.protocol import ErrorFrame, Welcome, decode_outgoing
from chatlab.chat.snapshot import Snapshot
from chatlab.errors import UsageError

HANDSHAKE_TIMEOUT_S = 10.0
WELCOME_TIMEOUT_S = 30.0
"""A server that others keep busy may take long."""
HTTP_TIMEOUT_S = 10.0
HTTP_BYTES_MAX = 16 * 1024 * 1024
TEXT_FRAME, MASKED = 0x81, 0x80
SHORT, LONG = 125, 0xFFFF
_NOT_UNDERSTOOD = (msgspec.MsgspecError, UnicodeError, RecursionError)
OnFrame = Callable[[bytes], None]
Understand = Callable[[bytes], object]


def welcome(frame: bytes) -> None:
    """Understand a chat server's first frame; raises `msgspec.MsgspecError` if it is none."""
    if not isinstance(decode_outgoing(frame), Welcome | ErrorFrame):
        raise msgspec.ValidationError("neither a welcome nor an error")


class Connection(WSListener):
    """An open connection.

    Args:
        on_frame: called with each text frame's bytes.
        understand: raises `msgspec.MsgspecError` if the first frame is not what it should be; None
            if any frame will do.

    Attributes:
        greeted: set when the first frame has come, and is what it should be.
        stranger: a frame that is not what it should be, in words; empty if there was none.
        closed: set when either side has ended the connection.
        close_reason: what the server said when it closed; empty if it said nothing.
    """

    def __init__(self, on_frame: OnFrame, understand: Understand | None = None) -> None:
        super().__init__()
        self._on_frame = on_frame if understand is None else self._first_frame
        self._later = on_frame
        self._understand = understand
        self._transport: WSTransport | None = None
        self.greeted = asyncio.Event()
        self.stranger = ""
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

    @property
    def is_open(self) -> bool:
        """Whether it was opened; it may have ended since."""
        return self._transport is not None

    async def close(self) -> None:
        """Close the connection, and wait until it has ended."""
        if self._transport is not None and not self.closed.is_set():
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
            await self.closed.wait()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._ending = asyncio.ensure_future(self._until_closed(transport))

    async def _until_closed(self, transport: WSTransport) -> None:
        try:
            await transport.wait_disconnected()
        except WSError as error:
            self._misunderstood(f"it breaks the protocol: {error.args[-1]}", "no WebSocket's")
        except Exception:  # a bug of ours: picows reports it
            self.close_reason = "an error in this client"
        finally:
            self.closed.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._hand_over(frame.get_payload_as_bytes(), transport)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_reason = frame.get_close_reason() or ""
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.BINARY:
            self._misunderstood("it is binary", "a binary frame")
            transport.disconnect()

    def _hand_over(self, data: bytes, transport: WSTransport) -> None:
        if self.close_reason:
            return  # the connection is being closed
        try:
            self._on_frame(data)
        except _NOT_UNDERSTOOD as error:
            # If it were raised here, the event loop would swallow it.
            self._misunderstood(
                str(error), strangers.quoted(data[:1_000].decode("utf-8", "replace"))
            )
            transport.disconnect()

    def _first_frame(self, data: bytes) -> None:
        assert self._understand is not None
        self._understand(data)
        self._on_frame = self._later
        self.greeted.set()
        self._on_frame(data)

    def _misunderstood(self, why: str, said: str) -> None:
        self.stranger = said
        self.close_reason = f"a frame that cannot be understood: {why}"


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


async def connect(
    url: str,
    on_frame: OnFrame,
    understand: Understand | None = welcome,
    timeout_s: float = WELCOME_TIMEOUT_S,
) -> Connection:
    """Open a connection; it is there once the server's first frame has been handed over.

    Args:
        url: of the page to connect to.
        on_frame, understand: as for `Connection`.
        timeout_s: how long the first frame may take.

    Raises:
        UsageError: no chat server answers at `url`, or it refuses; the text says which.
    """
    connection = Connection(on_frame, understand)
    await _open(url, connection, min(timeout_s, HANDSHAKE_TIMEOUT_S))
    if understand is not None and not await _is_greeted(connection, timeout_s):
        left = connection.close_reason if connection.closed.is_set() else None
        await connection.close()
        if connection.stranger:
            raise UsageError(strangers.first_frame(url, connection.stranger))
        raise UsageError(strangers.no_first_frame(url, timeout_s, close_reason=left))
    return connection


async def _open(url: str, connection: Connection, timeout_s: float) -> None:
    """Connect, and open the WebSocket; raises `UsageError`."""
    secure = url.startswith("wss")
    try:
        async with asyncio.timeout(2 * timeout_s):  # picows bounds no more than its handshake
            await ws_connect(
                lambda: connection,
                url,
                max_redirects=0,  # nothing but the address that the user named is contacted
                websocket_handshake_timeout=timeout_s,
                logger_name=_logger(),
                # The faster transport reports a failed TLS handshake by a traceback.
                use_aiofastnet=not secure,
            )
    except WSError as error:
        answer = getattr(error, "response", None)
        if answer is not None:
            body = getattr(error, "raw_body", None)
            said = strangers.http_answer(url, int(answer.status), answer.headers, body)
        else:
            said = await strangers.no_websocket(url, "gives no answer that HTTP/1.1 has", timeout_s)
        raise UsageError(said) from error
    except (OSError, UnicodeError) as error:
        if isinstance(error, UnicodeError):  # of a name that no name server can be asked for
            error = OSError("that is no host's name")
        silent = isinstance(error, TimeoutError) and bool(error.args)  # picows gave up, not we
        if silent or (secure and not isinstance(error, strangers.TOLD_BY_THEMSELVES)):
            what = f"said nothing within {timeout_s:g} s" if silent else "speaks no TLS"
            raise UsageError(await strangers.no_websocket(url, what, timeout_s)) from error
        raise UsageError(strangers.no_connection(url, error)) from error
    if not connection.is_open:
        raise UsageError(
            await strangers.no_websocket(url, "ends the connection at once", timeout_s)
        )


async def _is_greeted(connection: Connection, timeout_s: float) -> bool:
    """Wait for the first frame: whether one came that is understood."""
    first = [asyncio.ensure_future(e.wait()) for e in (connection.greeted, connection.closed)]
    try:
        await asyncio.wait(first, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in first:
            one.cancel()
    return connection.greeted.is_set()


def _logger() -> logging.Logger:
    """Takes what picows reports: a bug is told, with its traceback, a stranger's mistake is not."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: bool(record.exc_info))
    logger = logging.Logger("picows", logging.WARNING)
    logger.addHandler(handler)
    return logger


async def fetch_snapshot(url: str, timeout_s: float = HTTP_TIMEOUT_S) -> Snapshot:
    """One snapshot of the server at `url`.

    Args:
        url: its address.
        timeout_s: how long it may be silent, and about how long it may take.

    Raises:
        UsageError: the server does not give one.
    """
    try:
        return snapshots.decode(await asyncio.to_thread(_get, snapshot_url(url), timeout_s))
    except (OSError, http.client.HTTPException, ValueError, *_NOT_UNDERSTOOD) as error:
        raise UsageError(f"no statistics from {shown(url)}: {error}") from error


def _get(address: str, timeout_s: float) -> bytes:
    # No proxy and no redirection: only the address that the user named is ever contacted.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    data, end = b"", time.monotonic() + timeout_s
    with opener.open(address, timeout=timeout_s) as answer:
        while piece := answer.read1(HTTP_BYTES_MAX):
            data += piece
            if len(data) > HTTP_BYTES_MAX or time.monotonic() > end:
                raise ValueError("it says too much, or says it too slowly")
    return data


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere: the redirection becomes an error."""
