"""Every row that is shown is explained."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from chatlab.bench.statistics import Estimate
from chatlab.view import dashboard, explain
from chatlab.view.compare import figures
from tests.bench.test_compare_view import a_report
from tests.test_view import make_snapshot


def test_each_row_of_the_comparison_is_explained_and_each_explained_row_is_shown() -> None:
    share = Estimate(0.5, 0.4, 0.6, [0.5] * 6)
    report = a_report(ceilings={"echo": share, "memory": share})
    shown = {row.label for row in figures.rows(report, both_clocks=True) if not row.heading}
    explained = set(explain.comparison())
    rows_of_files = {label for label in shown if label.startswith(("messages.", "chatrooms."))}

    assert shown - rows_of_files == explained - {"reads", "writes", "fsyncs"}
    assert {label.rpartition(" ")[2] for label in rows_of_files} == {"reads", "writes", "fsyncs"}


@pytest.mark.parametrize("label", explain.dashboard())
def test_every_explained_row_of_the_dashboard_is_shown(label: str) -> None:
    file = io.StringIO()
    snapshot = make_snapshot(simulated=["disk hdd"])
    Console(file=file, width=140, height=40).print(dashboard.render([snapshot], 140, 40))
    assert re.search(rf"\b{label}\b", file.getvalue())


def test_every_explanation_says_what_how_and_what_would_fool_it() -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(explain.render(explain.comparison()))
    assert file.getvalue().count("measured:") == len(explain.comparison())
    assert file.getvalue().count("fooled by:") == len(explain.comparison())
