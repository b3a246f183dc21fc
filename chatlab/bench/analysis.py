"""What the rounds show: the figures of each mode, and its comparison with the baseline.

A round whose plan was not met is invalid: it is shown, but no estimate or verdict rests on it. A
round that lies far from the others is noisy: it is flagged, and stays in.

Read `report.py` next: the shape of the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from chatlab.bench.audit import Audit
from chatlab.bench.invalid_rounds import valid_rounds
from chatlab.bench.load_result import LatencyClock, LoadResult
from chatlab.bench.machine import CeilingRound
from chatlab.bench.report import Comparison, Curve, IOReport, ModeReport, RoundReport
from chatlab.bench.rounds import Round
from chatlab.bench.statistics import Estimate, estimate, outliers, verdict
from chatlab.bench.timeline import series
from chatlab.chat.metrics import BEYOND_MIN, percentile, percentiles
from chatlab.disk.counted import FileIO

RoundFigure = Callable[[Round], float | None]
LatencyFigure = Callable[[LoadResult, LatencyClock], list[float]]
CURVE_PERCENT = (*range(0, 100, 5), 96, 97, 98, 99, 99.5, 99.9, 100)


def mode_report(
    rounds: Sequence[Round], ceilings: Mapping[str, Sequence[CeilingRound]] | None = None
) -> ModeReport:
    """Everything measured of one mode, in at least one round.

    Estimates rest on the valid rounds, or on all if none is valid; each says if it is invalid.

    Args:
        rounds: of this mode.
        ceilings: the rounds of each ceiling, in the same order.
    """
    valid = valid_rounds(rounds)
    typical = sorted(valid, key=lambda one: one.operations)[(len(valid) - 1) // 2]
    last = rounds[-1].after
    speeds = _valid(rounds, lambda one: one.load.throughput_per_s)
    shares = {
        name: _ratio(speeds, [one.throughput_per_s for one in most])
        for name, most in (ceilings or {}).items()
    }
    noisy = outliers([one.load.throughput_per_s for one in rounds])
    return ModeReport(
        parts=last.parts,
        ack_means=last.ack_means,
        throughput_per_s=estimate([one.load.throughput_per_s for one in valid]),
        ack_ms=percentiles(_pooled(valid, LoadResult.ack_ms, "planned")),
        delivery_ms=percentiles(_pooled(valid, LoadResult.delivery_ms, "planned")),
        ack_send_ms=percentiles(_pooled(valid, LoadResult.ack_ms, "send")),
        delivery_send_ms=percentiles(_pooled(valid, LoadResult.delivery_ms, "send")),
        ack_curve=_curve(valid, LoadResult.ack_ms),
        delivery_curve=_curve(valid, LoadResult.delivery_ms),
        io=IOReport(
            **msgspec.structs.asdict(sum(typical.load.io.values(), FileIO())),
            per_message=typical.operations_per_message,
            files=typical.load.io,
        ),
        cpu_s=median(one.cpu_s for one in valid),
        rss_peak_bytes=max(one.after.rss_peak_bytes for one in rounds),
        audit=sum((one.audit for one in rounds), Audit()),
        refusals=dict(Counter(code for one in rounds for code in one.load.refused.values())),
        rounds=[_round_report(one, is_noisy) for one, is_noisy in zip(rounds, noisy, strict=True)],
        shares={name: share for name, share in shares.items() if share},
    )


METRICS: dict[str, tuple[RoundFigure, bool]] = {
    "throughput_per_s": (lambda one: one.load.throughput_per_s, True),
    "ack_ms.p50": (lambda one: percentiles(one.load.ack_ms()).p50, False),
    "delivery_ms.p50": (lambda one: percentiles(one.load.delivery_ms()).p50, False),
    "cpu_s": (lambda one: one.cpu_s, False),
}
"""What is compared, and whether more is better."""


def comparisons(measured: dict[str, list[Round]], control: str | None) -> list[Comparison]:
    """Each mode against the first one, metric by metric, paired by round; if both audits are clean.

    Args:
        measured: the rounds of each mode; the first is the baseline.
        control: the name of the baseline's second run, if there was one: a difference no larger
            than that between these two is noise.
    """
    if not measured:
        return []
    baseline, *others = measured
    clean = {name: all(one.audit.clean for one in rounds) for name, rounds in measured.items()}
    found = []
    for metric, (figure, more_is_better) in METRICS.items():
        figures = {name: _valid(rounds, figure) for name, rounds in measured.items()}
        floor = _spread(_ratio(figures.get(control or "", ()), figures[baseline]))
        for mode in others:
            safe = clean[mode] and clean[baseline]
            ratio = _ratio(figures[mode], figures[baseline]) if safe else None
            found.append(
                Comparison(
                    baseline=baseline,
                    mode=mode,
                    metric=metric,
                    ratio=ratio.median if ratio else None,
                    low=ratio.low if ratio else None,
                    high=ratio.high if ratio else None,
                    verdict=verdict(ratio, more_is_better=more_is_better, noise=floor),
                )
            )
    return found


def _round_report(one: Round, noisy: bool) -> RoundReport:
    return RoundReport(
        number=one.number,
        invalid=one.invalid,
        noisy=noisy,
        throughput_per_s=one.load.throughput_per_s,
        ack_ms=percentiles(one.load.ack_ms()),
        delivery_ms=percentiles(one.load.delivery_ms()),
        operations_per_message=one.operations_per_message,
        cpu_s=one.cpu_s,
        rss_peak_bytes=one.after.rss_peak_bytes,
        loop_lag_ms=one.after.loop_lag_ms,
        late_p99_ms=one.load.late_p99_ms,
        sender_cpu_percent=one.load.sender_cpu_percent,
        audit=one.audit,
        damage=one.damage,
        series=series(one.load),
    )


def _pooled(rounds: Sequence[Round], figure: LatencyFigure, clock: LatencyClock) -> list[float]:
    """The raw samples of all rounds: percentiles are never averaged."""
    return [ms for one in rounds for ms in figure(one.load, clock)]


def _curve(rounds: Sequence[Round], figure: LatencyFigure) -> Curve:
    planned = sorted(_pooled(rounds, figure, "planned"))
    sent = sorted(_pooled(rounds, figure, "send"))
    percents = [
        float(percent)
        for percent in CURVE_PERCENT
        if planned and (percent == 100 or len(planned) * (1 - percent / 100) >= BEYOND_MIN)
    ]
    return Curve(
        percent=percents,
        planned_ms=[percentile(planned, percent / 100) for percent in percents],
        send_ms=[percentile(sent, percent / 100) for percent in percents],
    )


def _valid(rounds: Sequence[Round], figure: RoundFigure) -> list[float | None]:
    """A figure of each round, without those of invalid rounds."""
    return [None if one.invalid else figure(one) for one in rounds]


def _ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Estimate | None:
    """The estimate of ours / theirs, paired by round; None if no pair has both."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=False) if a is not None and b]
    return estimate(ratios) if ratios else None


def _spread(ratio: Estimate | None) -> float:
    """How far from 1 the interval of the control reaches, as a factor of at least 1."""
    if ratio is None or not ratio.low or not ratio.high:
        return 1.0
    return max(ratio.high, 1 / ratio.low, 1.0)
