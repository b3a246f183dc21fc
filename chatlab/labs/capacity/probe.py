"""One probe of the capacity lab: what a round at some rate says about that rate."""

from __future__ import annotations

from typing import Literal

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.rounds import Round
from chatlab.chat.metrics import percentile, percentiles

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


def _delivery_ms(samples_ms: list[float]) -> tuple[float | None, bool]:
    if not samples_ms:
        return None, False
    p95 = percentiles(samples_ms).p95
    return (percentile(sorted(samples_ms), 1.0), False) if p95 is None else (p95, True)


def _failures(audit: Audit) -> list[str]:
    undelivered = audit.sent - audit.delivered - audit.refused
    found = {
        "lost": audit.lost,
        "refused": audit.refused,
        "not answered": audit.unanswered,
        "not delivered": undelivered,
        "duplicated": audit.duplicated,
        "reordered": audit.reordered,
        "damaged": audit.corrupt,
        "refused and there all the same": audit.misrefused,
    }
    return [f"{count:,} messages were {what}" for what, count in found.items() if count > 0]
