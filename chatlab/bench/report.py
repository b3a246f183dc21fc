"""The result of a comparison: the shape that `--json` writes and everything else is drawn from."""

from __future__ import annotations

from typing import Any

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.statistics import Estimate, Verdict
from chatlab.chat.parts.files import FileIO
from chatlab.chat.protocol import AckLevel
from chatlab.chat.snapshot import Percentiles

SCHEMA = "chatlab.compare/1"


class IOReport(msgspec.Struct, frozen=True):
    """What the files cost in one round: the one whose total is the median of all rounds.

    A real round's exact counts, so that they need no interval.

    Attributes:
        per_message: reads and writes for each saved message; None if none was saved.
        files: the same counts for each file.
    """

    reads: int
    writes: int
    fsyncs: int
    bytes_read: int
    bytes_written: int
    per_message: float | None
    files: dict[str, FileIO]


class ModeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured of one mode.

    Attributes:
        parts: role to implementation.
        ack_means: what an ack promises.
        throughput_per_s: messages delivered to their room per second, from the first planned
            send to the last delivery; one sample a round.
        ack_ms, delivery_ms: from the planned send to the ack, or to the last delivery in the
            room; percentiles of the raw samples of all rounds.
        io: the files' cost.
        cpu_s: processor time of the server in a round; the median of rounds.
        rss_peak_bytes: the server's highest resident memory in any round.
        audit: all rounds added up.
        refusals: error codes, all rounds added up.
    """

    parts: dict[str, str]
    ack_means: AckLevel
    throughput_per_s: Estimate
    ack_ms: Percentiles
    delivery_ms: Percentiles
    io: IOReport
    cpu_s: float
    rss_peak_bytes: int
    audit: Audit
    refusals: dict[str, int]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one mode against the first mode's, paired by round.

    `ratio`, `low` and `high` are the median and the 95% interval of mode / baseline.
    """

    baseline: str
    mode: str
    metric: str
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Verdict


class TrustCheck(msgspec.Struct, frozen=True):
    """Whether the instrument itself can be trusted.

    Attributes:
        check: what was checked.
        ok: whether it held.
        value: what was found.
        limit: how much is allowed.
    """

    check: str
    ok: bool
    value: float | str
    limit: float | str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole comparison.

    Attributes:
        command: repeats it.
        environment: the machine and the versions.
        scenario: the load.
        history: messages in the data folder before each round.
        rounds: for each mode.
        complete: False after Ctrl-C: what is here was measured, but not all that was asked for.
    """

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    scenario: dict[str, Any]
    history: int
    rounds: int
    complete: bool
    modes: dict[str, ModeReport]
    comparisons: list[Comparison]
    trust: list[TrustCheck]


def encode(report: Report) -> bytes:
    """The report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
