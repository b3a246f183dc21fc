"""Everything but the chat on its port: health, statistics (as a page or a stream), Prometheus
metrics, and refused handshakes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.protocol import State

from chatlab.chat import snapshot as snapshots
from chatlab.chat.protocol import ErrorFrame, encode
from chatlab.chat.rates import Allowance
from chatlab.chat.server.arrivals import LoggingConnection
from chatlab.chat.server.door import Door, NotAdmitted
from chatlab.chat.settings import Clock
from chatlab.chat.snapshot import Snapshot

STATS_INTERVAL_S = 1.0
STATS_INTERVAL_MIN_S, STATS_INTERVAL_MAX_S = 0.05, 60.0
SHARED_S = 0.04
"""Seconds that one snapshot serves everybody who streams: less than the shortest interval."""
FRESH_AT_ONCE, FRESH_EVERY_S = 20, 0.05
LATENCIES = (
    *("ack_ms", "save_ms", "delivery_ms", "ack_from_due_ms", "delivery_from_due_ms"),
    "loop_lag_ms",
)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HttpDesk:
    """Answers plain requests, and decides which handshakes may go on.

    Args:
        snapshot: makes a snapshot of the server.
        door: decides who may come in.
        clock: seconds.
        stopping: whether nobody may come in any more.
        mode: the server's.
        storage: what is wrong with the files, or with saving into them; "" if nothing is.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        door: Door,
        clock: Clock,
        stopping: Callable[[], bool],
        mode: str,
        storage: Callable[[], str],
    ) -> None:
        self._snapshots = SharedSnapshots(snapshot, clock)
        self._door = door
        self._clock = clock
        self._stopping = stopping
        self._mode = mode
        self._storage = storage

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request; None for a WebSocket handshake that may go on."""
        assert isinstance(connection, LoggingConnection)  # else the door does not know it
        url = urlsplit(request.path)
        if url.path == "/health":
            return self._health(connection)
        if unknown := self._door.checked(connection, url.query):
            return _not_admitted(connection, unknown)
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if not (upgrade and url.path in ("/", "/stats")):
            return self._page(connection, url.path)
        if self._stopping():
            return _refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, "server_full", "stopping")
        places = self._door.chats if url.path == "/" else self._door.watchers
        refused = self._door.admit(connection, places)
        return _not_admitted(connection, refused) if refused else None

    async def stream_stats(
        self, connection: ServerConnection, push: Callable[[bytes], None], interval: str
    ) -> None:
        """Push a snapshot every `interval` seconds, until the watcher leaves or is too slow."""
        try:
            interval_s = min(STATS_INTERVAL_MAX_S, max(STATS_INTERVAL_MIN_S, float(interval)))
        except ValueError:
            interval_s = STATS_INTERVAL_S
        moment_s = self._clock()
        while connection.state is State.OPEN:
            push(self._snapshots.encoded())
            # All who look at this interval wake together, at its multiples.
            now = self._clock()
            moment_s = math.ceil(max(moment_s + interval_s, now) / interval_s - 1e-6) * interval_s
            with suppress(TimeoutError):
                async with asyncio.timeout(moment_s - now):
                    await connection.wait_closed()

    def _page(self, connection: LoggingConnection, path: str) -> Response:
        match path:
            case "/":
                url = self._snapshots.latest().url
                hint = f"This is a chatlab server. Talk to it with: chatlab chat {url}\n"
                return connection.respond(HTTPStatus.UPGRADE_REQUIRED, hint)
            case "/stats":
                return _json(connection, HTTPStatus.OK, self._snapshots.encoded(connection.address))
            case "/metrics":
                text = metrics_text(self._snapshots.latest(connection.address))
                return _typed(connection.respond(HTTPStatus.OK, text), METRICS_TYPE)
            case _:
                known = "there are /, /health, /stats and /metrics"
                return _refuse(connection, HTTPStatus.NOT_FOUND, "not_found", known)

    def _health(self, connection: ServerConnection) -> Response:
        full = "full: try again later" if self._door.chats.all_taken else "ok"
        status = "stopping" if self._stopping() else full
        wrong = self._storage()
        body = {"status": status, "mode": self._mode, "storage": wrong or "ok"}
        code = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        return _json(connection, code, msgspec.json.encode(body))


class SharedSnapshots:
    """Snapshots, made and encoded once for all who look at the same moment.

    Args:
        make: makes a snapshot of the server.
        clock: seconds.
    """

    def __init__(self, make: Callable[[], Snapshot], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._made_at = float("-inf")
        # Who asks now and then gets what is true now; who asks all the time, what was just true.
        self._fresh = Allowance(clock, FRESH_AT_ONCE, FRESH_EVERY_S)

    def latest(self, address: str | None = None) -> Snapshot:
        """A snapshot that is not older than `SHARED_S`.

        Args:
            address: of who wants one that is made now, if its allowance lets it.
        """
        now = self._clock()
        if address is not None and not self._fresh.wait_s(address):
            self._fresh.spend(address)
            self._made_at = float("-inf")
        if now - self._made_at > SHARED_S:
            self._snapshot, self._made_at, self._encoded = self._make(), now, b""
        return self._snapshot

    def encoded(self, address: str | None = None) -> bytes:
        """Likewise, in JSON."""
        snapshot = self.latest(address)
        self._encoded = self._encoded or snapshots.encode(snapshot)
        return self._encoded


def _refuse(connection: ServerConnection, status: HTTPStatus, code: str, text: str) -> Response:
    return _json(connection, status, encode(ErrorFrame(code, text)))


def _not_admitted(connection: ServerConnection, why: NotAdmitted) -> Response:
    response = _refuse(connection, why.status, why.code, why.text)
    if why.retry_after_s is not None:
        response.headers["Retry-After"] = str(why.retry_after_s)
    return response


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
