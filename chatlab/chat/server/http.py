"""Everything but the chat on its port: health, statistics (as a page or a stream), Prometheus
metrics, and refused handshakes."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.protocol import State

from chatlab.chat import snapshot as snapshots
from chatlab.chat.protocol import ErrorFrame, encode
from chatlab.chat.secret import HOW_TO_SHOW_A_SECRET, check_secret
from chatlab.chat.snapshot import Snapshot

STATS_INTERVAL_S = 1.0
STATS_INTERVAL_MIN_S, STATS_INTERVAL_MAX_S = 0.05, 60.0
LATENCIES = (
    *("ack_ms", "save_ms", "delivery_ms", "ack_from_due_ms", "delivery_from_due_ms"),
    "loop_lag_ms",
)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HttpDesk:
    """Answers plain requests, and decides which handshakes may go on.

    Args:
        snapshot: makes a snapshot of the server.
        token: a secret that clients must show, if any.
        closed: why the server lets no more clients in, e.g. because it is full; "" if it does.
    """

    def __init__(
        self, snapshot: Callable[[], Snapshot], token: str | None, closed: Callable[[], str]
    ) -> None:
        self._snapshot = snapshot
        self._token = None if token is None else check_secret(token)
        self._closed = closed

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request; None for a WebSocket handshake that may go on."""
        url = urlsplit(request.path)
        if url.path == "/health":
            return _json(connection, HTTPStatus.OK, self._health())
        if wrong := self._wrong_token(url.query):
            text = f"{wrong}: {HOW_TO_SHOW_A_SECRET}"
            return _refuse(connection, HTTPStatus.UNAUTHORIZED, "bad_token", text)
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if upgrade and url.path in ("/", "/stats"):
            if reason := self._closed():
                return _refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, "server_full", reason)
            return None
        return self._page(connection, url.path)

    async def stream_stats(
        self, connection: ServerConnection, push: Callable[[bytes], None], interval: str
    ) -> None:
        """Push a snapshot every `interval` seconds, until the watcher leaves or is too slow."""
        try:
            interval_s = min(STATS_INTERVAL_MAX_S, max(STATS_INTERVAL_MIN_S, float(interval)))
        except ValueError:
            interval_s = STATS_INTERVAL_S
        while connection.state is State.OPEN:
            push(snapshots.encode(self._snapshot()))
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await connection.wait_closed()

    def _page(self, connection: ServerConnection, path: str) -> Response:
        match path:
            case "/":
                url = self._snapshot().url
                hint = f"This is a chatlab server. Talk to it with: chatlab chat {url}\n"
                return connection.respond(HTTPStatus.UPGRADE_REQUIRED, hint)
            case "/stats":
                return _json(connection, HTTPStatus.OK, snapshots.encode(self._snapshot()))
            case "/metrics":
                text = metrics_text(self._snapshot())
                return _typed(connection.respond(HTTPStatus.OK, text), METRICS_TYPE)
            case _:
                known = "there are /, /health, /stats and /metrics"
                return _refuse(connection, HTTPStatus.NOT_FOUND, "not_found", known)

    def _health(self) -> bytes:
        reason = self._closed()
        return msgspec.json.encode({"status": reason or "ok", "mode": self._snapshot().mode})

    def _wrong_token(self, query: str) -> str:
        """What is wrong with the secret that a client shows; "" if nothing is."""
        if self._token is None:
            return ""
        shown = parse_qs(query).get("token", [""])[0]
        if hmac.compare_digest(shown.encode(), self._token.encode()):
            return ""
        return "that is not this server's secret" if shown else "this server asks for a secret"


def _refuse(connection: ServerConnection, status: HTTPStatus, code: str, text: str) -> Response:
    return _json(connection, status, encode(ErrorFrame(code, text)))


def _json(connection: ServerConnection, status: HTTPStatus, body: bytes) -> Response:
    return _typed(connection.respond(status, body.decode()), "application/json")


def _typed(response: Response, content_type: str) -> Response:
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response


def metrics_text(snapshot: Snapshot) -> str:
    """A snapshot in the Prometheus text format, version 0.0.4."""
    return "\n".join(_metric_lines(snapshot)) + "\n"


def _metric_lines(snapshot: Snapshot) -> Iterator[str]:
    yield from _metric(
        "info", "gauge", {f'mode="{_escaped(snapshot.mode)}",ack_means="{snapshot.ack_means}"': 1}
    )
    for name, count in msgspec.structs.asdict(snapshot.counts).items():
        yield from _metric(f"{name}_total", "counter", {"": count})
    yield from _metric(
        "refusals_total",
        "counter",
        {f'code="{code}"': count for code, count in snapshot.refusals.items()},
    )
    yield from _metric("clients", "gauge", {"": snapshot.clients})
    yield from _metric("queue_depth", "gauge", {"": snapshot.queue.depth})
    yield from _metric("queue_oldest_seconds", "gauge", {"": snapshot.queue.oldest_s})
    waiting = snapshot.waiting
    yield from _metric("waiting_messages", "gauge", {"": waiting.messages})
    if waiting.bytes is not None:
        yield from _metric("waiting_bytes", "gauge", {"": waiting.bytes})
    yield from _metric("waiting_oldest_seconds", "gauge", {"": waiting.oldest_s})
    for field in ("reads", "writes", "fsyncs", "bytes_read", "bytes_written"):
        yield from _metric(
            f"file_{field}_total",
            "counter",
            {f'file="{name}"': getattr(io, field) for name, io in snapshot.files.items()},
        )
    for name in LATENCIES:
        sample = getattr(snapshot, name)
        values = {"0.5": sample.p50, "0.95": sample.p95, "0.99": sample.p99}
        yield from _metric(
            f"{name.removesuffix('_ms')}_milliseconds",
            "gauge",
            {f'quantile="{q}"': value for q, value in values.items() if value is not None},
        )
    yield from _metric("cpu_seconds_total", "counter", {"": snapshot.cpu_s})
    yield from _metric("resident_memory_bytes", "gauge", {"": snapshot.rss_bytes})


def _metric(name: str, kind: str, values: dict[str, float]) -> Iterator[str]:
    yield f"# TYPE chatlab_{name} {kind}"
    for labels, value in values.items():
        yield f"chatlab_{name}{{{labels}}} {value}" if labels else f"chatlab_{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
