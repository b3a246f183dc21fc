"""The picture of a comparison: it fits, it shows every figure, and it says what may be claimed."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from chatlab.bench.audit import Audit
from chatlab.bench.report import (
    Comparison,
    Curve,
    IOReport,
    ModeReport,
    Report,
    TrustCheck,
)
from chatlab.bench.statistics import Estimate
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO
from chatlab.view.compare.table import render

WIDTHS = [80, 140]
CLEAN = Audit(sent=6_001, acked=6_002, refused=6_003, saved=6_004, delivered=6_005)
NO_CURVE = Curve([], [], [])


def a_mode(**changes: Any) -> ModeReport:
    """A mode in which every figure is another one."""
    values: dict[str, Any] = {
        "parts": {"reader": "direct"},
        "ack_means": "written",
        "throughput_per_s": Estimate(341.0, 322.0, 363.0, [341.0] * 6),
        "ack_ms": Percentiles(11.1, 12.2, 13.3, 6_000),
        "delivery_ms": Percentiles(14.4, 15.5, 16.6, 6_000),
        "ack_send_ms": Percentiles(11.1, 12.2, 13.3, 6_000),
        "delivery_send_ms": Percentiles(14.4, 15.5, 16.6, 6_000),
        "ack_curve": NO_CURVE,
        "delivery_curve": NO_CURVE,
        "io": IOReport(
            reads=2_345,
            writes=1_987,
            fsyncs=77,
            bytes_read=4_560_000,
            bytes_written=7_890_000,
            per_message=4.332,
            files={
                "chatrooms.json": FileIO(reads=1_111, writes=0, fsyncs=0),
                "messages.json": FileIO(reads=1_234, writes=1_987, fsyncs=77),
            },
        ),
        "cpu_s": 2.71,
        "rss_peak_bytes": 61_800_000,
        "audit": CLEAN,
        "refusals": {},
        "rounds": [],
    }
    return ModeReport(**(values | changes))


def compared(mode: str, verdict: str, **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "baseline": "naive",
        "mode": mode,
        "metric": "throughput_per_s",
        "ratio": 4.56,
        "low": 4.12,
        "high": 4.98,
        "verdict": verdict,
    }
    return Comparison(**(values | changes))


def a_report(modes: dict[str, ModeReport] | None = None, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "command": "chatlab compare",
        "seed": 1,
        "environment": {},
        "scenario": {"name": "midnight", "messages": 1_000, "users": 10, "rooms": 1},
        "history": 2_500,
        "rounds": 6,
        "complete": True,
        "modes": {"naive": a_mode(), "optimized": a_mode()} if modes is None else modes,
        "comparisons": [],
        "trust": [TrustCheck("messages planned but not sent", True, 0, 0)],
    }
    return Report(**(values | changes))


def lines(report: Report, width: int = 80, **options: Any) -> list[str]:
    """What is printed, line by line."""
    file = io.StringIO()
    Console(file=file, width=width, **({"force_terminal": False} | options)).print(render(report))
    return file.getvalue().splitlines()


def text(report: Report, width: int = 200) -> str:
    """What is printed, with all space between words alike."""
    return " ".join(" ".join(lines(report, width)).split())


def row(label: str, report: Report, width: int = 80) -> list[str]:
    """The cells of a row of the table."""
    [line] = [line for line in lines(report, width) if line.strip().startswith(label + "  ")]
    return re.split(r"\s{2,}", line.strip())[1:]


# It fits.


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_nothing_is_wider_than_asked(width: int, count: int) -> None:
    names = ["naive", "optimized", "naive+reader=ttl+processor=queueing+writer=atomic"][:count]
    report = a_report(
        {name: a_mode() for name in names},
        comparisons=[compared(name, "better") for name in names[1:]],
    )

    assert max(map(cell_len, lines(report, width))) <= width


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [4, 6, 7])
def test_many_modes_are_still_readable(width: int, count: int) -> None:
    names = ["racy", "naive", "cached", "batched", "optimized", "journal", "sqlite"][:count]
    report = a_report({name: a_mode() for name in names})
    printed = "\n".join(lines(report, width))

    for label in ("delivered per second", "reads + writes per message", "an ack means"):
        assert label in printed
    for name in names:
        assert re.search(rf"(?<!\S){name}(?!\S)", printed), f"{name} is cut into pieces"
    for figure in ("341", "322 to 363", "1,234", "4.56 MB", "6,004", "written"):
        assert printed.count(figure) >= count, f"{figure} is cut into pieces"


# Every figure.


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("label", "cell"),
    [
        ("delivered per second", "341"),
        ("95% interval", "322 to 363"),
        ("ack p50 / p99", "11.1 ms / 13.3 ms"),
        ("delivery p50 / p99", "14.4 ms / 16.6 ms"),
        ("chatrooms.json reads", "1,111"),
        ("messages.json reads", "1,234"),
        ("messages.json writes", "1,987"),
        ("messages.json fsyncs", "77"),
        ("reads + writes per message", "4.332"),
        ("bytes read", "4.56 MB"),
        ("bytes written", "7.89 MB"),
        ("server CPU", "2.71 s"),
        ("peak memory", "61.8 MB"),
        ("an ack means", "written"),
        ("sent", "6,001"),
        ("acked", "6,002"),
        ("refused", "6,003"),
        ("saved", "6,004"),
        ("delivered", "6,005"),
        ("lost", "0"),
        ("audit", "clean"),
    ],
)
def test_every_figure_stands_in_its_row(label: str, cell: str, width: int) -> None:
    other = a_mode(
        throughput_per_s=Estimate(9.0, None, None, [9.0]),
        audit=Audit(saved=None),
        io=IOReport(0, 0, 0, 0, 0, None, {}),
    )

    assert row(label, a_report({"naive": a_mode(), "other": other}), width)[0] == cell


def test_what_is_not_known_is_not_shown_as_a_figure() -> None:
    bare = a_mode(
        throughput_per_s=Estimate(9.0, None, None, [9.0]),
        ack_ms=Percentiles(n=5),
        audit=Audit(saved=None),
        io=IOReport(0, 0, 0, 0, 0, None, {}),
    )
    report = a_report({"naive": bare})

    assert row("95% interval", report) == ["needs 6 rounds"]
    assert row("ack p50 / p99", report) == ["– / –"]
    assert row("saved", report) == ["unknown"]
    assert row("reads + writes per message", report) == ["–"]


def test_files_that_cost_nothing_have_no_row() -> None:
    assert "chatrooms.json writes" not in text(a_report())


def test_the_title_says_what_was_measured() -> None:
    assert "1,000 messages, 10 users in 1 room, 2,500 messages of history, 6 rounds" in text(
        a_report()
    )


def test_one_round_is_not_called_rounds() -> None:
    assert "1 rounds" not in text(a_report(rounds=1))


def test_the_chart_is_in_proportion() -> None:
    def reading(operations: int) -> ModeReport:
        file = {"messages.json": FileIO(reads=operations)}
        return a_mode(io=IOReport(operations, 0, 0, 0, 0, 1.0, file))

    printed = lines(a_report({"a": reading(1_000), "b": reading(500), "c": reading(1)}))
    bars = {line.split()[0]: line.count("█") for line in printed if "█" in line}

    assert bars["a"] == 2 * bars["b"]
    assert bars["c"] == 1


# What may be claimed.


def test_better_is_said_with_its_ratio_and_its_interval() -> None:
    said = text(a_report(comparisons=[compared("optimized", "better")]))

    assert "✓ optimized: 4.56 x the deliveries per second of naive" in said
    assert "95% interval 4.12 to 4.98" in said


def test_worse_is_marked() -> None:
    report = a_report(comparisons=[compared("optimized", "worse", ratio=0.5, low=0.4, high=0.6)])

    assert "✗ optimized: 0.5 x" in text(report)


def test_the_same_claims_no_ratio() -> None:
    report = a_report(comparisons=[compared("optimized", "same", ratio=1.04, low=0.93, high=1.11)])
    said = text(report)

    assert "~ optimized: no difference from naive to claim" in said
    assert "1.04" not in said


def test_below_six_rounds_nothing_is_claimed() -> None:
    report = a_report(comparisons=[compared("optimized", "unknown", low=None, high=None)], rounds=5)

    assert re.search(r"\? optimized: .*too few rounds", text(report))
    assert "✓" not in text(report)


def test_rounds_without_a_ratio_are_said_to_have_none() -> None:
    none = compared("optimized", "unknown", ratio=None, low=None, high=None)

    assert re.search(r"\? optimized.* no valid rounds", text(a_report(comparisons=[none])))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_weaker_promise_is_said_next_to_a_better_verdict(width: int) -> None:
    report = a_report(
        {"naive": a_mode(), "optimized": a_mode(ack_means="queued")},
        comparisons=[compared("optimized", "better")],
    )
    printed = lines(report, width)
    [at] = [n for n, line in enumerate(printed) if line.startswith("✓ optimized")]
    beside = " ".join(" ".join(printed[at : at + 4]).split())

    assert "its ack promises LESS: optimized queued (in memory: a crash loses it)" in beside
    assert "naive written (with the operating system" in beside


def test_an_equal_promise_is_not_talked_about() -> None:
    assert "promises" not in text(a_report(comparisons=[compared("optimized", "better")]))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lost", "acked and lost"),
        ("duplicated", "duplicated"),
        ("reordered", "reordered"),
        ("corrupt", "corrupt"),
        ("unanswered", "never answered"),
        ("misrefused", "refused but stored anyway"),
    ],
)
def test_an_audit_that_is_not_clean_is_shouted(fault: str, words: str) -> None:
    report = a_report(
        {"naive": a_mode(), "racy": a_mode(audit=Audit(**{fault: 1_234}))},
        comparisons=[compared("racy", "better")],
    )

    assert row(fault, report) == ["0", "1,234"]
    assert row("audit", report) == ["clean", "NOT CLEAN"]
    assert f"! racy is NOT SAFE: 1,234 {words}. Its speed proves nothing." in text(report)
    assert "naive is NOT SAFE" not in text(report)


def test_refusals_alone_are_no_reason_to_shout() -> None:
    assert "NOT SAFE" not in text(a_report({"naive": a_mode(audit=Audit(refused=5))}))


def test_a_partial_result_is_labelled() -> None:
    assert lines(a_report(complete=False))[0].startswith("! PARTIAL: stopped early")
    assert "PARTIAL" not in text(a_report())


def test_a_comparison_that_measured_nothing_says_so() -> None:
    assert text(a_report({}, complete=False, trust=[])).startswith("Nothing was measured")


# Trust.


def test_an_instrument_that_held_needs_one_line() -> None:
    assert re.search(r"all 1 checks? of the instrument held", text(a_report()))


def test_a_check_that_failed_is_told_with_its_value_and_its_limit() -> None:
    failed = TrustCheck("sender late, p99 of the worst round (ms)", False, 31.4, 20.0)
    said = text(a_report(trust=[failed, TrustCheck("another", True, 0, 0)]))

    assert "sender late, p99 of the worst round (ms): 31.4, allowed 20" in said
    assert "held" not in said
    assert "another" not in said


# Colours.

COLOUR = re.compile(r"\x1b\[[\d;]*(3[0-8]|4[0-8]|9\d|10\d)")


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    unclean = a_report({"racy": a_mode(audit=Audit(lost=1))})
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOUR.search("".join(lines(unclean, force_terminal=True, color_system="truecolor")))

    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search("".join(lines(unclean, force_terminal=True, color_system="truecolor")))


def test_a_pipe_gets_no_codes_at_all() -> None:
    assert "\x1b" not in text(a_report({"racy": a_mode(audit=Audit(lost=1))}))


# Ceilings.


def test_each_mode_is_shown_as_a_share_of_the_ceilings() -> None:
    modes = {
        "naive": a_mode(shares={"echo": Estimate(0.0061, 0.0052, 0.0074, [0.0061] * 6)}),
        "journal": a_mode(shares={"echo": Estimate(1.23, None, None, [1.23] * 2)}),
    }
    report = a_report(modes, ceilings={"echo": Estimate(50_000, 49_000, 51_000, [50_000.0])})

    assert row("x bare echo server", report) == ["0.0061 (0.0052 to 0.0074)", "1.2"]
    assert "without disk" not in text(report)


def test_no_share_is_shown_where_no_ceiling_was_measured() -> None:
    assert "echo" not in text(a_report())


# The chart of operations.


def test_the_chart_counts_the_messages_wherever_a_mode_keeps_them() -> None:
    def io(**files: FileIO) -> IOReport:
        named = {name.replace("_", "."): one for name, one in files.items()}
        rooms = {"chatrooms.json": FileIO(reads=5_000), "(folder)": FileIO(fsyncs=9)}
        return IOReport(0, 0, 0, 0, 0, None, named | rooms)

    modes = {
        "naive": a_mode(io=io(messages_json=FileIO(reads=1_000, writes=1_000))),
        "journal": a_mode(io=io(journal_log=FileIO(writes=3), other_log=FileIO(writes=4))),
        "memory": a_mode(io=io()),
    }
    found = lines(a_report(modes))
    begin = next(n for n, line in enumerate(found) if "messages' files" in line)
    bars = [line.split() for line in found[begin + 1 : begin + 4]]

    assert [bar[:2] for bar in bars] == [["naive", "2,000"], ["journal", "7"], ["memory", "0"]]
    assert [len(bar[2]) if len(bar) > 2 else 0 for bar in bars] == [40, 1, 0]
