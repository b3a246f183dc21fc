"""The result of `chatlab load`: what is a fault, and what is only unfinished."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from chatlab.bench.audit import Audit
from chatlab.bench.load_report import LoadReport
from chatlab.chat.snapshot import Percentiles
from chatlab.view.load import print_load


def printed(audit: Audit, *, complete: bool, interrupted: bool) -> str:
    report = LoadReport(
        command="chatlab load",
        seed=1,
        complete=complete,
        interrupted=interrupted,
        mode="optimized",
        ack_means="queued",
        throughput_per_s=100.0,
        ack_ms=Percentiles(),
        delivery_ms=Percentiles(),
        io={},
        audit=audit,
        refusals={},
        disconnected={},
        sender_late_p99_ms=1.0,
        sender_cpu_percent=5.0,
    )
    file = io.StringIO()
    print_load(report, Console(file=file, width=100))
    return file.getvalue()


UNFINISHED = Audit(sent=50, acked=40, saved=None, delivered=30, lost=10, unanswered=10)


def test_what_was_under_way_when_the_user_stopped_is_nobodys_fault() -> None:
    text = printed(UNFINISHED, complete=False, interrupted=True)
    assert "PARTIAL" in text
    assert "20: not judged" in text
    assert "clean" in text
    assert "never answered" not in text


def test_the_same_in_a_run_that_was_not_stopped_is_a_fault() -> None:
    text = printed(UNFINISHED, complete=False, interrupted=False)
    assert "10 acked and lost, 10 never answered" in text
    assert "not judged" not in text


@pytest.mark.parametrize("interrupted", [True, False])
@pytest.mark.parametrize(
    ("fault", "words"),
    [("duplicated", "2 duplicated"), ("misrefused", "2 refused but stored anyway")],
)
def test_what_nobody_can_have_under_way_is_a_fault_whenever_it_is_seen(
    fault: str, words: str, interrupted: bool
) -> None:
    text = printed(
        Audit(sent=5, acked=5, saved=None, delivered=5, **{fault: 2}),
        complete=not interrupted,
        interrupted=interrupted,
    )
    assert words in text
