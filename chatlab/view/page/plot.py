"""A chart, as data: lines, dots and bars on axes that are linear or logarithmic.

Knows figures and scales, nothing of reports or of HTML; read `drawing.py` for how it becomes one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LOG_FROM_RATIO = 10
"""A chart whose modes differ by more than this starts with a logarithmic axis."""
LOG_MARGIN = 1.25
"""A logarithmic axis goes on by this factor beyond the smallest and the largest value."""
TICKS = 5

Tick = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis.

    Attributes:
        title: what it shows, with the unit.
        low, high: its ends while it is linear.
        log_low: its low end while it is logarithmic, above 0; None if it never is.
        starts_log: whether it begins so.
        fixed: its ticks, where they are no round numbers.
    """

    title: str
    low: float
    high: float
    log_low: float | None = None
    starts_log: bool = False
    fixed: Sequence[Tick] = ()

    @property
    def scales(self) -> list[bool]:
        """Whether it is logarithmic, in each way in which it can be drawn."""
        return [False] if self.log_low is None else [False, True]

    def share(self, value: float, log: bool) -> float:
        """Where a value stands: 0 at the low end and for what is below it, 1 at the high one."""
        low, high = self.low, self.high
        if log:
            high *= LOG_MARGIN
            low, high, value = (math.log10(max(one, self._floor)) for one in (low, high, value))
        return min(2.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0

    def ticks(self, log: bool) -> list[Tick]:
        """Values to write at the axis, and how."""
        if self.fixed:
            return list(self.fixed)
        found = (
            _log_ticks(self._floor, LOG_MARGIN * self.high) if log else _ticks(self.low, self.high)
        )
        return [(value, f"{value:,.10g}") for value in found]

    @property
    def _floor(self) -> float:
        return self.log_low or 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotLine:
    """Points joined by a line; `said` is shown under the pointer."""

    points: Sequence[tuple[float, float]]
    colour: str
    said: str
    faint: bool = False
    dotted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One point; hollow or a diamond where it differs from the others."""

    at: tuple[float, float]
    colour: str
    said: str
    hollow: bool = False
    diamond: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines and dots on two axes.

    Attributes:
        legend: names and colours of what is shown; empty where the axis names it.
    """

    x: Axis
    y: Axis
    lines: list[PlotLine] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    legend: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure as a bar; `written` stands beside it; a dot for each round on it."""

    name: str
    colour: str
    value: float
    written: str
    said: str
    dots: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars on one axis; each with its figure written out."""

    axis: Axis
    bars: list[Bar]


def axis(title: str, values: Iterable[float], mains: Iterable[float]) -> Axis:
    """An axis from 0, which can be made logarithmic.

    Args:
        title: what it shows, with the unit.
        values: all that stands on it.
        mains: a figure for each mode: it starts logarithmic if they are far apart.
    """
    values = list(values)
    high = max([*values, 0.0]) or 1.0
    above = [value for value in values if value > 0]
    if not above:
        return Axis(title=title, low=0.0, high=high)
    low = min(above) / LOG_MARGIN
    return Axis(title=title, low=0.0, high=high * 1.05, log_low=low, starts_log=far_apart(mains))


def far_apart(values: Iterable[float]) -> bool:
    """Whether the smallest of these would lie on a linear axis."""
    above = [value for value in values if value > 0]
    return bool(above) and max(above) > LOG_FROM_RATIO * min(above)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, about `TICKS` of them."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ...; powers of ten alone where that would be crowded."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        found = [digit * 10.0**power for power in powers for digit in digits]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= TICKS + 2:
            break
    return found
