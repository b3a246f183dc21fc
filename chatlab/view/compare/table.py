"""The figures of a comparison as rows, which the terminal and all exports share: speed and truth in
one table.

Pure: a report goes in, rows come out. Read `claims.py` next: the sentences that go with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.report import ModeReport, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM, Estimate
from chatlab.chat.snapshot import Percentiles
from chatlab.data.journal_segments import is_of_a_journal
from chatlab.data.sqlite_database import NAME as DATABASE
from chatlab.disk.counted import FileIO
from chatlab.view import words

CellTone = Literal["plain", "good", "bad"]
AUDIT_COUNTS = ("sent", "acked", "refused", "saved", "delivered")
OPERATIONS = ("reads", "writes", "fsyncs")
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


def rows(report: Report, *, both_clocks: bool = False, full: bool = True) -> list[TableRow]:
    """Speed, cost and truth of each mode, in the order of `report.modes`.

    Args:
        report: what was measured.
        both_clocks: whether to add the latencies from the real send.
        full: whether to show everything; if not, files are added up, and what the audit of all
            modes found in order is one row. What it found wrong is shown either way.
    """
    cost, truth = (_cost, _truth) if full else (_cost_in_short, _truth_in_short)
    return [
        *_group("SPEED", _speed(report, both_clocks), report, speed=True),
        *_group("COST of one round", cost(report), report),
        *_group("TRUTH, all rounds", truth(report), report),
    ]


def audit_rows(report: Report) -> list[TableRow]:
    """The truth alone."""
    return _group("TRUTH, all rounds", _truth(report), report)[1:]


def per_message(value: float | None) -> str:
    """`2`, `0.021`, or a dash."""
    return words.DASH if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _group(heading: str, lines: _Rows, report: Report, *, speed: bool = False) -> list[TableRow]:
    found = [TableRow(heading, [])]
    for label, figure in lines:
        # Speed without truth is not shown: the raw figures have it, beside the audit.
        unsafe = TableCell(words.DASH if found[1:] else "not comparable", "bad")
        cells = [
            unsafe if speed and not mode.audit.clean else figure(mode)
            for mode in report.modes.values()
        ]
        found.append(TableRow(label, [TableCell(c) if isinstance(c, str) else c for c in cells]))
    return found


def _speed(report: Report, both_clocks: bool) -> _Rows:
    yield "delivered per second", lambda mode: f"{mode.throughput_per_s.median:,.0f}"
    yield "95% interval", lambda mode: _interval(mode, report.rounds)
    for ceiling in report.ceilings:
        yield CEILING_LABELS[ceiling], lambda mode, of=ceiling: _share(mode.shares.get(of))  # type: ignore[misc]
    yield "ack p50 / p99", lambda mode: _p50_p99(mode.ack_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.ack_send_ms)
    yield "delivery p50 / p99", lambda mode: _p50_p99(mode.delivery_ms)
    if both_clocks:
        yield "... from the real send", lambda mode: _p50_p99(mode.delivery_send_ms)


def _cost(report: Report) -> _Rows:
    for file in sorted({name for mode in report.modes.values() for name in _grouped(mode)}):
        for kind in OPERATIONS:
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


def _cost_in_short(report: Report) -> _Rows:
    for kind in OPERATIONS:
        yield f"file {kind}", lambda mode, kind=kind: words.count(getattr(mode.io, kind))  # type: ignore[misc]
    kept = ("reads + writes per message", "bytes written", "server CPU")
    yield from (row for row in _cost(report) if row[0] in kept)


def _truth(_report: Report) -> _Rows:
    yield "an ack means", lambda mode: mode.ack_means
    for name in AUDIT_COUNTS:
        yield name, lambda mode, name=name: _count(getattr(mode.audit, name))  # type: ignore[misc]
    for name in FAULTS:
        yield name, lambda mode, name=name: _fault(getattr(mode.audit, name))  # type: ignore[misc]
    yield "audit", lambda mode: _audit(mode.audit)


def _truth_in_short(report: Report) -> _Rows:
    """All that went as planned in one row; everything else stays open."""
    audits = [mode.audit for mode in report.modes.values()]
    as_planned = all(map(_as_planned, audits))
    shown = {"an ack means"} if as_planned else {"an ack means", *AUDIT_COUNTS}
    shown |= {name for name in FAULTS if any(getattr(audit, name) for audit in audits)}
    yield from (row for row in _truth(report) if row[0] in shown)
    yield "audit", lambda mode: _audit(mode.audit, f": all {mode.audit.sent:,}" * as_planned)


def _as_planned(audit: Audit) -> bool:
    """Whether each message sent was acked, saved and delivered, and nothing else happened."""
    same = audit.sent == audit.acked == audit.saved == audit.delivered
    return same and audit.clean and not audit.refused


def _file_count(mode: ModeReport, file: str, kind: str) -> int:
    return int(getattr(_grouped(mode).get(file), kind, 0))


def _grouped(mode: ModeReport) -> dict[str, FileIO]:
    """The counts of each file; files that are a store only together have one name."""
    found: dict[str, FileIO] = {}
    for name, io in mode.io.files.items():
        group = _group_of(name)
        found[group] = found.get(group, FileIO()) + io
    return found


def _group_of(file: str) -> str:
    if is_of_a_journal(file):
        return "journal"
    return "database" if file.startswith(DATABASE) else file  # its log and its index, too


def _interval(mode: ModeReport, asked: int) -> str:
    speed, counted = mode.throughput_per_s, sum(not one.invalid for one in mode.rounds)
    if asked < ROUNDS_FOR_A_CLAIM:
        return f"needs {ROUNDS_FOR_A_CLAIM} rounds"
    if speed.low is None or speed.high is None or not counted:
        return f"{counted} of {asked} count"
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
    p50, p99 = words.milliseconds(latency_ms.p50), words.milliseconds(latency_ms.p99)
    figure, _, unit = p50.partition(" ")
    return f"{figure if p99.endswith(f' {unit}') else p50} / {p99}"


def _count(value: int | None) -> str:
    return "unknown" if value is None else words.count(value)


def _fault(value: int) -> TableCell:
    return TableCell(words.count(value), "bad" if value else "plain")


def _audit(audit: Audit, more: str = "") -> TableCell:
    return TableCell(f"clean{more}", "good") if audit.clean else TableCell("NOT CLEAN", "bad")
