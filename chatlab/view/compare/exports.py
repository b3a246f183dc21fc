"""A comparison as CSV, for a spreadsheet or a notebook, and as Markdown, for a pull request.

Pure: a report goes in, text comes out. `html.py` makes the page to look at.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from chatlab.bench.audit import Audit
from chatlab.bench.report import ModeReport, Report, RoundReport
from chatlab.view import words
from chatlab.view.compare import claims, table

PERCENTILES = ("p50", "p95", "p99")
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class CsvRow:
    """What one row of the CSV is about: a round of a mode, and the mode's place in the report."""

    report: Report
    name: str
    mode: ModeReport
    round: RoundReport


def _from_round(fields: dict[str, str]) -> dict[str, Callable[[CsvRow], Value]]:
    return {column: attrgetter(f"round.{field}") for column, field in fields.items()}


CSV_COLUMNS: dict[str, Callable[[CsvRow], Value]] = {
    "mode": lambda at: at.name,
    "round": lambda at: at.round.number,
    "pair": lambda at: at.mode.rounds.index(at.round) + 1,
    "control": lambda at: at.name == at.report.control,
    "cautions": lambda at: "; ".join(claims.cautions(at.report)),
    "simulated": lambda at: "; ".join(at.report.simulated),
    "invalid": lambda at: bool(at.round.invalid),
    "invalid_because": lambda at: "; ".join(at.round.invalid),
    "noisy": lambda at: at.round.noisy,
    "ack_means": lambda at: at.mode.ack_means,
    **_from_round(
        {
            "throughput_per_s": "throughput_per_s",
            **{f"ack_{p}_ms": f"ack_ms.{p}" for p in PERCENTILES},
            "ack_samples": "ack_ms.n",
            **{f"delivery_{p}_ms": f"delivery_ms.{p}" for p in PERCENTILES},
            "delivery_samples": "delivery_ms.n",
            "operations_per_message": "operations_per_message",
            "server_cpu_s": "cpu_s",
            "server_rss_peak_bytes": "rss_peak_bytes",
            **{f"loop_lag_{p}_ms": f"loop_lag_ms.{p}" for p in PERCENTILES},
            "sender_late_p99_ms": "late_p99_ms",
            "sender_cpu_percent": "sender_cpu_percent",
            **{name: f"audit.{name}" for name in Audit.__struct_fields__},
            "audit_clean": "audit.clean",
        }
    ),
}
"""Each column of the CSV, with its unit at the end of its name, and where it is from. What each
means is in the README of `chatlab/view`."""


def to_csv(report: Report) -> str:
    """One row for each round, `CSV_COLUMNS` wide; `true` and `false`, empty for unknown.

    Args:
        report: may hold no rounds; then only the header is returned.
    """
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(CSV_COLUMNS)
    for name, mode in report.modes.items():
        for one in mode.rounds:
            line = CsvRow(report, name, mode, one)
            sheet.writerow(_written(value(line)) for value in CSV_COLUMNS.values())
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
    if isinstance(value, str):
        text = words.printable(value)
        # A spreadsheet would take these for the start of a formula.
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return repr(value)


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
    for row in table.rows(report):
        label = f"**{row.label}**" if row.heading else _plain(row.label)
        cells = [
            f"**{_plain(cell.text)}**" if cell.tone == "bad" else _plain(cell.text)
            for cell in row.cells or [table.TableCell("")] * len(report.modes)
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
    """Text with all Markdown characters escaped; a name can hold any character."""
    text = words.printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_|~\[\]])", r"\\\1", text)


def _code(text: str) -> list[str]:
    """A block of code, fenced by more backticks than any row of them inside it."""
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "sh", words.printable(text), fence]
