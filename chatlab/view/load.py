"""The result of a load on a running server, as people see it.

Read `load_verdict.py` next: the sentences above the figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from chatlab.bench.report import LoadReport
from chatlab.chat.metrics import SAMPLE_AGE_MAX_S
from chatlab.chat.snapshot import Percentiles
from chatlab.view import words
from chatlab.view.console import TextConsole
from chatlab.view.load_verdict import ending, next_steps, verdict

PROGRESS_S = 0.5
"""Seldom: drawing takes processor time from the load generator."""


def print_load(report: LoadReport, console: Console | None = None) -> None:
    """Print a run's result."""
    (console or TextConsole()).print(render(report))


def render(report: LoadReport) -> RenderableType:
    """A run's result."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=words.QUIET)
    table.add_column()
    for label, value in _rows(report):
        table.add_row(label, value)
    done = "" if report.complete else "PARTIAL: "
    title = f"{done}load on a server in mode {report.mode}, whose acks mean {report.ack_means!r}"
    sentences = [Text(verdict(report), style="bold"), *map(Text, ending(report))]
    steps = [
        Text.assemble(("or:   " if number else "next: ", words.QUIET), words.printable(step))
        for number, step in enumerate(next_steps(report))
    ]
    return Group(*sentences, *steps, "", Text(title, style="bold"), table)


def _rows(report: LoadReport) -> Iterator[tuple[str, str | Text]]:
    audit = report.audit
    if report.simulated:
        yield "simulated", Text(words.printable("; ".join(report.simulated)), style=words.WARNING)
    yield "delivered per second", f"{report.throughput_per_s:,.0f}"
    yield "ack p50 / p95 / p99", _all_three(report.ack_ms)
    yield "delivery p50 / p95 / p99", _all_three(report.delivery_ms)
    yield from _last_seconds(report)
    for file, io in report.io.items():
        yield file, f"{io.reads:,} reads, {io.writes:,} writes, {io.fsyncs:,} fsyncs"
    yield (
        "messages",
        f"{audit.sent:,} sent, {audit.acked:,} acked, {audit.delivered:,} delivered, "
        f"{audit.refused:,} refused",
    )
    for code, count in report.refusals.items():
        yield f"  {code}", f"{count:,}"
    for reason, count in report.disconnected.items():
        yield "disconnected", f"{count:,}: {reason}"
    if report.interrupted:
        yield "in flight at the stop", f"{audit.lost + audit.unanswered:,}: not judged"
        audit = msgspec.structs.replace(audit, lost=0, unanswered=0)
    yield "audit", Text(audit.faults or "clean", style=words.GOOD if audit.clean else words.BAD)
    yield "", Text("(chatlab compare audits the server's disk, too)", style=words.QUIET)
    yield (
        "load generator",
        f"late by {words.milliseconds(report.sender_late_p99_ms)} (p99), "
        f"{report.sender_cpu_percent:.0f}% of a core",
    )


def _last_seconds(report: LoadReport) -> Iterator[tuple[str, str]]:
    """The last ten seconds, beside the server's own figures for them."""
    ours, theirs = report.recent, report.server_recent
    label = "last 10 s: p50 / p95"
    for name, here, there in (
        ("ack", ours.ack_ms, theirs.ack_ms),
        ("delivery", ours.delivery_ms, theirs.delivery_ms),
    ):
        # A shorter run shares the server's last ten seconds with whatever came before it.
        alone = report.ended_s >= SAMPLE_AGE_MAX_S or here.n == there.n
        if here.p50 is not None and alone:
            yield label, f"{name} {_both(here)}, server: {_both(there)}"
            label = ""


def _both(latency_ms: Percentiles) -> str:
    return f"{words.milliseconds(latency_ms.p50)} / {words.milliseconds(latency_ms.p95)}"


def _all_three(latency_ms: Percentiles) -> str:
    values = (latency_ms.p50, latency_ms.p95, latency_ms.p99)
    return (
        " / ".join(words.milliseconds(value) for value in values) + f"   ({latency_ms.n:,} samples)"
    )


def progress_bar(console: Console, *, disable: bool = False) -> Progress:
    """A bar that is drawn when told, and leaves nothing behind."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TimeElapsedColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
        disable=disable,
    )
