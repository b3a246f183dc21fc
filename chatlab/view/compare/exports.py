"""A comparison as CSV, for a spreadsheet or a notebook, and as Markdown, for a pull request.

Pure: a report goes in, text comes out. `html.py` makes the page to look at.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chatlab.bench.report import ModeReport, Report, RoundReport
from chatlab.view import words
from chatlab.view.compare import claims, figures

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class CsvRow:
    """What one line of the CSV is about."""

    report: Report
    name: str
    mode: ModeReport
    round: RoundReport


CSV_COLUMNS: dict[str, tuple[str, Callable[[CsvRow], Value]]] = {
    "mode": ("the line-up, or the baseline's second run", lambda at: at.name),
    "round": ("from 1, in the order in which all rounds were run", lambda at: at.round.number),
    "pair": (
        "from 1, within its mode: ratios pair equal numbers",
        lambda at: at.mode.rounds.index(at.round) + 1,
    ),
    "control": ("whether it is the baseline's second run", lambda at: at.name == at.report.control),
    "cautions": (
        "'not a measurement', 'PARTIAL', 'simulated disk', 'closed loop': of the whole comparison",
        lambda at: "; ".join(claims.cautions(at.report)),
    ),
    "simulated": (
        "what was wrong with the disk on purpose; mostly empty",
        lambda at: "; ".join(at.report.simulated),
    ),
    "invalid": ("no verdict rests on it", lambda at: bool(at.round.invalid)),
    "invalid_because": ("why its plan was not met", lambda at: "; ".join(at.round.invalid)),
    "noisy": ("its throughput lies far from the others'", lambda at: at.round.noisy),
    "ack_means": ("queued, written or synced", lambda at: at.mode.ack_means),
    "throughput_per_s": (
        "messages delivered to their room per second",
        lambda at: at.round.throughput_per_s,
    ),
    "ack_p50_ms": ("from the planned send to the ack", lambda at: at.round.ack_ms.p50),
    "ack_p95_ms": ("empty where samples are too few", lambda at: at.round.ack_ms.p95),
    "ack_p99_ms": ("the same", lambda at: at.round.ack_ms.p99),
    "ack_samples": ("acks that these rest on", lambda at: at.round.ack_ms.n),
    "delivery_p50_ms": (
        "from the planned send to the last delivery in the room",
        lambda at: at.round.delivery_ms.p50,
    ),
    "delivery_p95_ms": ("empty where samples are too few", lambda at: at.round.delivery_ms.p95),
    "delivery_p99_ms": ("the same", lambda at: at.round.delivery_ms.p99),
    "delivery_samples": ("deliveries that these rest on", lambda at: at.round.delivery_ms.n),
    "operations_per_message": (
        "reads and writes of files for each saved message",
        lambda at: at.round.operations_per_message,
    ),
    "server_cpu_s": ("processor time of the server", lambda at: at.round.cpu_s),
    "server_rss_peak_bytes": ("its highest memory", lambda at: at.round.rss_peak_bytes),
    "loop_lag_p50_ms": ("how late its event loop was", lambda at: at.round.loop_lag_ms.p50),
    "loop_lag_p95_ms": ("empty where samples are too few", lambda at: at.round.loop_lag_ms.p95),
    "loop_lag_p99_ms": ("the same", lambda at: at.round.loop_lag_ms.p99),
    "sender_late_p99_ms": ("how late the load generator was", lambda at: at.round.late_p99_ms),
    "sender_cpu_percent": ("of one core", lambda at: at.round.sender_cpu_percent),
    "sent": ("messages sent", lambda at: at.round.audit.sent),
    "acked": ("messages acknowledged", lambda at: at.round.audit.acked),
    "refused": ("messages turned down aloud", lambda at: at.round.audit.refused),
    "unanswered": ("messages dropped in silence", lambda at: at.round.audit.unanswered),
    "saved": ("messages in the files; empty if unknown", lambda at: at.round.audit.saved),
    "delivered": ("messages that their whole room received", lambda at: at.round.audit.delivered),
    "lost": ("messages acked, and then missing", lambda at: at.round.audit.lost),
    "duplicated": ("copies too many", lambda at: at.round.audit.duplicated),
    "misdelivered": ("messages shown to outsiders", lambda at: at.round.audit.misdelivered),
    "reordered": ("places out of order", lambda at: at.round.audit.reordered),
    "corrupt": ("damaged files and changed messages", lambda at: at.round.audit.corrupt),
    "misrefused": (
        "messages refused, and there all the same",
        lambda at: at.round.audit.misrefused,
    ),
    "audit_clean": ("whether nothing went wrong", lambda at: at.round.audit.clean),
}
"""Each column of the CSV, with its unit at the end of its name: what it means, where it is from."""


def to_csv(report: Report) -> str:
    """Every round on a line of its own, `CSV_COLUMNS` wide; `true` and `false`, empty for unknown.

    Args:
        report: may hold no rounds; then only the header is returned.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(CSV_COLUMNS)
    for name, mode in report.modes.items():
        for one in mode.rounds:
            line = CsvRow(report, name, mode, one)
            table.writerow(_written(value(line)) for _, value in CSV_COLUMNS.values())
    return text.getvalue()


def to_markdown(report: Report) -> str:
    """Title, cautions, verdicts, the table, trust and the command, as GitHub shows Markdown."""
    parts = [
        [f"# {_plain(claims.versus(report))}", "", _plain(claims.load(report))],
        [f"> **{name}**: {_plain(why)}  " for name, why in claims.cautions(report).items()],
        list(_claims(report)),
        list(_table(report)),
        list(_trust(report)),
        ["## Command", "", *_code(report.command)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _written(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def _claims(report: Report) -> Iterator[str]:
    for claim in claims.claims(report):
        sentence = _plain(claim.sentence)
        yield f"- {claim.mark} " + (f"**{sentence}**" if claim.tone == "unsafe" else sentence)
        for but in claim.buts:
            yield f"  - {_plain(but)}"


def _table(report: Report) -> Iterator[str]:
    if not report.modes:
        return
    yield "| | " + " | ".join(_plain(name) for name in report.modes) + " |"
    yield "|---|" + "---:|" * len(report.modes)
    for row in figures.rows(report):
        label = f"**{row.label}**" if row.heading else _plain(row.label)
        cells = [
            f"**{_plain(cell.text)}**" if cell.tone == "bad" else _plain(cell.text)
            for cell in row.cells or [figures.TableCell("")] * len(report.modes)
        ]
        yield "| " + " | ".join([label, *cells]) + " |"


def _trust(report: Report) -> Iterator[str]:
    if not report.trust:
        return
    failed = sum(not check.ok for check in report.trust)
    yield "## Trust"
    yield ""
    yield f"{len(report.trust) - failed} of {len(report.trust)} checks of the instrument held."
    yield ""
    for check in report.trust:
        line = _plain(claims.trust_line(check))
        yield f"- held: {line}" if check.ok else f"- **FAILED: {line}**"


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing but text; a name can hold any character."""
    text = words.printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_|~\[\]])", r"\\\1", text)


def _code(text: str) -> list[str]:
    """A block of code, fenced by more backticks than any row of them inside it."""
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "sh", words.printable(text), fence]
