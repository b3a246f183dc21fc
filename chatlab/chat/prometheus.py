"""`GET /metrics`: a snapshot in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chatlab.chat.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(snapshot: Snapshot) -> str:
    """The text that a Prometheus server scrapes."""
    return "\n".join(_lines(snapshot)) + "\n"


def _lines(snapshot: Snapshot) -> Iterator[str]:
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
    for field in ("reads", "writes", "fsyncs", "bytes_read", "bytes_written"):
        yield from _metric(
            f"file_{field}_total",
            "counter",
            {f'file="{name}"': getattr(io, field) for name, io in snapshot.files.items()},
        )
    for name in ("ack_ms", "save_ms", "delivery_ms", "loop_lag_ms"):
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
