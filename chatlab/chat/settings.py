"""How the parts behave: one frozen object handed to every part, and its knobs.

A knob is a setting that users turn. It is declared here, once: its name, default, bounds, unit and
help. From that come the option of `chatlab serve`, the knob in a mode's name
(`optimized+batch-size=10`, so that two settings can be compared like two modes), the list that
`chatlab modes --knobs` prints, and a server child's job. `modes.py` reads the names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from chatlab.errors import UsageError

Clock = Callable[[], float]
"""Seconds that only ever go up, from an arbitrary start: `time.perf_counter`, or a fake one."""


class Knob(msgspec.Struct, frozen=True):
    """A number that users can set.

    Attributes:
        name: after `--`, and in a mode's name.
        lowest, highest: the bounds; both are allowed.
        unit: of the number, in words.
        help: one sentence for `chatlab serve --help`.
        field: of `Settings`.
        default: its value there. If it is a whole number, every value must be one.
    """

    name: str
    lowest: float
    highest: float
    unit: str
    help: str
    field: str = ""
    default: float = 0

    @property
    def bounds(self) -> str:
        """`from 1 to 1,000,000`."""
        return f"from {self.lowest:,g} to {self.highest:,.0f}"

    @property
    def words(self) -> str:
        """`a whole number of messages, from 1 to 1,000,000`."""
        kind = "whole number" if isinstance(self.default, int) else "number"
        return f"a {kind} of {self.unit}, {self.bounds}"

    def value(self, text: str) -> float:
        """The number that a user's text sets this knob to.

        Raises:
            UsageError: not a number, or out of bounds; the text says what is allowed.
        """
        try:
            value: float = type(self.default)(text)
        except ValueError:
            value = float("nan")
        if not self.lowest <= value <= self.highest:  # NaN compares with nothing
            raise UsageError(f"{self.name}={text}: it must be {self.words}")
        return value


def _knob(default: float, *declared: Any) -> Any:
    """A field of `Settings` that is a knob: its default, then the first attributes of `Knob`."""
    return field(default=default, metadata={"knob": Knob(*declared)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings; the defaults are those of the training that chatlab grew out of.

    Attributes:
        batch_size_max: messages; a queueing processor flushes when this many wait.
        flush_interval_s: seconds; ... or when the oldest has waited this long.
        queue_limit: messages; beyond it, a message is refused as `overloaded`.
        client_queue_limit: messages; the server stops reading from a client with this many
            unsaved ones, so that one flooding client cannot fill the queue for all. Where more
            than ten clients have some, with its share of ten times as many.
        turn_size: messages; a client with more to say waits for its next turn after so many, and
            gets no more than its share of a batch. 0: first come, first served.
        cache_ttl_s: seconds; lifetime of a file in a TTL reader's cache.
        reads_at_once_max: concurrent reads of one file.
        retry_first_s, retry_max_s: seconds; a failed flush waits this long, doubling each time.
        drain_timeout_s: seconds; how long a stopping server tries to save its queue.
        segment_bytes_max: bytes; a journal starts a new segment when the last one has this many.
        compress_segments: whether a journal compresses the segments that it no longer adds to.
        log_pages_max: pages of 4 KiB; a log with this many is copied into the database before the
            next save.
        send_buffer_max: bytes; a client with more unread than this is disconnected.
        clients_max, watchers_max: connections to the chat, and to `/stats`; beyond them, the server
            answers HTTP 503. The last tenth is kept for addresses that have few: see `door.py`.
        silence_max_s: seconds; a client that shows no sign of life for so long is disconnected.
        name_check_s: seconds; one that does not answer within them loses its name to a newcomer.
    """

    batch_size_max: int = _knob(
        *(100, "batch-size", 1, 1_000_000, "messages"),
        "Queueing only: save once this many messages wait.",
    )
    flush_interval_s: float = _knob(
        *(0.05, "flush-interval", 0, 3_600, "seconds"),
        "Queueing only: ... or once the oldest has waited this long.",
    )
    queue_limit: int = _knob(
        *(10_000, "queue-limit", 1, 10_000_000, "messages"),
        "Queueing, group commit: refuse messages beyond this many as `overloaded`.",
    )
    client_queue_limit: int = 1_000
    turn_size: int = _knob(
        *(32, "turn-size", 0, 1_000_000, "messages"),
        "What a client may say before others get a turn; 0: first come, first served.",
    )
    cache_ttl_s: float = _knob(
        *(3.0, "cache-ttl", 0, 86_400, "seconds"),
        "Caching only: cache lifetime of a file.",
    )
    reads_at_once_max: int = 5
    retry_first_s: float = 0.1
    retry_max_s: float = 5.0
    drain_timeout_s: float = 10.0
    segment_bytes_max: int = _knob(
        *(8 * 1024 * 1024, "segment-size", 1, 2**30, "bytes"),
        "Journal only: start a new segment after this many bytes.",
    )
    compress_segments: bool = False
    log_pages_max: int = 2_000
    send_buffer_max: int = 1024 * 1024
    clients_max: int = 1_200
    watchers_max: int = 100
    silence_max_s: float = 75.0
    name_check_s: float = 2.0


KNOBS: dict[str, Knob] = {
    knob.name: msgspec.structs.replace(knob, field=one.name, default=one.default)
    for one in fields(Settings)
    if (knob := one.metadata.get("knob"))
}
"""Every knob, by its name."""
