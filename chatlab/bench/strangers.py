"""Who answers in the place of a chat server: found out, and said in one sentence that a newcomer
can act upon.

What a stranger says is shown in quotes, and with each character that acts on a terminal escaped.
`client.py` asks here once it has failed to connect, or has heard no chat server's first frame.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from chatlab.bench.address import how_to_start, shown
from chatlab.errors import system_words

QUOTED_MAX = 60
WORDS_BYTES_MAX = 1_000
WORDS_TIMEOUT_S = 2.0
_ERROR_NUMBER = re.compile(r"\[(?:Errno|WinError) (-?\d+)\]")
_TLS_ALERT = b"\x15\x03"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d\d\d)\b")
TOLD_BY_THEMSELVES = (
    ConnectionRefusedError,
    TimeoutError,
    socket.gaierror,
    ssl.SSLCertVerificationError,
)
"""Errors of a TLS connection that say what is wrong; others need a second look at the server."""
_NO_CHAT_SERVER = "so it is no chat server: check the address"


def no_connection(url: str, error: OSError) -> str:
    """Why nothing was connected."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {shown(url)} is not trusted ({error.verify_message}): check the "
            "address; for a certificate of your own, set SSL_CERT_FILE to its file"
        )
    nobody = f"no server answers at {shown(url)} ({_why(error)})"
    if _is_refused(error):
        nobody = f"nothing listens on {urlsplit(url).netloc}"
    return f"{nobody}: {how_to_start(url)}"


def http_answer(url: str, status: int, headers: Mapping[str, str], body: bytes | None) -> str:
    """What a server says that does not open a WebSocket, but answers as a web server does."""
    if words := _own_words(body):
        return f"{shown(url)} refused the connection: {words}"
    answers = f"{shown(url)} answers {status}"
    with suppress(ValueError):
        answers += f" {HTTPStatus(status).phrase}"
    if 300 <= status < 400:
        where = quoted(headers.get("location", ""))
        return f"{answers} and sends us to {where}: give that address, if you trust it"
    if b"HTTPS port" in (body or b""):
        return f"{answers}: it speaks TLS; write {_with_other_scheme(url)}"
    if status in (502, 503, 504):
        return f"{answers}: a proxy, it seems, and no chat server runs behind it"
    return f"{answers}, as a web server does, {_NO_CHAT_SERVER}"


def first_frame(url: str, said: str) -> str:
    """What a server is whose first frame is no welcome of a chat server."""
    return (
        f"{shown(url)} is a WebSocket server, but no chat server of this version: its first words "
        f"are {said}. Check the address, and that both run the same chatlab"
    )


def no_first_frame(url: str, timeout_s: float, *, close_reason: str | None) -> str:
    """What to say of a WebSocket without a welcome.

    Args:
        close_reason: what the server said as it closed the connection; None if it did not.
    """
    if close_reason is None:
        said = f"said nothing within {timeout_s:g} s"
    else:
        said = f"closed it again ({quoted(close_reason) if close_reason else 'without a reason'})"
    return (
        f"{shown(url)} opened a WebSocket and {said}: it is no chat server, or one with too much "
        "to do"
    )


async def no_websocket(url: str, what: str, timeout_s: float) -> str:
    """What to say of a server that neither opens a WebSocket nor says why not.

    Asks it once more, in plain HTTP, and looks at how it answers.

    Args:
        what: it did at the first try: "closed the connection", say.
        timeout_s: how long it may take to answer; at most two seconds count.
    """
    timeout_s = min(timeout_s, WORDS_TIMEOUT_S)
    tls = asyncio.ensure_future(_speaks_tls(url, timeout_s))  # at the same time: it may be silent
    try:
        words = await _first_words(url, timeout_s)
        is_tls = words.startswith(_TLS_ALERT) or (not words and await tls)
    finally:
        tls.cancel()
    secure = urlsplit(url).scheme == "wss"
    if is_tls and not secure:
        return f"{shown(url)} speaks TLS: write {_with_other_scheme(url)}"
    if found := _STATUS_LINE.match(words):
        if secure:
            return f"{shown(url)} speaks plain HTTP, without TLS: write {_with_other_scheme(url)}"
        return http_answer(url, int(found[1]), {}, None)
    if words and not is_tls:
        text = words.partition(b"\n")[0].decode("utf-8", "replace").rstrip()
        return f"{shown(url)} says {quoted(text)}, {_NO_CHAT_SERVER}"
    return f"{shown(url)} {what}: it is no chat server, or one in trouble; check the address"


def quoted(text: str) -> str:
    """A stranger's words, shortened, in quotes and harmless."""
    return repr(text if len(text) <= QUOTED_MAX else f"{text[:QUOTED_MAX]}...")


async def _first_words(url: str, timeout_s: float) -> bytes:
    parts = urlsplit(url)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                return await reader.read(WORDS_BYTES_MAX)
            finally:
                writer.close()
    return b""


async def _speaks_tls(url: str, timeout_s: float) -> bool:
    """Whether a TLS handshake succeeds, whoever vouches for the server; nothing is sent."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(url)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=anyone)
            writer.close()
            return True
    return False


def _own_words(body: bytes | None) -> str:
    """The message in a chat server's HTTP answer; empty if there is none."""
    try:
        return str(json.loads(body or b"")["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _with_other_scheme(url: str) -> str:
    parts = urlsplit(url)
    return f"{'ws' if parts.scheme == 'wss' else 'wss'}://{parts.netloc}"


def _is_refused(error: OSError) -> bool:
    """Whether no process listens there; of a name with several addresses, at none of them."""
    numbers = {int(number) for number in _ERROR_NUMBER.findall(str(error))}
    return isinstance(error, ConnectionRefusedError) or numbers == {errno.ECONNREFUSED}


def _why(error: OSError) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else system_words(error)
