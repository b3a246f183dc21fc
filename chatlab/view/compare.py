"""The result of a comparison, as people read it: speed and truth in one table.

Pure: a report goes in, something to print comes out. All figures come from the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chatlab.bench.audit import Audit
from chatlab.bench.report import Comparison, ModeReport, Report
from chatlab.chat.datafiles import MESSAGES
from chatlab.chat.snapshot import Percentiles
from chatlab.view import words

BAR_WIDTH = 40

Cell = Callable[[ModeReport], str | Text]


def render(report: Report) -> RenderableType:
    """The whole result: the table, the chart of file operations, the verdicts, the trust."""
    if not report.modes:
        return Text("Nothing was measured: stopped before the first round ended.")
    return Group(
        Text(_title(report), style="bold"),
        _table(report),
        Text(),
        _operations_chart(report),
        Text(),
        *_verdicts(report),
        *_trust(report),
    )


def _title(report: Report) -> str:
    scenario = report.scenario
    users, rooms = scenario["users"], scenario["rooms"]
    title = (
        f"{scenario['messages']:,} messages, {users} users in {rooms} room{'s' * (rooms > 1)}, "
        f"{report.history:,} messages of history, {report.rounds} rounds"
    )
    return title if report.complete else f"PARTIAL (stopped early): {title}"


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True, style="dim")
    for name in report.modes:
        table.add_column(name, justify="right", overflow="fold")
    for label, cell in _rows(report):
        if cell is None:
            table.add_row()
            table.add_row(Text(label, style="bold not dim"))
        else:
            table.add_row(label, *(cell(mode) for mode in report.modes.values()))
    return table


def _rows(report: Report) -> Iterator[tuple[str, Cell | None]]:
    yield "SPEED", None
    yield "delivered per second", lambda mode: f"{mode.throughput_per_s.median:,.0f}"
    yield "  95% interval", _interval
    yield "ack p50 / p99", lambda mode: _p50_p99(mode.ack_ms)
    yield "delivery p50 / p99", lambda mode: _p50_p99(mode.delivery_ms)
    yield "COST of one round", None
    for file in sorted({name for mode in report.modes.values() for name in mode.io.files}):
        yield from _file_rows(report, file)
    yield "reads + writes per message", lambda mode: _per_message(mode.io.per_message)
    yield "bytes read", lambda mode: words.size(mode.io.bytes_read)
    yield "bytes written", lambda mode: words.size(mode.io.bytes_written)
    yield "server CPU", lambda mode: f"{mode.cpu_s:.2f} s"
    yield "peak memory", lambda mode: words.size(mode.rss_peak_bytes)
    yield "TRUTH, all rounds", None
    yield "an ack means", lambda mode: Text(mode.ack_means, style="bold")
    for field in ("sent", "acked", "refused", "saved", "delivered"):
        yield field, lambda mode, field=field: _count(getattr(mode.audit, field))  # type: ignore[misc]
    for field in ("lost", "duplicated", "reordered", "corrupt", "unanswered"):
        yield field, lambda mode, field=field: _fault(getattr(mode.audit, field))  # type: ignore[misc]
    yield "audit", lambda mode: _audit_word(mode.audit)


def _file_rows(report: Report, file: str) -> Iterator[tuple[str, Cell]]:
    for kind in ("reads", "writes", "fsyncs"):
        counts = {
            name: getattr(mode.io.files[file], kind) if file in mode.io.files else 0
            for name, mode in report.modes.items()
        }
        if any(counts.values()):
            yield (
                f"{file} {kind}",
                lambda mode, kind=kind: _file_count(mode, file, kind),  # type: ignore[misc]
            )


def _file_count(mode: ModeReport, file: str, kind: str) -> str:
    return f"{getattr(mode.io.files[file], kind):,}" if file in mode.io.files else "0"


def _interval(mode: ModeReport) -> str:
    speed = mode.throughput_per_s
    if speed.low is None or speed.high is None:
        return "needs 6 rounds"
    return f"{speed.low:,.0f} to {speed.high:,.0f}"


def _p50_p99(latency_ms: Percentiles) -> str:
    return f"{words.milliseconds(latency_ms.p50)} / {words.milliseconds(latency_ms.p99)}"


def _per_message(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _count(value: int | None) -> str:
    return "unknown" if value is None else words.count(value)


def _fault(value: int) -> Text:
    return Text(words.count(value), style="bold red" if value else "")


def _audit_word(audit: Audit) -> Text:
    return Text("clean", "green") if audit.clean else Text("NOT CLEAN", "bold red")


def _operations_chart(report: Report) -> RenderableType:
    """Reads and writes of `messages.json` in one round: the chart that started it all."""
    counts = {
        name: mode.io.files[MESSAGES.name].operations if MESSAGES.name in mode.io.files else 0
        for name, mode in report.modes.items()
    }
    most = max(*counts.values(), 1)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, max_width=26, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, count in counts.items():
        table.add_row(name, f"{count:,}", "█" * max(1, round(BAR_WIDTH * count / most)))
    messages = report.scenario["messages"]
    title = f"Reads and writes of {MESSAGES.name} for {messages:,} messages"
    return Group(Text(title, style="bold"), table)


def _verdicts(report: Report) -> Iterator[Text]:
    for comparison in report.comparisons:
        if comparison.metric == "throughput_per_s":
            yield _verdict(comparison, report)
    for name, mode in report.modes.items():
        if not mode.audit.clean:
            text = (
                f"! {name} is NOT SAFE: {_what_went_wrong(mode.audit)}. Its speed proves nothing."
            )
            yield Text(text, style="bold red")


def _verdict(comparison: Comparison, report: Report) -> Text:
    mode, base = comparison.mode, comparison.baseline
    if comparison.ratio is None:
        return Text(f"? {mode} against {base}: no rounds to compare")
    times = f"{comparison.ratio:.3g} x the deliveries per second of {base}"
    if comparison.verdict == "unknown":
        return Text(f"? {mode}: {times}; too few rounds to claim it (6 are needed)")
    interval = f"95% interval {comparison.low:.3g} to {comparison.high:.3g}"
    if comparison.verdict == "same":
        return Text(f"~ {mode}: no difference from {base} to claim ({interval})")
    ours, theirs = report.modes[mode].ack_means, report.modes[base].ack_means
    mark = "✓" if comparison.verdict == "better" else "✗"
    sentence = Text(f"{mark} {mode}: {times} ({interval})")
    if ours != theirs:
        sentence.append(
            f"\n  but their acks differ: {mode} {ours} ({words.ACK_WORDS[ours]}), "
            f"{base} {theirs} ({words.ACK_WORDS[theirs]})"
        )
    return sentence


def _what_went_wrong(audit: Audit) -> str:
    found = {
        "acked and lost": audit.lost,
        "duplicated": audit.duplicated,
        "reordered": audit.reordered,
        "corrupt": audit.corrupt,
        "never answered": audit.unanswered,
    }
    return ", ".join(f"{count:,} {word}" for word, count in found.items() if count)


def _trust(report: Report) -> Iterator[Text]:
    failed = [check for check in report.trust if not check.ok]
    if not failed:
        yield Text(f"Trust: all {len(report.trust)} checks of the instrument held.", style="dim")
    for check in failed:
        yield Text(f"! Trust: {check.check}: {check.value}, allowed {check.limit}", style="yellow")
