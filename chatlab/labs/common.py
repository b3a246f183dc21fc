"""What the labs share: how they say where they stand, and figures that more than one needs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.rounds import Round
from chatlab.disk.counted import FileIO

Say = Callable[[str], None]
"""Hears one line about what is being measured now."""


def silent(_line: str) -> None:
    """For whom nobody listens."""


def encode(report: msgspec.Struct) -> bytes:
    """A lab's report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def bytes_per_message(one: Round) -> float | None:
    """Bytes read and written, of all files, for each saved message; None if none was saved.

    A count, not an estimate: the same plan gives it again to within a batch or two.
    """
    total = sum(one.load.io.values(), FileIO())
    return (total.bytes_read + total.bytes_written) / one.audit.saved if one.audit.saved else None


def most_at_risk(load: LoadResult) -> int:
    """The most messages that were acked and not yet delivered, at any one moment.

    Delivery follows the save. So these were promised to their senders and only in the server's
    memory: what a crash at that moment would have lost, if an ack means `queued`.
    """
    changes = []
    for acked_s, delivered_s in zip(load.acked_s, load.delivered_s, strict=True):
        if acked_s != NEVER:
            if delivered_s == NEVER:
                changes.append((acked_s, 1))
            elif delivered_s > acked_s:
                changes += [(acked_s, 1), (delivered_s, -1)]
    most = now = 0
    for _, change in sorted(changes):  # at the same moment, what ends comes first
        now += change
        most = max(most, now)
    return most
