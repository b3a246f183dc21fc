"""How messages flow: rates, totals and latencies, with their last seconds as charts.

Every function here is pure and returns lines no wider than it was told, as in all blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatlab.chat.metrics import STEPS
from chatlab.chat.snapshot import Percentiles, Snapshot
from chatlab.view import words
from chatlab.view.dashboard import series
from chatlab.view.lines import (
    GOOD,
    LABEL_WIDTH,
    QUIET,
    STRONG,
    TEXT_WIDTH,
    Line,
    chart_width,
    charted,
    cut,
    heading,
    line,
)

_TOTALS: dict[str, Callable[[Snapshot], float]] = {
    "accepted": lambda s: s.counts.accepted,
    "acked": lambda s: s.counts.acked,
    "saved": lambda s: s.counts.saved,
    "delivered": lambda s: s.counts.delivered,
}
_LATENCIES: dict[str, Callable[[Snapshot], Percentiles]] = {
    "ack": lambda s: s.ack_ms,
    "save": lambda s: s.save_ms,
    "delivery": lambda s: s.delivery_ms,
    "loop lag": lambda s: s.loop_lag_ms,
}


def messages(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Rates and totals of each step; all charts have one scale, so that they can be compared."""
    now = history[-1]
    text_width = LABEL_WIDTH + 9 + 11 + 2
    seconds = chart_width(width, text_width)
    values = {step: series.rates_per_s(history, _TOTALS[step], seconds) for step in STEPS}
    highest = max((rate for rates in values.values() for rate in rates), default=0.0)
    titles = f"messages{'per s':>7}{'total':>11}"
    lines = [heading(titles + "  " + _scale(seconds, highest), width)]
    for step in STEPS:
        rate = words.per_s(getattr(now.rates, f"{step}_per_s"))
        total = words.count(getattr(now.counts, step))
        style = GOOD if step == "delivered" else STRONG
        text = line(step.ljust(LABEL_WIDTH), (rate.rjust(9), style), total.rjust(11), "  ")
        chart = words.bars(values[step], seconds, highest=highest, rows=rows)
        lines += charted(text, text_width, chart)
    return [cut(each, width) for each in lines]


def latencies(history: Sequence[Snapshot], width: int, rows: int = 1) -> list[Line]:
    """Percentiles of the latest samples; charts show p95."""
    seconds = chart_width(width)
    caption = f"  p95, last {seconds} s" if seconds else ""
    lines = [heading("latency   p50     p95     p99     n" + caption, width)]
    for name, of in _LATENCIES.items():
        chart = words.bars(series.gauge(history, _p95(of), seconds), seconds, rows=rows)
        lines += charted(_latency_line(name, of(history[-1])), TEXT_WIDTH, chart)
    return [cut(each, width) for each in lines]


def _latency_line(name: str, now: Percentiles) -> Line:
    p50, p95, p99 = (words.milliseconds(value).rjust(8) for value in (now.p50, now.p95, now.p99))
    return line(name.ljust(8), p50, (p95, STRONG), p99, (words.count(now.n).rjust(6), QUIET))


def _p95(of: Callable[[Snapshot], Percentiles]) -> Callable[[Snapshot], float | None]:
    return lambda snapshot: of(snapshot).p95


def _scale(seconds: int, highest: float) -> str:
    if not seconds:
        return ""
    return words.first_that_fits(
        seconds - 1,
        f"last {seconds} s, full height {words.per_s(highest)}",
        f"last {seconds} s",
    )
