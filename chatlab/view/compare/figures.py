"""The figures of a comparison as a table of plain text: the rows of the HTML page and of Markdown.

The terminal's table (`compare.py`) shows the same; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import Audit
from chatlab.bench.report import ModeReport, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.chat.snapshot import Percentiles
from chatlab.view import words

CellTone = Literal["plain", "good", "bad"]
AUDIT_COUNTS = ("sent", "acked", "refused", "saved", "delivered")
AUDIT_FAULTS = (
    "lost",
    "duplicated",
    "misdelivered",
    "reordered",
    "corrupt",
    "unanswered",
    "misrefused",
)


@dataclass(frozen=True, slots=True)
class TableCell:
    """One figure, and whether it is good or bad news beyond its size."""

    text: str
    tone: CellTone = "plain"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of the table: a cell for each mode, or none at all under a heading."""

    label: str
    cells: list[TableCell]

    @property
    def heading(self) -> bool:
        """Whether it starts a group of rows."""
        return not self.cells


Figure = Callable[[ModeReport], TableCell]


def rows(report: Report, *, both_clocks: bool = False) -> list[TableRow]:
    """Speed, cost and truth of each mode, in the order of `report.modes`.

    Args:
        report: what was measured.
        both_clocks: whether to add what the clock that starts at the real send says.
    """
    return [
        *_group("SPEED", _speed(report, both_clocks), report),
        *_group("COST of one round", _cost(report), report),
        *_group("TRUTH, all rounds", _truth(), report),
    ]


def audit_rows(report: Report) -> list[TableRow]:
    """The truth alone."""
    return _group("TRUTH, all rounds", _truth(), report)[1:]


def per_message(value: float | None) -> str:
    """`2`, `0.021`, or a dash."""
    return words.DASH if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _group(heading: str, lines: Iterator[tuple[str, Figure]], report: Report) -> list[TableRow]:
    modes = report.modes.values()
    return [
        TableRow(heading, []),
        *(TableRow(label, [cell(one) for one in modes]) for label, cell in lines),
    ]


def _speed(report: Report, both_clocks: bool) -> Iterator[tuple[str, Figure]]:
    yield "delivered per second", lambda mode: TableCell(f"{mode.throughput_per_s.median:,.0f}")
    yield "95% interval", _interval
    for ceiling in report.ceilings:
        label = {"echo": "x bare echo server", "memory": "x server without disk"}[ceiling]
        yield label, lambda mode, ceiling=ceiling: _share(mode, ceiling)  # type: ignore[misc]
    yield "ack p50 / p99", lambda mode: _p50_p99(mode.ack_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.ack_send_ms)
    yield "delivery p50 / p99", lambda mode: _p50_p99(mode.delivery_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.delivery_send_ms)


def _cost(report: Report) -> Iterator[tuple[str, Figure]]:
    for file in sorted({name for mode in report.modes.values() for name in mode.io.files}):
        for kind in ("reads", "writes", "fsyncs"):
            if any(_file_count(mode, file, kind) for mode in report.modes.values()):
                yield (
                    f"{words.printable(file)} {kind}",
                    lambda mode, file=file, kind=kind: TableCell(
                        f"{_file_count(mode, file, kind):,}"
                    ),  # type: ignore[misc]
                )
    yield "reads + writes per message", lambda mode: TableCell(per_message(mode.io.per_message))
    yield "bytes read", lambda mode: TableCell(words.size(mode.io.bytes_read))
    yield "bytes written", lambda mode: TableCell(words.size(mode.io.bytes_written))
    yield "server CPU", lambda mode: TableCell(f"{mode.cpu_s:.2f} s")
    yield "peak memory", lambda mode: TableCell(words.size(mode.rss_peak_bytes))


def _truth() -> Iterator[tuple[str, Figure]]:
    yield "an ack means", lambda mode: TableCell(mode.ack_means)
    for field in AUDIT_COUNTS:
        yield field, lambda mode, field=field: _count(getattr(mode.audit, field))  # type: ignore[misc]
    for field in AUDIT_FAULTS:
        yield field, lambda mode, field=field: _fault(getattr(mode.audit, field))  # type: ignore[misc]
    yield "audit", lambda mode: _audit(mode.audit)


def _file_count(mode: ModeReport, file: str, kind: str) -> int:
    return int(getattr(mode.io.files[file], kind)) if file in mode.io.files else 0


def _interval(mode: ModeReport) -> TableCell:
    speed = mode.throughput_per_s
    if speed.low is None or speed.high is None:
        return TableCell(f"needs {ROUNDS_FOR_A_CLAIM} rounds")
    return TableCell(f"{speed.low:,.0f} to {speed.high:,.0f}")


def _share(mode: ModeReport, ceiling: str) -> TableCell:
    """`0.93 (0.89 to 0.97)`: the mode's throughput in units of the ceiling's."""
    if ceiling not in mode.shares:
        return TableCell(words.DASH)
    share = mode.shares[ceiling]
    text = f"{share.median:.2g}"
    if share.low is not None and share.high is not None:
        text += f" ({share.low:.2g} to {share.high:.2g})"
    return TableCell(text)


def _p50_p99(latency_ms: Percentiles) -> TableCell:
    return TableCell(f"{words.milliseconds(latency_ms.p50)} / {words.milliseconds(latency_ms.p99)}")


def _count(value: int | None) -> TableCell:
    return TableCell("unknown" if value is None else words.count(value))


def _fault(value: int) -> TableCell:
    return TableCell(words.count(value), "bad" if value else "plain")


def _audit(audit: Audit) -> TableCell:
    return TableCell("clean", "good") if audit.clean else TableCell("NOT CLEAN", "bad")
