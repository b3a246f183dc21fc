"""Bars of blocks and paragraphs, for all labs."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

PARTS = " ▏▎▍▌▋▊▉█"


def bar(value: float | None, highest: float, width: int) -> str:
    """A bar of `width` columns for `highest`; anything above 0 shows at least a sliver."""
    if value is None or value <= 0 or highest <= 0:
        return ""
    eighths = max(1, round(8 * width * min(1.0, value / highest)))
    return "█" * (eighths // 8) + PARTS[eighths % 8].strip()


def table(*columns: str, left: int = 1) -> Table:
    """An empty table: the first `left` columns to the left, figures to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(
            column, justify="left" if number < left else "right", no_wrap=number >= left
        )
    return made


def title(text: str, *, complete: bool) -> Text:
    """A heading that says so if the run was stopped early."""
    return Text(text if complete else f"PARTIAL (stopped early): {text}", style="bold")


def nothing() -> Text:
    """For a run that was stopped before it had measured anything."""
    return Text("Nothing was measured: stopped before the first round ended.")
