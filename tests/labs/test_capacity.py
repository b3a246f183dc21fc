"""What a probe proves, and what is said of the answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from chatlab.bench.audit import Audit
from chatlab.chat.snapshot import Percentiles
from chatlab.labs.capacity import measure as capacity
from chatlab.labs.capacity.measure import Capacity
from chatlab.labs.capacity.probe import judged
from chatlab.labs.capacity.view import render, row

FINE = Audit(sent=300, acked=300, saved=300, delivered=300)


def a_round(delivery_ms: list[float], audit: Audit = FINE, invalid: tuple[str, ...] = ()) -> Any:
    """A round of which only the outcome matters."""
    return SimpleNamespace(
        load=SimpleNamespace(plan=[0] * audit.sent, delivery_ms=lambda: delivery_ms),
        audit=audit,
        invalid=list(invalid),
        after=SimpleNamespace(loop_lag_ms=Percentiles(), ack_means="queued"),
    )


def test_a_probe_is_kept_when_its_p95_is_within_the_limit() -> None:
    probe = judged(1, 100, a_round([50.0] * 285 + [900.0] * 15), 50)

    assert (probe.verdict, probe.reasons) == ("kept", [])
    assert (probe.delivery_ms, probe.by_p95) == (50.0, True)


def test_a_probe_fails_when_its_p95_is_above_the_limit() -> None:
    probe = judged(1, 100, a_round([50.0] * 284 + [900.0] * 16), 50)

    assert (probe.verdict, probe.reasons) == ("failed", ["delivery p95 was 900 ms, above 50 ms"])


def test_with_too_few_messages_for_a_p95_the_slowest_decides() -> None:
    probe = judged(1, 10, a_round([50.0] * 29 + [51.0]), 50)

    assert (probe.verdict, probe.by_p95) == ("failed", False)


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (Audit(sent=300, delivered=300, lost=2), "2 messages were lost"),
        (Audit(sent=300, delivered=290, refused=10), "10 messages were refused"),
        (Audit(sent=300, delivered=300, unanswered=1), "1 messages were not answered"),
        (Audit(sent=300, delivered=299), "1 messages were not delivered"),
        (Audit(sent=300, delivered=300, duplicated=1), "1 messages were duplicated"),
        (
            Audit(sent=300, delivered=300, misrefused=1),
            "1 messages were refused and there all the same",
        ),
    ],
)
def test_a_quick_probe_that_lost_something_fails(audit: Audit, reason: str) -> None:
    probe = judged(1, 100, a_round([1.0] * 300, audit), 50)

    assert (probe.verdict, probe.reasons) == ("failed", [reason])


def test_a_late_generator_is_neither_success_nor_the_servers_failure() -> None:
    for delivery_ms in (1.0, 900.0):
        probe = judged(1, 100, a_round([delivery_ms] * 300, invalid=("the sender was late",)), 50)

        assert (probe.verdict, probe.reasons) == ("generator", ["the sender was late"])


async def measured(monkeypatch: pytest.MonkeyPatch, limit: float, generator: float) -> Capacity:
    """The lab, with a server that keeps up to `limit` and a generator that keeps to `generator`."""

    async def measure(_mode: str, scenario: Any, _seed: int, **_options: Any) -> Any:
        late = ("the sender was late",) if scenario.rate_per_s > generator else ()
        return a_round([1.0 if scenario.rate_per_s <= limit else 900.0] * 300, invalid=late)

    monkeypatch.setattr(capacity, "measure_round", measure)
    lab = Capacity("optimized")
    await lab.run()
    return lab


def printed(lab: Capacity) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(lab.report("chatlab capacity")))
    return capture.get()


async def test_the_answer_comes_with_the_reason_why_the_next_rate_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = await measured(monkeypatch, limit=550, generator=1e9)

    assert "optimized takes 520 messages a second: kept in 3 probes." in printed(lab)
    assert "At 570 it failed: delivery p95 was 900 ms, above 100 ms." in printed(lab)


async def test_a_generator_that_is_the_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = await measured(monkeypatch, limit=1e9, generator=300)

    assert "the load generator was the limit, not the server" in printed(lab)


async def test_a_probe_with_a_late_generator_is_repeated_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = await measured(monkeypatch, limit=1e9, generator=150)

    assert [probe.rate_per_s for probe in lab.probes[:3]] == [100, 200, 200]


async def test_a_server_that_keeps_no_rate_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = await measured(monkeypatch, limit=0, generator=1e9)

    assert lab.report("").answer_per_s is None
    assert "There is no rate that optimized kept" in printed(lab)


@pytest.mark.parametrize(("delivery_ms", "beyond"), [(100.0, False), (101.0, True)])
def test_the_bar_crosses_the_line_at_the_limit(delivery_ms: float, beyond: bool) -> None:
    text = row(judged(1, 100, a_round([delivery_ms] * 300), 100), 100).plain

    assert ("│" not in text) is beyond
