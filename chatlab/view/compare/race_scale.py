"""The one scale of both sides of a race: without it, the slower side would look as fast.

Owns what the width and the height of a chart stand for. Read `race_panel.py` for the charts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from chatlab.view import words
from chatlab.view.compare.race_state import RaceState
from chatlab.view.lines import chart_width

TEXT_WIDTH = 30
"""Columns of a side's words; what it has beyond that becomes charts."""
OVER_MAX = 0.01
"""By how much a round may go on beyond the right end of its charts."""
_ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the full width and height of each chart stand for, on both sides.

    Attributes:
        columns: of a chart; 0 if there is no room for one.
        span_s: scenario time from its left to its right.
        per_s: deliveries per second.
        outstanding: messages.
    """

    columns: int
    span_s: float
    per_s: float
    outstanding: int

    @classmethod
    def of(cls, state: RaceState, names: Sequence[str], width: int) -> Scale:
        """The scale that fits all that is known of some modes.

        Args:
            state: the comparison.
            names: of the modes.
            width: columns of a panel.
        """
        columns = chart_width(width, TEXT_WIDTH)
        runs = [run for name in names for run in state.runs(name)]
        longest_s = max([_planned_s(state), *(run.end_s for run in runs)])
        # The last answer comes a little after the last send; that is no reason for a wider scale.
        span_s = rounded_up(longest_s / (1 + OVER_MAX))
        step_s = span_s / max(1, columns)
        rates = [rate for run in runs for rate in run.rates_per_s(span_s, step_s)]
        waiting = [n for run in runs for n in run.outstanding(span_s, step_s) if n is not None]
        return cls(columns, span_s, rounded_up(max(rates, default=0)), max(waiting, default=0))

    @property
    def step_s(self) -> float:
        """Scenario time of one column."""
        return self.span_s / max(1, self.columns)

    def describe(self, width: int) -> str:
        """The scale, in words that need at most `width` columns."""
        text = (
            f"charts: 0 to {self.span_s:.3g} s, full height {words.per_s(self.per_s)} "
            f"and {words.count(self.outstanding)} in queue"
        )
        return words.first_that_fits(width, f"{text}; the same on both sides", text)


def rounded_up(value: float) -> float:
    """The next round number, so that a scale stands still while its figures grow."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    at = bisect_left(_ROUND, value / power * (1 - 1e-9))
    return _ROUND[min(at, len(_ROUND) - 1)] * power


def _planned_s(state: RaceState) -> float:
    """How long the sending alone takes; 0 where nobody can know."""
    scenario = state.scenario
    if scenario.rate_per_s is None or scenario.in_flight is not None:
        return 0.0
    last = scenario.rate_end_per_s or scenario.rate_per_s
    return 2 * scenario.messages / (scenario.rate_per_s + last)
