"""When a probe of the capacity lab succeeds, and which rate the lab probes next.

The search doubles until it fails, closes in on the edge, then makes sure. It knows nothing of
servers: it proposes a rate, learns whether that went well, and proposes the next one. A rate counts
as the answer only after several successes and no failure, because a probe near the limit succeeds
or fails by luck.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import msgspec

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.rounds import Round
from chatlab.chat.metrics import percentile, percentiles

PRECISION = 1.1
SUCCESSES = 3
PROBES_MAX = 40
RATE_MIN, RATE_MAX = 1.0, 100_000.0
"""Messages per second; no rate beyond these is probed."""

Verdict = Literal["kept", "failed", "generator"]
"""Of a probe: the server kept up; it did not; the load generator did not."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One round at one rate.

    Attributes:
        number: from 1.
        rate_per_s: planned.
        messages: sent.
        verdict: see `Verdict`.
        reasons: why it is not "kept"; empty if it is.
        delivery_ms: the p95 from the planned send, or the slowest of all where the messages are
            too few for a p95 (which is the harder test); None if nothing was delivered.
        by_p95: whether it is the p95.
        loop_lag_p95_ms: of the server's event loop; None if unknown.
        audit: what became of the messages.
    """

    number: int
    rate_per_s: float
    messages: int
    verdict: Verdict
    reasons: list[str]
    delivery_ms: float | None
    by_p95: bool
    loop_lag_p95_ms: float | None
    audit: Audit


def judged(number: int, rate: float, done: Round, limit_ms: float) -> Probe:
    """What a round at some rate says about that rate."""
    delivery_ms, by_p95 = _delivery_ms(done.load.delivery_ms())
    reasons = list(_failures(done.audit))
    if delivery_ms is not None and delivery_ms > limit_ms:
        name = "delivery p95" if by_p95 else "the slowest delivery"
        reasons.append(f"{name} was {delivery_ms:,.0f} ms, above {limit_ms:g} ms")
    # A generator that is late makes a server look slow, and one that sends less, fast.
    verdict: Verdict = "generator" if done.invalid else "failed" if reasons else "kept"
    return Probe(
        number=number,
        rate_per_s=rate,
        messages=len(done.load.plan),
        verdict=verdict,
        reasons=done.invalid or reasons,
        delivery_ms=delivery_ms,
        by_p95=by_p95,
        loop_lag_p95_ms=done.after.loop_lag_ms.p95,
        audit=done.audit,
    )


class Search:
    """One search.

    Args:
        start: the first rate to try, per second.

    Attributes:
        answer: the highest rate that is sure so far; None if there is none.
        ceiling: the lowest rate that failed; None if none did.
    """

    def __init__(self, start: float) -> None:
        self._start = min(max(start, RATE_MIN), RATE_MAX)
        self._successes: Counter[float] = Counter()
        self._failed: set[float] = set()
        self._probes = 0

    @property
    def ceiling(self) -> float | None:
        return min(self._failed, default=None)

    @property
    def answer(self) -> float | None:
        sure = [rate for rate in self._below() if self._successes[rate] >= SUCCESSES]
        return max(sure, default=None)

    def record(self, rate: float, *, success: bool) -> None:
        """Take the result of a probe."""
        self._probes += 1
        if success:
            self._successes[rate] += 1
        else:
            self._failed.add(rate)

    def next_rate(self) -> float | None:
        """The rate to try next; None when the search is over."""
        if self._probes >= PROBES_MAX:
            return None
        floor, ceiling = max(self._below(), default=None), self.ceiling
        if floor is None:
            return self._below_all(ceiling)
        if ceiling is None:
            if floor < RATE_MAX:
                return min(2 * floor, RATE_MAX)
        elif ceiling > PRECISION * floor:
            between = rounded(math.sqrt(floor * ceiling))
            if floor < between < ceiling:
                return between
        return floor if self._successes[floor] < SUCCESSES else None

    def _below(self) -> list[float]:
        """Rates that went well, below all that did not."""
        ceiling = self.ceiling
        return [rate for rate in self._successes if ceiling is None or rate < ceiling]

    def _below_all(self, ceiling: float | None) -> float | None:
        if ceiling is None:
            return self._start
        return max(rounded(ceiling / 2), RATE_MIN) if ceiling > RATE_MIN else None


def rounded(rate: float) -> float:
    """To two digits, as a person would choose it: 1,414 becomes 1,400."""
    return float(f"{rate:.2g}")


def _delivery_ms(samples_ms: list[float]) -> tuple[float | None, bool]:
    if not samples_ms:
        return None, False
    p95 = percentiles(samples_ms).p95
    return (percentile(sorted(samples_ms), 1.0), False) if p95 is None else (p95, True)


def _failures(audit: Audit) -> list[str]:
    undelivered = audit.sent - audit.delivered - audit.refused
    found = [(audit.refused, "refused"), (undelivered, "not delivered")]
    found += [(getattr(audit, name), words) for name, words in FAULTS.items()]
    return [f"{count:,} messages were {words}" for count, words in found if count > 0]
