"""What hangs on the page: each chart with its title, how to read it, and its figures in words.

The words in place of a picture are for people who cannot see it: they hold its main figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatlab.bench.report import ModeReport, Report
from chatlab.view import words
from chatlab.view.compare import bars, charts, curves, figures


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        key: its name on the page, a word.
        title: what it shows.
        reading: how to read it, in plain sentences, one a paragraph.
        draw: report to plotly figure.
        said: a mode's main figure, for the words in place of the picture.
        log_axes: which axes get a switch to a logarithmic scale: "x", "y" or both.
        starts_log: whether those axes begin as logarithmic ones.
        small: whether it stands beside others in a row.
    """

    key: str
    title: str
    reading: tuple[str, ...]
    draw: Callable[[Report], Any]
    said: Callable[[ModeReport], str]
    log_axes: str = ""
    starts_log: bool = False
    small: bool = False

    def alternative(self, report: Report) -> str:
        """The chart in words."""
        said = "; ".join(
            f"{words.printable(name)} {self.said(mode)}" for name, mode in report.modes.items()
        )
        return f"Chart: {self.title}. {said}."


_OF_ROUNDS = (
    "The strong line is one whole round of a mode: the one with the median throughput. The faint "
    "lines are its other rounds."
)

CHARTS = (
    Chart(
        "throughput",
        "Throughput over time",
        (
            "How many messages reached everyone in their room, per second. High and early is "
            "good: the area under a line is the number of messages delivered.",
            _OF_ROUNDS,
            "Steps that jump come from batches: nothing, then many at once. If a mode is done so "
            "early that it is a spike at the left, make the time axis logarithmic.",
        ),
        charts.throughput_over_time,
        lambda mode: f"{mode.throughput_per_s.median:,.0f} delivered per second (median of rounds)",
        log_axes="xy",
    ),
    Chart(
        "outstanding",
        "Messages outstanding: the queue",
        (
            "Messages sent that neither came back to their room nor were refused, wherever they "
            "wait. A line that falls to 0 means that the server caught up.",
            "In a steady load, a line that keeps rising means that the server cannot keep up, "
            "however good its throughput looks.",
            _OF_ROUNDS,
        ),
        charts.outstanding_over_time,
        lambda mode: f"at most {max(charts.typical(mode).series.outstanding, default=0):,} waiting",
        log_axes="xy",
    ),
    Chart(
        "oldest",
        "Oldest undelivered message",
        (
            "How long the unluckiest message had been waiting at each moment, counted from when "
            "it was to be sent. Percentiles only know the messages that came back; this line "
            "also knows those that have not.",
            "A slope of one second per second means that the oldest message is not moving at all.",
            _OF_ROUNDS,
        ),
        charts.oldest_over_time,
        lambda mode: f"at most {max(charts.typical(mode).series.oldest_s, default=0):.3g} s",
        log_axes="xy",
    ),
    Chart(
        "ack",
        "Latency until the ack",
        (
            "Read it from the bottom axis: at 90% stands the time within which nine of ten "
            "messages were acknowledged. Lower is better; the right end is the unlucky few.",
            "Solid: from when the message was to be sent. Dotted: from when it really was sent, "
            "which forgets the time that a held-up sender waited. Where the two part, the dotted "
            "one flatters.",
            "An early ack is only worth what it promises: see “an ack means” in the table.",
        ),
        curves.ack_curve,
        lambda mode: f"ack p50 {_said_ms(mode.ack_ms.p50)}, p99 {_said_ms(mode.ack_ms.p99)}",
        log_axes="y",
        starts_log=True,
    ),
    Chart(
        "delivery",
        "Latency until the last delivery",
        (
            "The same, until the last member of the room had the message: what people notice.",
            "If acks are much quicker than deliveries, the server answers first and works later.",
            "Both axes are logarithmic: equal steps up are equal factors, not equal differences, "
            "and to the right each further nine gets as much room as the one before.",
        ),
        curves.delivery_curve,
        lambda mode: (
            f"delivery p50 {_said_ms(mode.delivery_ms.p50)}, p99 {_said_ms(mode.delivery_ms.p99)}"
        ),
        log_axes="y",
        starts_log=True,
    ),
    Chart(
        "rounds",
        "Every round",
        (
            "A dot is one round on a fresh server. A line joins rounds that are compared with "
            "each other. If all lines slope the same way, the difference is no accident.",
            "Hollow: invalid, its plan was not met, and no verdict rests on it. Diamond: noisy, "
            "far from the other rounds; shown, and never left out.",
        ),
        charts.rounds,
        lambda mode: (
            f"{', '.join(f'{one.throughput_per_s:,.0f}' for one in mode.rounds)} per second"
        ),
    ),
    Chart(
        "operations",
        "File operations per message",
        (
            "Reads and writes of all files for each message that was saved. Counted, not timed: "
            "a busy machine does not blur them.",
            "Below 1, several messages share one write: a batch.",
        ),
        bars.operations_per_message,
        lambda mode: f"{figures.per_message(mode.io.per_message)} per message",
    ),
    Chart(
        "cpu",
        "Server CPU",
        ("Processor time in one round: the bar is the median, the dots are the rounds.",),
        bars.server_cpu,
        lambda mode: f"{mode.cpu_s:.2f} s",
        small=True,
    ),
    Chart(
        "memory",
        "Server memory",
        (
            "The most memory that it held: the bar is the worst round. A queue without bounds "
            "shows here.",
        ),
        bars.server_memory,
        lambda mode: words.size(mode.rss_peak_bytes),
        small=True,
    ),
    Chart(
        "lag",
        "Event-loop lag",
        (
            "How late the server got to what was due: the bar is the worst round. While it is "
            "late it answers nobody, whatever they ask. A dash: the round was too short to tell.",
        ),
        bars.loop_lag,
        lambda mode: f"{len(mode.rounds)} rounds",
        small=True,
    ),
)


def _said_ms(value: float | None) -> str:
    return "unknown" if value is None else words.milliseconds(value)
