"""The result of `chatlab load`: one run against one server, as `--json` writes it."""

from __future__ import annotations

import msgspec

from chatlab.bench.audit import Audit, audit
from chatlab.bench.load_result import LoadResult
from chatlab.chat.metrics import percentiles
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO

SCHEMA = "chatlab.load/1"


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        command, seed: repeat it.
        complete: whether the plan was carried out and everything answered.
        interrupted: whether the user ended it early. Messages still in flight then are neither lost
            nor unanswered, but the audit cannot tell.
        mode, ack_means: of the server; "unknown" if it could not be asked.
        simulated: the disk and faults that the server simulates; empty if none.
        throughput_per_s: messages delivered to their room per second.
        ack_ms, delivery_ms: from the planned send.
        io: what the server's files cost from the first message to the last; empty if unknown.
        audit: what became of the messages; `saved` is None: the server's files are not ours.
        refusals: error codes, and how often each came.
        disconnected: why the server closed connections, and how often.
        sender_late_p99_ms, sender_cpu_percent: of the load generator itself.
    """

    schema: str = SCHEMA
    command: str
    seed: int
    complete: bool
    interrupted: bool
    mode: str
    ack_means: str
    throughput_per_s: float
    ack_ms: Percentiles
    delivery_ms: Percentiles
    io: dict[str, FileIO]
    audit: Audit
    refusals: dict[str, int]
    disconnected: dict[str, int]
    sender_late_p99_ms: float
    sender_cpu_percent: float
    simulated: list[str] = []


def load_report(
    result: LoadResult, run_id: str, *, command: str, seed: int, interrupted: bool
) -> LoadReport:
    """The report of a run, complete or not.

    Args:
        result: what the load generator noted.
        run_id: marks the run's messages.
        command: the command line that asked for it.
        seed: of its plan.
        interrupted: whether the user ended it early.
    """
    codes = list(result.refused.values())
    server = result.after or result.before
    return LoadReport(
        command=command,
        seed=seed,
        complete=result.complete,
        interrupted=interrupted,
        mode=result.before.mode if result.before else "unknown",
        ack_means=result.before.ack_means if result.before else "unknown",
        throughput_per_s=result.throughput_per_s,
        ack_ms=percentiles(result.ack_ms()),
        delivery_ms=percentiles(result.delivery_ms()),
        io=result.io,
        audit=audit(result, run_id, None),
        refusals={code: codes.count(code) for code in sorted(set(codes))},
        disconnected=result.disconnected,
        sender_late_p99_ms=result.late_p99_ms,
        sender_cpu_percent=result.sender_cpu_percent,
        simulated=server.simulated if server else [],
    )


def encode(report: LoadReport) -> bytes:
    """The report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
