"""The knobs that `chatlab serve` offers, in one frozen object handed to every part.

Some of them can also stand in a mode's name: `knobs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds that only ever go up, from an arbitrary start: `time.perf_counter`, or a fake one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the parts behave; the defaults are those of the training that chatlab grew out of.

    Attributes:
        batch_size_max: messages; a queueing processor flushes when so many wait.
        flush_interval_s: seconds; ... or when the oldest has waited so long.
        queue_limit: messages; one more is refused as `overloaded`.
        client_queue_limit: messages; a client with so many unsaved ones is read from no further
            until some are saved, so that one flooding client cannot fill the queue for all.
        cache_ttl_s: seconds; how long a TTL reader trusts what it has read.
        reads_at_once_max: reads of one file that may be under way at the same time.
        retry_first_s, retry_max_s: seconds; a failed flush waits this long, doubling each time.
        drain_timeout_s: seconds; how long a stopping server tries to save what is queued.
        segment_bytes_max: bytes; a journal begins a new segment when the last one has so many.
        compress_segments: whether a journal keeps those compressed that it no longer adds to.
        log_pages_max: pages of 4 KiB; a database's log with so many is carried into the database
            before the next save.
        send_buffer_max: bytes; a client with more unread than this is disconnected.
        clients_max: connections; one more is turned away with HTTP 503.
    """

    batch_size_max: int = 100
    flush_interval_s: float = 0.05
    queue_limit: int = 10_000
    client_queue_limit: int = 1_000
    cache_ttl_s: float = 3.0
    reads_at_once_max: int = 5
    retry_first_s: float = 0.1
    retry_max_s: float = 5.0
    drain_timeout_s: float = 10.0
    segment_bytes_max: int = 8 * 1024 * 1024
    compress_segments: bool = False
    log_pages_max: int = 2_000
    send_buffer_max: int = 1024 * 1024
    clients_max: int = 1_000
