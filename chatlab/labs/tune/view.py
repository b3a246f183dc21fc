"""The tuning lab's result: the grid with bars, a map of the choices, and what to make of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.chat.metrics import BEYOND_MIN
from chatlab.labs import screen
from chatlab.labs.tune.measure import RULE, Cell, TuneReport, words_of
from chatlab.view import words

BAR_WIDTH = 9
MAP_WIDTH = 60
MAP_HEIGHT = 10
CLEAR = 1.5
"""A figure counts as clearly larger than another from this ratio on."""
P99_MIN = 100 * BEYOND_MIN


def render(report: TuneReport) -> RenderableType:
    """The whole result."""
    if not report.cells:
        return screen.nothing()
    rounds = screen.rounds(report.rounds)
    heading = f"Batch size and flush interval of {report.mode}, {rounds} each"
    return Group(
        screen.title(heading, complete=report.complete),
        _table(report),
        Text(_legend(report), style=words.QUIET),
        *_map(report),
        Text(),
        *_explanation(report),
    )


def _legend(report: TuneReport) -> str:
    text = (
        f"delivered/s: a burst of {report.burst_messages:,} messages at once. p95 and at risk: "
        f"a steady {report.steady_per_s:,g} a second. At risk: the most messages acked and not "
        "yet saved and delivered."
    )
    if report.steady_messages * report.rounds < P99_MIN:
        text += f" A p99 takes {P99_MIN:,} messages: --steady {P99_MIN}."
    return f"{text}\n◆ no other pair beats it  ► recommended"


def _table(report: TuneReport) -> Table:
    # It takes 1,000 samples: with fewer, the column would be empty.
    has_p99 = any(one.delivery_ms.p99 is not None for one in report.cells)
    p99_name = ["p99"] if has_p99 else []
    table = screen.table(
        *("", "batch", "interval", "delivered/s", "", "p95", "", *p99_name, "at risk", "memory")
    )
    for column in (4, 6):
        table.columns[column].justify = "left"
        table.columns[column].style = words.CHART
    for column in (2, 3, 5):
        table.columns[column].min_width = 0
    table.padding = (0, 1, 0, 0)
    fastest = max(one.delivered_per_s for one in report.cells)
    slowest = max(one.delivery_ms.p95 or 0.0 for one in report.cells)
    for place, one in enumerate(report.cells):
        mark = "►" if place == report.recommended else "◆" if one.on_frontier else ""
        interval_ms = one.flush_interval_ms
        table.add_row(
            mark,
            words.count(one.batch_size),
            "any" if interval_ms is None else f"{interval_ms:,g} ms",
            f"{one.delivered_per_s:,.0f}" + ("!" if one.invalid else ""),
            screen.bar(one.delivered_per_s, fastest, BAR_WIDTH),
            words.milliseconds(one.delivery_ms.p95),
            screen.bar(one.delivery_ms.p95, slowest, BAR_WIDTH),
            *([words.milliseconds(one.delivery_ms.p99)] if has_p99 else []),
            words.count(one.at_risk),
            words.size(one.rss_peak_bytes),
            style="bold" if mark else None,
        )
    return table


def _map(report: TuneReport) -> Iterator[RenderableType]:
    """Every pair by its throughput (up) and its p95 (to the right, each step a factor)."""
    shown = [(n, one) for n, one in enumerate(report.cells) if one.delivery_ms.p95]
    if len(shown) < 2:
        return
    p95s = [one.delivery_ms.p95 or 1.0 for _, one in shown]
    fastest = max(one.delivered_per_s for _, one in shown)
    place_x = _scale(min(p95s), max(p95s))
    rows = [[" "] * MAP_WIDTH for _ in range(MAP_HEIGHT)]
    # Marks that matter are drawn last, over others at the same place.
    for n, one in sorted(shown, key=lambda item: (item[0] == report.recommended, _mark(item[1]))):
        y = round((MAP_HEIGHT - 1) * (1 - one.delivered_per_s / fastest)) if fastest else 0
        mark = "►" if n == report.recommended else _mark(one)
        rows[y][place_x(one.delivery_ms.p95 or 1.0)] = mark
    yield Text("\ndelivered/s against delivery p95: best is at the top left", style="bold")
    for number, row in enumerate(rows):
        label = f"{fastest:,.0f}" if number == 0 else "0" if number == MAP_HEIGHT - 1 else ""
        yield Text(f"{label:>8} │").append(Text("".join(row), style=words.CHART))
    low, high = words.milliseconds(min(p95s)), words.milliseconds(max(p95s))
    yield Text(" " * 9 + "└" + "─" * MAP_WIDTH)
    yield Text(" " * 10 + low + high.rjust(MAP_WIDTH - len(low)))


def _mark(one: Cell) -> str:
    return "◆" if one.on_frontier else "·"


def _scale(low: float, high: float) -> Callable[[float], int]:
    span = math.log(high / low) or 1.0
    return lambda value: round((MAP_WIDTH - 1) * math.log(value / low) / span)


def _explanation(report: TuneReport) -> Iterator[Text]:
    cells = [one for one in report.cells if one.delivery_ms.p95]
    for one in report.cells:
        if not one.audit.clean:
            yield Text(f"! {_name(one)} lost or damaged messages: it is no choice.", words.BAD)
        for reason in one.invalid:
            yield Text(f"! {_name(one)}: in one round {reason}; not sure.", words.WARNING)
    if report.recommended is None:
        yield Text("Too little was measured to recommend a pair.")
        return
    best = report.cells[report.recommended]
    yield Text(
        f"Recommended: {_name(best)}: {best.delivered_per_s:,.0f} delivered per second in the "
        f"burst, and a steady p95 of {_p95(best)}.",
        style="bold",
    )
    for sentence in (_too_small(cells), _too_large(cells, best), _too_long(cells)):
        yield Text(sentence)
    yield Text(f"The rule: {RULE}.", style=words.QUIET)
    if report.rounds == 1:
        text = "One round a pair: pairs that lie close together may change places. See --rounds."
        yield Text(text, style=words.QUIET)


def _too_small(cells: Sequence[Cell]) -> str:
    """What the smallest batch does to throughput."""
    smallest = min(cells, key=lambda one: (one.batch_size, -one.delivered_per_s))
    fastest = max(cells, key=lambda one: one.delivered_per_s)
    if smallest.delivered_per_s * CLEAR > fastest.delivered_per_s:
        return "Too small did not hurt here: the smallest batch is about as fast as any."
    return (
        f"Too small: {_name(smallest)} delivers {smallest.delivered_per_s:,.0f} per second, "
        f"{_name(fastest)} {fastest.delivered_per_s:,.0f}. Each save rewrites a file; small "
        "batches pay that price more often."
    )


def _too_large(cells: Sequence[Cell], best: Cell) -> str:
    """What a batch that never fills does, beside a smaller one with the same interval."""
    found = _worst_pair(cells, lambda one: one.flush_interval_ms, lambda one: one.batch_size)
    if found is None:
        return f"Too large did not hurt here: no larger batch is clearly worse than {_name(best)}."
    small, large = found
    return (
        f"Too large: with the same interval, {_name(large)} has a p95 of {_p95(large)} and up to "
        f"{large.at_risk:,} messages at risk; {_name(small)} has {_p95(small)} and "
        f"{small.at_risk:,}. In the burst they deliver {large.delivered_per_s:,.0f} and "
        f"{small.delivered_per_s:,.0f} per second. A batch that does not fill waits for the clock."
    )


def _too_long(cells: Sequence[Cell]) -> str:
    """What a long interval does, beside a shorter one with the same batch size."""
    found = _worst_pair(cells, lambda one: one.batch_size, lambda one: one.flush_interval_ms or 0)
    if found is None:
        return "Too long did not hurt here: no longer interval is clearly worse than a short one."
    short, long = found
    return (
        f"Too long: with the same batch size, {_name(long)} has a p95 of {_p95(long)} and up to "
        f"{long.at_risk:,} messages at risk; {_name(short)} has {_p95(short)} and "
        f"{short.at_risk:,}. A message in a batch waits until the batch is saved."
    )


def _worst_pair(
    cells: Sequence[Cell],
    same: Callable[[Cell], float | None],
    more: Callable[[Cell], float],
) -> tuple[Cell, Cell] | None:
    """Two cells with the same of one knob and less and more of the other, p95 clearly higher with
    more; those that differ the most, in p95 times throughput. None if there are none."""
    found = [
        (a.delivered_per_s / b.delivered_per_s * b.delivery_ms.p95 / a.delivery_ms.p95, a, b)
        for a in cells
        for b in cells
        if a.delivery_ms.p95
        and b.delivery_ms.p95
        and b.delivered_per_s
        and b.delivery_ms.p95 >= CLEAR * a.delivery_ms.p95
        and same(a) is not None
        and same(a) == same(b)
        and more(a) < more(b)
    ]
    if not found:
        return None
    _, less, most = max(found, key=lambda item: item[0])
    return less, most


def _name(one: Cell) -> str:
    return words_of(one.batch_size, one.flush_interval_ms)


def _p95(one: Cell) -> str:
    return words.milliseconds(one.delivery_ms.p95)
