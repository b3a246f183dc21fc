"""The result of `chatlab load`: what is a fault, and what is only unfinished."""

from __future__ import annotations

from typing import Any

import pytest

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.report import LoadReport
from chatlab.chat.snapshot import Percentiles
from chatlab.view.load import print_load
from tests.support.snapshots import printed

REPORT: dict[str, Any] = {
    **{"command": "chatlab load", "seed": 1, "mode": "optimized", "ack_means": "queued"},
    **{"throughput_per_s": 100.0, "ack_ms": Percentiles(), "delivery_ms": Percentiles()},
    **{"io": {}, "refusals": {}, "disconnected": {}},
    **{"sender_late_p99_ms": 1.0, "sender_cpu_percent": 5.0},
}


def shown(audit: Audit, **flags: bool) -> str:
    report = LoadReport(**REPORT, audit=audit, **flags)
    return "\n".join(printed(lambda console: print_load(report, console), 100))


UNFINISHED = Audit(sent=50, acked=40, saved=None, delivered=30, lost=10, unanswered=10)


@pytest.mark.parametrize("interrupted", [True, False])
def test_what_was_in_flight_is_a_fault_unless_the_user_stopped(interrupted: bool) -> None:
    text = shown(UNFINISHED, complete=False, interrupted=interrupted)
    assert "PARTIAL" in text
    assert ("20: not judged" in text) is interrupted
    assert ("clean" in text) is interrupted
    assert ("10 acked and lost, 10 never answered" in text) is not interrupted


@pytest.mark.parametrize("interrupted", [True, False])
@pytest.mark.parametrize("name", FAULTS)
def test_any_other_fault_is_one_whenever_it_is_seen(name: str, interrupted: bool) -> None:
    audit = Audit(sent=5, acked=5, saved=None, delivered=5, **{name: 2})
    in_flight = name in ("lost", "unanswered") and interrupted
    text = shown(audit, complete=not interrupted, interrupted=interrupted)
    assert (f"2 {FAULTS[name]}" in text) is not in_flight
