"""What a chart of the page is, and the look that all of them share: one colour for each mode.

Titles and readings are prose, in `explanations.md`, in the order in which the page shows them.
Read `charts_by_round.py` and `charts_by_mode.py` for what is drawn.

The colours keep a contrast of 3:1 on the light and on the dark page, and stay apart for people who
see no red or no green (chosen by search over simulated vision: Machado, Oliveira and Fernandes,
2009). Text and grid lines get theirs in the browser, which knows whether the page is light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from chatlab.bench.report import ModeReport, Report
from chatlab.view import explain, words

COLOURS = ("#317fc4", "#cb720b", "#089176", "#6e3df5", "#c43131", "#257d93")
CONTROL = "#7d848c"
LABEL_WIDTH = 22
HEIGHT_PX = 340
_AXIS = {
    "automargin": True,
    "rangemode": "tozero",
    "exponentformat": "none",
    "separatethousands": True,
}
LOG_DECADES_MAX = 2.5
"""From here on a logarithmic axis shows only powers of ten."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        key: its name on the page and in `explanations.md`, a word.
        draw: report to plotly figure.
        said: a mode's main figure, for the words in place of the picture: people who cannot see it
            get these.
        log_axes: which axes get a switch to a logarithmic scale: "x", "y" or both.
        starts_log: whether those axes begin as logarithmic ones.
        small: whether it stands beside others in a row.
    """

    key: str
    draw: Callable[[Report], Any]
    said: Callable[[ModeReport], str]
    log_axes: str = ""
    starts_log: bool = False
    small: bool = False

    @property
    def title(self) -> str:
        """What it shows."""
        return explain.charts()[self.key][0]

    @property
    def reading(self) -> list[str]:
        """How to read it, in plain sentences, one a paragraph."""
        return explain.charts()[self.key][1]

    def alternative(self, report: Report) -> str:
        """The chart in words."""
        said = "; ".join(
            f"{words.printable(name)} {self.said(mode)}" for name, mode in report.modes.items()
        )
        return f"Chart: {self.title}. {said}."


def in_order(charts: Sequence[Chart]) -> list[Chart]:
    """Charts in the order of `explanations.md`."""
    return sorted(charts, key=lambda chart: list(explain.charts()).index(chart.key))


def colours(report: Report) -> dict[str, str]:
    """Mode to colour, in the order of the report; more modes than colours begin again."""
    found = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(report.modes)}
    if report.control in found:
        found[str(report.control)] = CONTROL
    return found


def label(name: str, width: int = LABEL_WIDTH) -> str:
    """A mode's name for a chart, cut in its middle: charts take names for HTML, so it is escaped.

    Args:
        name: what the user typed; may be a path.
        width: in characters.
    """
    return escape(words.shorten_middle(words.printable(name), width), quote=False)


def full(name: str) -> str:
    """A mode's whole name, for what is shown under the pointer."""
    return label(name, 200)


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """The look of a chart.

    Args:
        x, y: what the axes show, with the unit.
        more: further settings of plotly's, added or replacing.
    """
    look: dict[str, Any] = {
        "template": "none",
        "height": HEIGHT_PX,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "xaxis": {"title": {"text": x}, **_AXIS},
        "yaxis": {"title": {"text": y}, **_AXIS},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "dragmode": False,
        "hoverlabel": {"namelength": -1},
    }
    for key, value in more.items():
        look[key] = {**look[key], **value} if isinstance(look.get(key), dict) else value
    return look


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """1, 2, 5, 10, ... written out: plotly's own short forms ("5" for 500) puzzle newcomers."""
    above = [value for value in values if value > 0] or [1]
    ticks = [digit * 10**power for power in range(-2, 8) for digit in (1, 2, 5)]
    ends = [math.log10(min(above) / 1.25), math.log10(max(above) * 1.25)]
    if ends[1] - ends[0] > LOG_DECADES_MAX:
        ticks = ticks[::3]
    texts = [f"{tick:,g}" for tick in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts, "range": ends}
