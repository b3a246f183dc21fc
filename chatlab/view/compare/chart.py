"""What a chart of the page is, and what all of them share: one colour for each mode.

Titles and readings are prose, in `explanations.md`, in the order in which the page shows them.
Read `charts_by_round.py` and `charts_by_mode.py` for what is drawn.

The colours keep a contrast of 3:1 on the light and on the dark page, and stay apart for people who
see no red or no green (chosen by search over simulated vision: Machado, Oliveira and Fernandes,
2009). Text and grid lines get theirs in the browser, which knows whether the page is light or dark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatlab.bench.report import ModeReport, Report
from chatlab.view import explain, words
from chatlab.view.page.plot import Bars, Plot

COLOURS = ("#317fc4", "#cb720b", "#089176", "#6e3df5", "#c43131", "#257d93")
CONTROL = "#7d848c"
LABEL_WIDTH = 22


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        key: its name on the page and in `explanations.md`, a word.
        draw: report to chart.
        said: a mode's main figure, for the words in place of the picture: people who cannot see it
            get these.
        small: whether it stands beside others in a row.
    """

    key: str
    draw: Callable[[Report], Plot | Bars]
    said: Callable[[ModeReport], str]
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
            f"{words.printable(name)}{warning(mode)} {self.said(mode)}"
            for name, mode in report.modes.items()
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
    """A mode's name for a chart, cut in its middle.

    Args:
        name: what the user typed; may be a path.
        width: in characters.
    """
    return words.shorten_middle(words.printable(name), width)


def full(name: str) -> str:
    """A mode's whole name, for what is shown under the pointer."""
    return label(name, 200)


def legend(report: Report) -> dict[str, str]:
    """The modes' names and colours."""
    return {
        label(name) + warning(report.modes[name]): colour
        for name, colour in colours(report).items()
    }


def warning(mode: ModeReport) -> str:
    """What a chart says beside the name of a mode whose speed proves nothing."""
    return "" if mode.audit.clean else " (NOT SAFE)"
