"""Loads and reports that were never measured, for the tests of what is made of them."""

from __future__ import annotations

from typing import Any

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.load_result import NEVER, LoadResult
from chatlab.bench.report import Comparison, Curve, IOReport, ModeReport, Report, RoundReport
from chatlab.bench.scenario import PlannedSend
from chatlab.bench.statistics import Estimate, estimate
from chatlab.bench.timeline import Series
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO

CLEAN = Audit(sent=6_001, acked=6_002, refused=6_003, saved=6_004, delivered=6_005)
NOT_CLEAN = Audit(sent=10, acked=10, saved=7, delivered=10, lost=3)
LATENCY = Percentiles(1.5, None, None, 30)
CURVE = Curve([0, 50, 90, 100], [1, 2, 3, 9], [1, 1, 2, 8])
TENTHS = [n / 10 for n in range(11)]
SERIES = Series(TENTHS, [10] * 11, [*range(11)], [*range(11)], [*range(10, -1, -1)], TENTHS)
ROUND: dict[str, Any] = {
    **{"invalid": [], "noisy": False, "audit": CLEAN, "series": SERIES},
    **{"ack_ms": LATENCY, "delivery_ms": LATENCY, "loop_lag_ms": LATENCY},
    **{"operations_per_message": 3.0, "cpu_s": 0.5, "rss_peak_bytes": 50_000_000},
    **{"late_p99_ms": 2.0, "sender_cpu_percent": 12.0},
}


def a_load(times_s: list[float], **changes: Any) -> LoadResult:
    """A load of one user who sent everything at 0 s; it was acked and delivered at these times."""
    count = len(times_s)
    values: dict[str, Any] = {
        **{"plan": [PlannedSend(0.0, 0, 0, "text")] * count, "receivers": [1] * count},
        **{"sent_s": [0.0] * count, "acked_s": times_s, "delivered_s": times_s},
        **{"receipts": [1] * count, "received": [list(range(count))]},
        **{"sent": count, "acked": count, "wall_s": max(times_s), "complete": True},
        "delivered": sum(at_s != NEVER for at_s in changes.get("delivered_s", times_s)),
    }
    return LoadResult(**(values | changes))


def a_round(number: int = 1, per_s: float = 100.0, **changes: Any) -> RoundReport:
    """A round in which ten messages came back one after the other."""
    return RoundReport(**(ROUND | {"number": number, "throughput_per_s": per_s} | changes))


FILES = {
    "chatrooms.json": FileIO(reads=1_111),
    "messages.json": FileIO(reads=1_234, writes=1_987, fsyncs=77),
}
ACK, DELIVERY = Percentiles(11.1, 12.2, 13.3, 6_000), Percentiles(14.4, 15.5, 16.6, 6_000)
MODE: dict[str, Any] = {
    **{"parts": {"reader": "direct"}, "ack_means": "written", "audit": CLEAN, "refusals": {}},
    **{"throughput_per_s": Estimate(341.0, 322.0, 363.0, [341.0] * 6)},
    **{"ack_ms": ACK, "delivery_ms": DELIVERY, "ack_send_ms": ACK, "delivery_send_ms": DELIVERY},
    **{"ack_curve": CURVE, "delivery_curve": CURVE, "cpu_s": 2.71, "rss_peak_bytes": 61_800_000},
    "io": IOReport(2_345, 1_987, 77, 4_560_000, 7_890_000, 4.332, files=FILES),
}


def a_mode(*speeds: float, rounds: list[RoundReport] | None = None, **changes: Any) -> ModeReport:
    """A mode in which every figure is another one, with rounds of these speeds, if given."""
    if rounds is None:
        rounds = [a_round(n, per_s) for n, per_s in enumerate(speeds or [100.0], start=1)]
    speed = {"throughput_per_s": estimate(list(speeds))} if speeds else {}
    return ModeReport(**(MODE | speed | {"rounds": rounds} | changes))


def compared(mode: str, verdict: str = "better", **changes: Any) -> Comparison:
    """A mode is 4.56 times as fast as naive."""
    compared: dict[str, Any] = {"baseline": "naive", "mode": mode, "metric": "throughput_per_s"}
    figures = {"ratio": 4.56, "low": 4.12, "high": 4.98} | changes
    return Comparison(**compared, **figures, verdict=verdict)


MIDNIGHT = {"name": "midnight", "messages": 1_000, "users": 10, "rooms": 1, "in_flight": None}


def a_report(modes: dict[str, ModeReport] | None = None, **changes: Any) -> Report:
    """Naive against optimized, or against other modes."""
    modes = {"naive": a_mode(), "optimized": a_mode()} if modes is None else modes
    values: dict[str, Any] = {
        **{"command": "chatlab compare naive optimized", "scenario": MIDNIGHT},
        **{"seed": 1, "history": 2_500, "rounds": 6, "complete": True, "modes": modes},
        "environment": {"processor": "a <fast> one"},
        "comparisons": [compared(name) for name in list(modes)[1:]],
        "trust": [TrustCheck("sender late (ms)", True, 3.14159, 20.0)],
    }
    return Report(**(values | changes))


def faults(found: Audit) -> dict[str, int]:
    """What an audit has to complain about, and refusals."""
    names = ("refused", *FAULTS)
    return {name: getattr(found, name) for name in names if getattr(found, name)}
