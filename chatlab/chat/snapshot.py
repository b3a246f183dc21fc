"""Everything that a running server shows of itself at one moment: frozen, and ready for JSON.

`GET /stats` sends it, the `/stats` socket streams it, the dashboard draws it and `compare`
subtracts two of them. A view knows nothing else about a server.

Units stand last in each name. Counts start with the server; the line-up's monitor makes rates and
percentiles.
"""

from __future__ import annotations

import msgspec

from chatlab.chat.parts.message_seams import ProcessorStatistics
from chatlab.chat.parts.storage_seams import ReaderStatistics
from chatlab.chat.protocol import AckLevel
from chatlab.disk.counted import FileIO

SCHEMA = "chatlab.stats/1"


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of `n` raw samples, in the unit of the field's name; None if `n` is too small."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    n: int = 0


class Counts(msgspec.Struct, frozen=True):
    """Messages since the start.

    Attributes:
        accepted: passed every check and was handed to the processor.
        acked: an ack was sent for it.
        saved: the store has it.
        delivered: it was sent to everyone live in its room.
        frames: frames sent for that, one or more for each receiver.
        refused: requests of any kind answered with an `error`.
    """

    accepted: int = 0
    acked: int = 0
    saved: int = 0
    delivered: int = 0
    frames: int = 0
    refused: int = 0


class Rates(msgspec.Struct, frozen=True):
    """Per second, over the monitor's sliding window; None where it cannot tell."""

    accepted_per_s: float | None = 0.0
    acked_per_s: float | None = 0.0
    saved_per_s: float | None = 0.0
    delivered_per_s: float | None = 0.0


class Batches(msgspec.Struct, frozen=True):
    """Messages saved together: in the last batch, in the largest, and on average."""

    last: int = 0
    largest: int = 0
    mean: float = 0.0


class Waiting(msgspec.Struct, frozen=True):
    """What has arrived at the server and was not yet taken: it waits outside the parts.

    Attributes:
        messages: at least so many: a socket that holds unread bytes counts as one more.
        bytes: unread in the sockets; None where the system does not say (Windows).
        oldest_s: seconds since the oldest of them arrived; 0 if none waits.
    """

    messages: int = 0
    bytes: int | None = 0
    oldest_s: float = 0.0


class ServerNote(msgspec.Struct, frozen=True):
    """Something that people should know: a failed flush, a client that was too slow.

    Attributes:
        at_s: seconds since the server's start, when it last happened.
        text: one sentence.
        times: how often it happened.
    """

    at_s: float
    text: str
    times: int = 1


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a server at one moment.

    Attributes:
        schema: names and versions this shape.
        url: where clients connect.
        mode: as given to `--mode`.
        parts: the line-up: role to implementation.
        ack_means: the promise of an ack.
        uptime_s: seconds since the start.
        clients: connections now.
        queue: messages accepted and not yet saved.
        waiting: messages that arrived and were not yet taken; with `queue`, all that waits.
        cache: of the reader.
        files: what each data file has cost since the server was ready.
        ack_ms: from the moment at which a message could be read to sending its ack; see
            `server/arrivals.py`.
        save_ms: ... to the end of its save.
        delivery_ms: ... to the last send to its room.
        ack_from_due_ms, delivery_from_due_ms: the same from the time at which a message was due, of
            those that carry it; so a load generator's figures can be held against the server's.
        loop_lag_ms: how late the event loop ran a timer, over the last seconds.
        cpu_s: processor time of the server since its start, in seconds.
        cpu_percent: of one core, since the snapshot before.
        rss_bytes, rss_peak_bytes: resident memory, now and at its highest.
        refusals: how often each error code was sent.
        notes: the latest, newest last.
        simulated: a slower disk, planned faults: one phrase for each.
    """

    schema: str = SCHEMA
    url: str
    mode: str
    parts: dict[str, str]
    ack_means: AckLevel
    uptime_s: float
    clients: int
    counts: Counts
    rates: Rates
    batches: Batches
    queue: ProcessorStatistics
    waiting: Waiting = Waiting()
    cache: ReaderStatistics
    files: dict[str, FileIO]
    ack_ms: Percentiles
    save_ms: Percentiles
    delivery_ms: Percentiles
    ack_from_due_ms: Percentiles = Percentiles()
    delivery_from_due_ms: Percentiles = Percentiles()
    loop_lag_ms: Percentiles
    cpu_s: float
    cpu_percent: float
    rss_bytes: int
    rss_peak_bytes: int
    refusals: dict[str, int]
    notes: list[ServerNote]
    simulated: list[str] = []

    @property
    def io(self) -> FileIO:
        """All files together."""
        return sum(self.files.values(), FileIO())


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON."""
    return msgspec.json.encode(snapshot)


def decode(data: str | bytes) -> Snapshot:
    """Read a snapshot back.

    Raises:
        msgspec.MsgspecError: it is not one of this version.
    """
    return msgspec.json.decode(data, type=Snapshot)
