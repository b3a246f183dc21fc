"""Plain HTTP beside the chat, on the same port: health, statistics, metrics, and refusals."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from chatlab.chat import prometheus
from chatlab.chat import snapshot as snapshots
from chatlab.chat.protocol import ErrorFrame, encode
from chatlab.chat.snapshot import Snapshot


class HttpDesk:
    """Answers plain requests, and decides which handshakes may go on.

    Args:
        snapshot: the server's account of itself, now.
        token: a secret that clients must show, if any.
        closed: why no more clients are let in, e.g. because the server is full; "" if they are.
    """

    def __init__(
        self, snapshot: Callable[[], Snapshot], token: str | None, closed: Callable[[], str]
    ) -> None:
        self._snapshot = snapshot
        self._token = token
        self._closed = closed

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request; None for a WebSocket handshake that may go on."""
        url = urlsplit(request.path)
        if url.path == "/health":
            return _json(connection, HTTPStatus.OK, self._health())
        if not self._allowed(url.query):
            return _refuse(
                connection, HTTPStatus.UNAUTHORIZED, "bad_token", "add &token=... to the address"
            )
        if request.headers.get("Upgrade", "").lower() == "websocket" and url.path in (
            "/",
            "/stats",
        ):
            if reason := self._closed():
                return _refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, "server_full", reason)
            return None
        return self._page(connection, url.path)

    def _page(self, connection: ServerConnection, path: str) -> Response:
        match path:
            case "/":
                url = self._snapshot().url
                hint = f"This is a chatlab server. Talk to it with: chatlab chat {url}\n"
                return connection.respond(HTTPStatus.UPGRADE_REQUIRED, hint)
            case "/stats":
                return _json(connection, HTTPStatus.OK, snapshots.encode(self._snapshot()))
            case "/metrics":
                text = prometheus.render(self._snapshot())
                return _typed(connection.respond(HTTPStatus.OK, text), prometheus.CONTENT_TYPE)
            case _:
                known = "there are /, /health, /stats and /metrics"
                return _refuse(connection, HTTPStatus.NOT_FOUND, "not_found", known)

    def _health(self) -> bytes:
        reason = self._closed()
        return msgspec.json.encode({"status": reason or "ok", "mode": self._snapshot().mode})

    def _allowed(self, query: str) -> bool:
        if self._token is None:
            return True
        shown = parse_qs(query).get("token", [""])[0]
        return hmac.compare_digest(shown.encode(), self._token.encode())


def _refuse(connection: ServerConnection, status: HTTPStatus, code: str, text: str) -> Response:
    return _json(connection, status, encode(ErrorFrame(code, text)))


def _json(connection: ServerConnection, status: HTTPStatus, body: bytes) -> Response:
    return _typed(connection.respond(status, body.decode()), "application/json")


def _typed(response: Response, content_type: str) -> Response:
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response
