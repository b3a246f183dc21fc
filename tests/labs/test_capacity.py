"""The capacity lab: what a probe proves, the search for a limit, and what the answer says."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatlab.bench.audit import Audit
from chatlab.chat.snapshot import Percentiles
from chatlab.labs.capacity import measure as capacity
from chatlab.labs.capacity.measure import Capacity, row
from chatlab.labs.capacity.search import PRECISION, PROBES_MAX, SUCCESSES, Search, judged
from tests.labs.support import printed

LATE = ("the sender was late",)
FINE = Audit(sent=300, acked=300, saved=300, delivered=300)


def a_round(delivery_ms: list[float], audit: Audit = FINE, invalid: tuple[str, ...] = ()) -> Any:
    """A round of which only the outcome matters."""
    return SimpleNamespace(
        load=SimpleNamespace(plan=[0] * audit.sent, delivery_ms=lambda: delivery_ms),
        audit=audit,
        invalid=list(invalid),
        after=SimpleNamespace(loop_lag_ms=Percentiles(), ack_means="queued"),
    )


def lossy(**counts: int) -> Any:
    """A quick round of which something went wrong."""
    return a_round([1.0] * 300, Audit(**{"sent": 300, "delivered": 300} | counts))


@pytest.mark.parametrize(
    ("done", "verdict", "reason"),
    [
        (a_round([50.0] * 285 + [900.0] * 15), "kept", None),
        (a_round([50.0] * 284 + [900.0] * 16), "failed", "delivery p95 was 900 ms, above 50 ms"),
        # With too few messages for a p95, the slowest decides.
        (a_round([50.0] * 29 + [51.0]), "failed", "the slowest delivery was 51 ms, above 50 ms"),
        (lossy(lost=2), "failed", "2 messages were acked and lost"),
        (lossy(delivered=290, refused=10), "failed", "10 messages were refused"),
        (lossy(unanswered=1), "failed", "1 messages were never answered"),
        (lossy(delivered=299), "failed", "1 messages were not delivered"),
        (lossy(duplicated=1), "failed", "1 messages were duplicated"),
        (lossy(misrefused=1), "failed", "1 messages were refused but stored anyway"),
        # A late generator is neither success nor the server's failure.
        (a_round([1.0] * 300, invalid=LATE), "generator", LATE[0]),
        (a_round([900.0] * 300, invalid=LATE), "generator", LATE[0]),
    ],
)
def test_a_probe_is_kept_when_nothing_was_lost_and_its_p95_is_within_the_limit(
    done: Any, verdict: str, reason: str | None
) -> None:
    probe = judged(1, 100, done, 50)

    assert (probe.verdict, probe.reasons) == (verdict, [reason] if reason else [])
    assert probe.by_p95 == (len(done.load.delivery_ms()) >= 200)


async def measured(monkeypatch: pytest.MonkeyPatch, limit: float, generator: float) -> Capacity:
    """The lab, with a server that keeps up to `limit` and a generator that keeps to `generator`."""

    async def measure(_mode: str, scenario: Any, _seed: int, **_options: Any) -> Any:
        late = LATE if scenario.rate_per_s > generator else ()
        return a_round([1.0 if scenario.rate_per_s <= limit else 900.0] * 300, invalid=late)

    monkeypatch.setattr(capacity, "measure_round", measure)
    lab = Capacity(mode="optimized")
    await lab.run()
    return lab


@pytest.mark.parametrize(
    ("limits", "answer", "says"),
    [
        ((550, 1e9), 520, "optimized takes 520 messages a second: kept in 3 probes."),
        ((550, 1e9), 520, "At 570 it failed: delivery p95 was 900 ms, above 100 ms."),
        ((1e9, 300), 300, "the load generator was the limit, not the server"),
        ((0, 1e9), None, "There is no rate that optimized kept"),
    ],
)
async def test_the_answer_comes_with_its_reason(limits, answer, says, monkeypatch) -> None:
    lab = await measured(monkeypatch, *limits)

    assert lab.report().answer_per_s == answer
    assert says in printed(lab.render(lab.report()))


async def test_a_probe_with_a_late_generator_is_repeated_once(monkeypatch) -> None:
    lab = await measured(monkeypatch, limit=1e9, generator=150)

    assert [probe.rate_per_s for probe in lab.probes[:3]] == [100, 200, 200]


@pytest.mark.parametrize(("delivery_ms", "beyond"), [(100.0, False), (101.0, True)])
def test_the_bar_crosses_the_line_at_the_limit(delivery_ms: float, beyond: bool) -> None:
    text = row(judged(1, 100, a_round([delivery_ms] * 300), 100), 100).plain

    assert ("│" not in text) is beyond


def carry_out(search: Search, keeps_up: Callable[[float], bool]) -> list[tuple[float, bool]]:
    """Probe until the search ends."""
    probes = []
    while (rate := search.next_rate()) is not None:
        probes.append((rate, keeps_up(rate)))
        search.record(rate, success=probes[-1][1])
    return probes


@given(limit=st.floats(1.5, 90_000), start=st.floats(1, 100_000))
def test_it_finds_any_limit_to_its_precision(limit: float, start: float) -> None:
    search = Search(start)
    probes = carry_out(search, lambda rate: rate <= limit)

    assert search.answer <= limit < search.ceiling
    # Rates have two digits, of which the first can be a 1: a step of a tenth.
    assert search.ceiling <= search.answer * (PRECISION + 0.1)
    assert len(probes) < PROBES_MAX


@given(st.integers(), st.floats(0, 1))
def test_with_a_server_of_changing_mood_it_ends_and_claims_only_what_it_saw(
    seed: int, chance_of_success: float
) -> None:
    chance = random.Random(seed)
    search = Search(100)
    probes = carry_out(search, lambda _rate: chance.random() < chance_of_success)

    assert len(probes) <= PROBES_MAX
    if search.answer is not None:
        outcomes = [kept for rate, kept in probes if rate == search.answer]
        assert outcomes == [True] * SUCCESSES
        assert not [rate for rate, kept in probes if not kept and rate <= search.answer]


def test_an_answer_that_fails_when_confirmed_becomes_the_ceiling() -> None:
    search = Search(100)
    for rate, success in [(100, True), (200, False), (140, True), (170, False), (150, False)]:
        assert search.next_rate() == rate
        search.record(rate, success=success)
    assert search.next_rate() == 140  # the edge is found: once more, to make sure
    search.record(140, success=False)

    assert search.ceiling == 140
    assert search.next_rate() == 120


@pytest.mark.parametrize(
    ("start", "limit", "rates", "answer", "ceiling"),
    [
        (100, 550, [100, 200, 400, 800, 570, 480, 520, 520, 520], 520, 570),
        (100, 0, [100, 50, 25, 12, 6, 3, 1.5, 1], None, 1),  # no rate is below the lowest
        (50_000, 1e9, [50_000] + 3 * [100_000], 100_000, None),  # ... nor above the highest
        (0.5, 0, [1], None, 1),
        (1e9, 1e9, 3 * [100_000], 100_000, None),
    ],
)
def test_it_doubles_then_closes_in_then_makes_sure(start, limit, rates, answer, ceiling) -> None:
    search = Search(start)

    assert [rate for rate, _ in carry_out(search, lambda rate: rate <= limit)] == rates
    assert (search.answer, search.ceiling) == (answer, ceiling)
