"""The figures of a comparison as a table: its rows, which all exports share, and its look on a
terminal: speed and truth in one table.

Pure: a report goes in, something to print comes out. Read `claims.py` next: the sentences that go
with the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.report import ModeReport, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM, Estimate
from chatlab.chat.snapshot import Percentiles
from chatlab.data.records import CHATROOMS, USERS
from chatlab.disk.counted import FOLDER
from chatlab.view import words
from chatlab.view.compare import claims

CellTone = Literal["plain", "good", "bad"]
AUDIT_COUNTS = ("sent", "acked", "refused", "saved", "delivered")
CEILING_LABELS = {"echo": "x bare echo server", "memory": "x server without disk"}
BAR_WIDTH = 40
LABEL_WIDTH = 28
MODE_WIDTH = 21
NOT_MESSAGES = {USERS.name, CHATROOMS.name, FOLDER}
_STYLES: dict[str, str] = {"plain": "", "good": "green", "bad": "bold red"}
_TONES: dict[str, str] = {"better": "green", "worse": "yellow", "unsafe": "bold red"}


# Its rows


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


# On a terminal


def render(report: Report, *, both_clocks: bool = False) -> RenderableType:
    """The whole result: the table, the chart of file operations, the claims, the trust.

    Args:
        report: what was measured.
        both_clocks: whether to show latency from the real send too.
    """
    if not report.modes:
        return Text("Nothing was measured: stopped before the first round ended.")
    return Group(
        *_cautions(report),
        Text(claims.load(report), style="bold"),
        _Tables(report, both_clocks),
        Text(),
        _operations_chart(report),
        Text(),
        *_claims(report),
        *_trust(report),
    )


class _Tables:
    """The figures, in as many tables as the terminal's width demands."""

    def __init__(self, report: Report, both_clocks: bool) -> None:
        self._names = list(report.modes)
        self._rows = rows(report, both_clocks=both_clocks)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        at_once = max(1, (options.max_width - LABEL_WIDTH) // MODE_WIDTH)
        for first in range(0, len(self._names), at_once):
            if first:
                yield Text()
            yield self._table(slice(first, first + at_once))

    def _table(self, shown: slice) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("", no_wrap=True, style="dim")
        for name in self._names[shown]:
            table.add_column(words.printable(name), justify="right", overflow="fold")
        for row in self._rows:
            if row.heading:
                table.add_row()
                table.add_row(Text(row.label, style="bold not dim"))
            else:
                cells = (Text(cell.text, _STYLES[cell.tone]) for cell in row.cells[shown])
                table.add_row(row.label, *cells)
        return table


def _cautions(report: Report) -> Iterator[Text]:
    for name, sentence in claims.cautions(report).items():
        yield Text(f"! {name}: {sentence}", style="bold yellow")


def _operations_chart(report: Report) -> RenderableType:
    """Reads and writes in one round, wherever a mode keeps its messages."""
    counts = {
        name: sum(io.operations for file, io in mode.io.files.items() if file not in NOT_MESSAGES)
        for name, mode in report.modes.items()
    }
    most = max(*counts.values(), 1)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, max_width=26, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, count in counts.items():
        bar = "█" * max(count > 0, round(BAR_WIDTH * count / most))
        table.add_row(words.printable(name), f"{count:,}", bar)
    messages = report.scenario["messages"]
    title = f"Reads and writes of the messages' files, for {messages:,} messages"
    return Group(Text(title, style="bold"), table)


def _claims(report: Report) -> Iterator[Text]:
    for claim in claims.claims(report):
        yield Text(f"{claim.mark} {claim.sentence}", style=_TONES.get(claim.tone, ""))
        for but in claim.buts:
            yield Text(f"  {but}")
    noisy = [
        f"{words.printable(name)} {number}"
        for name, mode in report.modes.items()
        for number, one in enumerate(mode.rounds, start=1)
        if one.noisy
    ]
    if noisy:
        yield Text(f"Far from the other rounds, but counted: round {', '.join(noisy)}.", "dim")


def _trust(report: Report) -> Iterator[Text]:
    failed = [check for check in report.trust if not check.ok]
    if not failed:
        yield Text(f"Trust: all {len(report.trust)} checks of the instrument held.", style="dim")
    for check in failed:
        yield Text(f"! Trust: {claims.trust_line(check)}", style="yellow")
