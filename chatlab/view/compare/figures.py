"""The figures of a comparison as a table of plain text: the rows of every table that is shown.

Read `claims.py` next: the sentences that go with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.report import ModeReport, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM, Estimate
from chatlab.chat.snapshot import Percentiles
from chatlab.view import words

CellTone = Literal["plain", "good", "bad"]
AUDIT_COUNTS = ("sent", "acked", "refused", "saved", "delivered")
CEILING_LABELS = {"echo": "x bare echo server", "memory": "x server without disk"}


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


_Rows = Iterator[tuple[str, Callable[[ModeReport], str | TableCell]]]
"""Labels, and what each makes of a mode."""


def rows(report: Report, *, both_clocks: bool = False) -> list[TableRow]:
    """Speed, cost and truth of each mode, in the order of `report.modes`.

    Args:
        report: what was measured.
        both_clocks: whether to add the latencies from the real send.
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


def _group(heading: str, lines: _Rows, report: Report) -> list[TableRow]:
    found = [TableRow(heading, [])]
    for label, figure in lines:
        cells = [figure(mode) for mode in report.modes.values()]
        found.append(TableRow(label, [TableCell(c) if isinstance(c, str) else c for c in cells]))
    return found


def _speed(report: Report, both_clocks: bool) -> _Rows:
    yield "delivered per second", lambda mode: f"{mode.throughput_per_s.median:,.0f}"
    yield "95% interval", _interval
    for ceiling in report.ceilings:
        yield CEILING_LABELS[ceiling], lambda mode, of=ceiling: _share(mode.shares.get(of))  # type: ignore[misc]
    yield "ack p50 / p99", lambda mode: _p50_p99(mode.ack_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.ack_send_ms)
    yield "delivery p50 / p99", lambda mode: _p50_p99(mode.delivery_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.delivery_send_ms)


def _cost(report: Report) -> _Rows:
    for file in sorted({name for mode in report.modes.values() for name in mode.io.files}):
        for kind in ("reads", "writes", "fsyncs"):
            if any(_file_count(mode, file, kind) for mode in report.modes.values()):
                yield (
                    f"{words.printable(file)} {kind}",
                    lambda mode, file=file, kind=kind: f"{_file_count(mode, file, kind):,}",  # type: ignore[misc]
                )
    yield "reads + writes per message", lambda mode: per_message(mode.io.per_message)
    yield "bytes read", lambda mode: words.size(mode.io.bytes_read)
    yield "bytes written", lambda mode: words.size(mode.io.bytes_written)
    yield "server CPU", lambda mode: f"{mode.cpu_s:.2f} s"
    yield "peak memory", lambda mode: words.size(mode.rss_peak_bytes)


def _truth() -> _Rows:
    yield "an ack means", lambda mode: mode.ack_means
    for name in AUDIT_COUNTS:
        yield name, lambda mode, name=name: _count(getattr(mode.audit, name))  # type: ignore[misc]
    for name in FAULTS:
        yield name, lambda mode, name=name: _fault(getattr(mode.audit, name))  # type: ignore[misc]
    yield "audit", lambda mode: _audit(mode.audit)


def _file_count(mode: ModeReport, file: str, kind: str) -> int:
    return int(getattr(mode.io.files[file], kind)) if file in mode.io.files else 0


def _interval(mode: ModeReport) -> str:
    speed = mode.throughput_per_s
    if speed.low is None or speed.high is None:
        return f"needs {ROUNDS_FOR_A_CLAIM} rounds"
    return f"{speed.low:,.0f} to {speed.high:,.0f}"


def _share(share: Estimate | None) -> str:
    """`0.93 (0.89 to 0.97)`: the mode's throughput divided by the ceiling's."""
    if share is None:
        return words.DASH
    text = f"{share.median:.2g}"
    if share.low is not None and share.high is not None:
        text += f" ({share.low:.2g} to {share.high:.2g})"
    return text


def _p50_p99(latency_ms: Percentiles) -> str:
    return f"{words.milliseconds(latency_ms.p50)} / {words.milliseconds(latency_ms.p99)}"


def _count(value: int | None) -> str:
    return "unknown" if value is None else words.count(value)


def _fault(value: int) -> TableCell:
    return TableCell(words.count(value), "bad" if value else "plain")


def _audit(audit: Audit) -> TableCell:
    return TableCell("clean", "good") if audit.clean else TableCell("NOT CLEAN", "bad")
