"""The results of `chatlab compare` and `chatlab load`: what `--json` writes and all views show."""

from __future__ import annotations

from typing import Any

import msgspec

from chatlab.bench.audit import Audit, audit
from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.load_result import LoadResult, RecentLatency
from chatlab.bench.scenario import Scenario
from chatlab.bench.statistics import Estimate, Verdict
from chatlab.bench.timeline import Series
from chatlab.chat.metrics import percentiles
from chatlab.chat.protocol import AckLevel
from chatlab.chat.snapshot import Percentiles, Snapshot
from chatlab.disk.counted import FileIO

SCHEMA = "chatlab.compare/1"
LOAD_SCHEMA = "chatlab.load/1"


class IOReport(msgspec.Struct, frozen=True):
    """What the files cost in one round: the one whose total is the median of all rounds.

    These are the exact counts of a real round, so they need no interval.

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


class RoundReport(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one mode.

    Attributes:
        number: from 1, in the order in which all rounds were run.
        invalid: why its plan was not met, so that no verdict may rest on it; empty if it was.
        noisy: whether its throughput lies far from the other rounds'. Shown, never removed.
        throughput_per_s, ack_ms, delivery_ms: of this round.
        operations_per_message: reads and writes for each saved message.
        cpu_s, rss_peak_bytes, loop_lag_ms: of the server.
        late_p99_ms, sender_cpu_percent: of the load generator.
        audit: of this round.
        damage: why what was saved could not all be read; empty if it could.
        series: the round over time.
    """

    number: int
    invalid: list[str]
    noisy: bool
    throughput_per_s: float
    ack_ms: Percentiles
    delivery_ms: Percentiles
    operations_per_message: float | None
    cpu_s: float
    rss_peak_bytes: int
    loop_lag_ms: Percentiles
    late_p99_ms: float
    sender_cpu_percent: float
    audit: Audit
    series: Series
    damage: str = ""


class Curve(msgspec.Struct, frozen=True):
    """A percentile curve: `ms[i]` is the latency at `percent[i]`; both clocks of one figure."""

    percent: list[float]
    planned_ms: list[float]
    send_ms: list[float]


class ModeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured of one mode.

    Attributes:
        parts: role to implementation.
        ack_means: what an ack promises.
        throughput_per_s: messages delivered to their room per second, from the first planned
            send to the last delivery; one sample a round.
        ack_ms, delivery_ms: from the planned send to the ack, or to the last delivery in the
            room; percentiles of the raw samples of all rounds.
        ack_send_ms, delivery_send_ms: the same from the real send, the clock that hides delay.
        ack_curve, delivery_curve: more percentiles, on both clocks.
        io: the files' cost.
        cpu_s: processor time of the server in a round; the median of rounds.
        rss_peak_bytes: the server's highest resident memory in any round.
        audit: all rounds added up.
        refusals: error codes, all rounds added up.
        shares: ceiling to this mode's throughput / the ceiling's, paired by round; see `Report`.
        rounds: each round by itself.
    """

    parts: dict[str, str]
    ack_means: AckLevel
    throughput_per_s: Estimate
    ack_ms: Percentiles
    delivery_ms: Percentiles
    ack_send_ms: Percentiles
    delivery_send_ms: Percentiles
    ack_curve: Curve
    delivery_curve: Curve
    io: IOReport
    cpu_s: float
    rss_peak_bytes: int
    audit: Audit
    refusals: dict[str, int]
    rounds: list[RoundReport]
    shares: dict[str, Estimate] = {}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one mode against the first mode's, paired by round.

    `ratio`, `low` and `high` are the median and the 95% interval of mode / baseline; all None if
    no pair of rounds counts, or if the audit of either is not clean.
    """

    baseline: str
    mode: str
    metric: str
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Verdict


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole comparison.

    Attributes:
        command: repeats it.
        environment: the machine and the versions.
        scenario: the load.
        history: messages in the data folder before each round.
        rounds: asked for, for each mode.
        measurement: False if modes ran at the same time: a demonstration, not a measurement.
        simulated: the simulated disk and faults; empty for the real disk.
        control: the name of the baseline's second run, which shows the noise; or None.
        ceilings: of `--ceiling`: messages per second of a bare echo server, and of the whole server
            without a disk.
        complete: False after Ctrl-C: not all rounds were measured.
    """

    schema: str = SCHEMA
    command: str
    seed: int
    environment: dict[str, Any]
    scenario: dict[str, Any]
    history: int
    rounds: int
    measurement: bool = True
    simulated: list[str] = []
    control: str | None = None
    complete: bool
    modes: dict[str, ModeReport]
    comparisons: list[Comparison]
    trust: list[TrustCheck]
    ceilings: dict[str, Estimate] = {}


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        command, seed: repeat it.
        complete: whether the plan was carried out and everything answered.
        interrupted: whether its user or its deadline ended it early. Messages still in flight then
            are neither lost nor unanswered, but the audit cannot tell.
        at_deadline: whether it was the deadline.
        ended_s: seconds after the start at which the run ended.
        scenario: the load.
        mode, ack_means: of the server; "unknown" if it could not be asked.
        url: where the server itself says that it listens; empty if it could not be asked.
        simulated: the disk and faults that the server simulates; empty if none.
        throughput_per_s: messages delivered to their room per second.
        ack_ms, delivery_ms: from the planned send.
        waited_p50_ms: from the planned send to the delivery, or to the end of the run; the median
            of all that were sent and not refused, the undelivered ones too.
        behind_s: how far the run ended behind its plan; see `LoadResult.behind_s`.
        unsettled: messages still without an ack or a delivery at the end.
        oldest_s: how long the oldest of them had waited.
        still_listed: users that could not be taken off the room that they had joined.
        recent: the latencies of the last ten seconds.
        server_recent: the server's own figures of its last ten seconds: from the planned send, or
            from the arrival in a closed loop, which has none.
        io: what the server's files cost from the first message to the last; empty if unknown.
        audit: what became of the messages; `saved` is None: the server's files are not ours.
        refusals: error codes, and how often each came.
        disconnected: why the server closed connections, and how often.
        sender_late_p99_ms, sender_cpu_percent: of the load generator itself.
    """

    schema: str = LOAD_SCHEMA
    command: str
    seed: int
    complete: bool
    interrupted: bool
    at_deadline: bool
    ended_s: float
    scenario: Scenario
    mode: str
    ack_means: str
    throughput_per_s: float
    ack_ms: Percentiles
    delivery_ms: Percentiles
    waited_p50_ms: float | None
    behind_s: float
    unsettled: int
    oldest_s: float
    still_listed: int
    recent: RecentLatency
    server_recent: RecentLatency
    io: dict[str, FileIO]
    audit: Audit
    refusals: dict[str, int]
    disconnected: dict[str, int]
    sender_late_p99_ms: float
    sender_cpu_percent: float
    url: str = ""
    simulated: list[str] = []


def load_report(
    result: LoadResult,
    run_id: str,
    scenario: Scenario,
    *,
    command: str,
    seed: int,
    interrupted: bool,
) -> LoadReport:
    """The report of a run, complete or not.

    Args:
        result: what the load generator noted.
        run_id: marks the run's messages.
        scenario: the load.
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
        interrupted=interrupted or result.at_deadline,
        at_deadline=result.at_deadline,
        ended_s=result.ended_s,
        scenario=scenario,
        mode=result.before.mode if result.before else "unknown",
        ack_means=result.before.ack_means if result.before else "unknown",
        url=result.before.url if result.before else "",
        throughput_per_s=result.throughput_per_s,
        ack_ms=percentiles(result.ack_ms()),
        delivery_ms=percentiles(result.delivery_ms()),
        waited_p50_ms=percentiles(result.waited_ms()).p50,
        behind_s=result.behind_s,
        unsettled=len(result.unsettled()),
        oldest_s=result.oldest_s,
        still_listed=result.still_listed,
        recent=result.recent,
        server_recent=_server_recent(result.after, scenario),
        io=result.io,
        audit=audit(result, run_id, None),
        refusals={code: codes.count(code) for code in sorted(set(codes))},
        disconnected=result.disconnected,
        sender_late_p99_ms=result.late_p99_ms,
        sender_cpu_percent=result.sender_cpu_percent,
        simulated=server.simulated if server else [],
    )


def _server_recent(server: Snapshot | None, scenario: Scenario) -> RecentLatency:
    """What a server says of its last ten seconds."""
    if server is None:
        return RecentLatency()
    if scenario.in_flight is None:
        return RecentLatency(server.ack_from_due_ms, server.delivery_from_due_ms)
    return RecentLatency(server.ack_ms, server.delivery_ms)
