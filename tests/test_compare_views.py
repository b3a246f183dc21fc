"""What is made of a report: terminal, page, CSV, Markdown. Complete, escaped, never kinder."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from chatlab.bench.audit import FAULTS, Audit
from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.report import Curve, IOReport, Report
from chatlab.bench.statistics import Estimate
from chatlab.bench.timeline import Series
from chatlab.chat.snapshot import Percentiles
from chatlab.disk.counted import FileIO
from chatlab.view import explain
from chatlab.view.compare import chart, charts_by_mode, charts_by_round, claims, table
from chatlab.view.compare.exports import CSV_COLUMNS, to_csv, to_markdown
from chatlab.view.compare.headlines import headlines
from chatlab.view.compare.html import CHARTS, to_html
from chatlab.view.compare.terminal import BELOW, render
from chatlab.view.page.drawing import drawn
from chatlab.view.page.plot import Plot
from tests.support.reports import NOT_CLEAN, a_mode, a_report, a_round, compared
from tests.support.snapshots import COLOUR, printed

HOSTILE = "naive+store=<b>a|b</b>&`x`$body:\"'S"
WIDTHS = [80, 140]
SHARE = Estimate(0.5, 0.4, 0.6, [0.5] * 6)
NO_IO = IOReport(0, 0, 0, 0, 0, None, {})


def lines(report: Report, width: int = 80, *, full: bool = True, **options: Any) -> list[str]:
    """What the terminal shows, line by line."""
    return printed(render(report, full=full), width, **options)


def text(report: Report) -> str:
    """... with all space between words alike."""
    return " ".join(" ".join(lines(report, 200)).split())


def row(label: str, report: Report, width: int = 80) -> list[str]:
    """The cells of a row of the terminal's table."""
    [line] = [line for line in lines(report, width) if line.strip().startswith(label + "  ")]
    return re.split(r"\s{2,}", line.strip())[1:]


class HtmlPage(HTMLParser):
    """A page as a browser takes it: its elements, and the words outside scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._hidden = False
        self.feed(source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, _tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data

    def all(self, tag: str, **having: str) -> list[dict[str, str]]:
        return [has for name, has in self.elements if name == tag and having.items() <= has.items()]


def page(report: Report) -> HtmlPage:
    return HtmlPage(to_html(report))


def of_naive(*speeds: float, **changes: Any) -> Report:
    """A report of one mode."""
    return a_report({"naive": a_mode(*speeds, **changes)})


SHOWN = {"terminal": text, "markdown": to_markdown, "page": lambda report: page(report).text}
each_view = pytest.mark.parametrize("view", SHOWN.values(), ids=SHOWN)
View = Callable[[Report], str]
UNFAIR: dict[str, dict[str, Any]] = {
    "not a measurement": {"measurement": False},
    "PARTIAL": {"complete": False},
    "closed loop": {"scenario": a_report().scenario | {"in_flight": 8}},
    "simulated disk": {"simulated": ["disk hdd"]},
    "disk hdd; eio@3": {"simulated": ["disk hdd", "eio@3"]},
}


@pytest.mark.parametrize("view", [*SHOWN.values(), to_csv], ids=[*SHOWN, "csv"])
@pytest.mark.parametrize("words", UNFAIR)
def test_every_view_warns_of_what_is_not_a_fair_measurement(view: View, words: str) -> None:
    assert words in view(a_report(**UNFAIR[words]))
    assert words not in view(a_report())


def test_a_partial_result_says_so_first_and_how_many_rounds_were_done() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(3)}, complete=False)
    assert lines(report)[0].startswith("! PARTIAL: stopped early")
    assert "naive 2, optimized 1" in claims.cautions(report)["PARTIAL"]


def test_the_usual_screen_fits_a_small_terminal_and_begins_with_verdict_promise_and_trust() -> None:
    counts = Audit(sent=6_000, acked=6_000, saved=6_000, delivered=6_000)
    noisy = [a_round(n, noisy=n == 2) for n in range(1, 7)]
    report = a_report(
        {
            "naive": a_mode(audit=counts, rounds=noisy),
            "optimized": a_mode(audit=counts, rounds=noisy, ack_means="queued"),
        },
        comparisons=[compared("optimized", ratio=10.11, low=8.654, high=14.54)],
        history=0,
    )
    short, full = ([one.rstrip() for one in lines(report, full=how)] for how in (False, True))
    assert (
        short[:4]
        == full[:4]
        == [
            "Verdict ✓ optimized delivers 10.1 x as fast as naive (95% interval 8.65 to 14.5)",
            "Promise ! optimized promises LESS: queued (a crash loses it); naive: written",
            "Trust   ✓ all 1 checks of the instrument held; all 12 rounds count, 2 stand out",
            "",
        ]
    )
    # With the command, what it says before it starts, and the next prompt; nothing is repeated.
    assert 1 + 1 + len(short) + 1 <= 24
    assert len(short) + BELOW <= 24
    assert next(one.split() for one in short if one.startswith("audit")) == (
        ["audit"] + ["clean:", "all", "6,000"] * 2
    )
    assert "messages.json reads 1,234" in text(report)
    assert not [one for one in short if one.startswith(("messages.json", "sent", "lost"))]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


WRONG = a_report({"naive": a_mode(), "racy": a_mode(audit=Audit(**dict.fromkeys(FAULTS, 1)))})


@pytest.mark.parametrize(
    ("file", "height", "full", "verdicts"),
    [
        (Terminal, 24, False, 2),
        (Terminal, 40, False, 1),
        (Terminal, 40, True, 2),
        (io.StringIO, 24, True, 1),  # a pipe, though colours are forced
    ],
)
def test_the_last_screen_of_a_long_result_carries_its_verdict(file, height, full, verdicts) -> None:
    console = Console(file=file(), width=80, height=height, force_terminal=True, color_system=None)
    console.print(render(WRONG, full=full))
    shown = [one.rstrip() for one in console.file.getvalue().splitlines()]
    first = shown[: shown.index("")]
    assert first[0].startswith("Verdict ! racy is NOT SAFE")
    assert sum(one == first[0] for one in shown) == verdicts
    assert (shown[-len(first) :] == first) is (verdicts == 2)


@pytest.mark.parametrize("name", ["refused", "lost", "corrupt"])
def test_what_is_not_zero_is_open_without_being_asked(name: str) -> None:
    modes = {"naive": a_mode(audit=Audit()), "racy": a_mode(audit=Audit(**{name: 12}))}
    opened = [one.split() for one in lines(a_report(modes), full=False) if one]
    assert [name, "0", "12"] in opened
    assert {"sent", "misdelivered"} & {one[0] for one in opened} == {"sent"}


def test_files_that_are_a_store_only_together_are_one_file_in_the_table() -> None:
    segments = {f"journal-{n:016}.log{end}": FileIO(writes=3) for n in (0, 9) for end in ("", ".z")}
    sqlite = {f"messages.sqlite{end}": FileIO(reads=2) for end in ("", "-wal", "-shm")}
    report = of_naive(io=msgspec.structs.replace(NO_IO, files=segments | sqlite))
    assert row("journal writes", report) == ["12"]
    assert row("database reads", report) == ["6"]
    assert not re.search(r"\.log|sqlite", text(report))


ASKED = "chatlab compare naive optimized --rounds 4 --json out.json"
SPOILED = [a_round(1), a_round(2, invalid=["the sender was 31 ms late (p99)"])] * 2
ALL_SPOILED = [a_round(n, invalid=["the sender used 97% of a core"]) for n in range(1, 6)]
TOO_FEW: dict[str, tuple[dict[str, Any], list[str]]] = {
    "few asked for": (
        {"rounds": [a_round(1)], "command": "chatlab compare --rounds=1 naive optimized"},
        [
            "1 of 6 pairs of rounds counts, and a claim needs 6",
            "help: chatlab compare naive optimized ",
        ],
    ),
    "all at once": (
        {"rounds": ALL_SPOILED[:1], "command": "chatlab compare --race", "measurement": False},
        ["0 of 6 pairs of rounds count", "help: chatlab compare "],
    ),
    "half invalid": (
        {"rounds": SPOILED, "of_naive": [a_round()] * 4, "command": ASKED},
        [
            "2 of 6 pairs of rounds count, and",
            "2 of 4 rounds of optimized do not count: round 2, the sender was 31 ms late (p99)",
            "help: chatlab compare naive optimized --json out.json --rounds 12",
        ],
    ),
    "one, and it was invalid": (
        {"rounds": ALL_SPOILED[:1], "ratio": None, "command": "chatlab compare --rounds 1"},
        ["no valid rounds to compare", "help: chatlab compare "],
    ),
    "all invalid": (
        {"rounds": ALL_SPOILED, "ratio": None, "command": f"{ASKED} --rate 900 --in-flight 8"},
        [
            "no valid rounds to compare",
            "5 of 5 rounds of naive do not count: round 1, the sender used 97% of a core; round 2",
            "and 2 more",
            "help: chatlab compare naive optimized --json out.json --rate 100",
        ],
    ),
}


@each_view
@pytest.mark.parametrize("case", TOO_FEW)
def test_too_few_rounds_say_how_many_count_why_and_what_would_help(view: View, case: str) -> None:
    changes, said = TOO_FEW[case]
    rounds = changes["rounds"]
    modes = {
        "naive": a_mode(rounds=changes.get("of_naive", rounds)),
        "optimized": a_mode(rounds=rounds),
    }
    against = compared("optimized", "unknown", ratio=changes.get("ratio", 4.56), low=None)
    report = a_report(
        modes,
        comparisons=[against],
        command=changes["command"],
        measurement=changes.get("measurement", True),
    )
    shown = " ".join(view(report).replace("\\", "").split()) + " "
    assert [words for words in said if words not in shown] == []
    assert ("--rate" in shown.partition("help:")[2][:90]) is (case == "all invalid")


def test_what_holds_for_all_claims_is_said_once_on_the_terminal() -> None:
    names = ("naive", "optimized", "journal")
    modes = dict(zip(names, [a_mode(rounds=ALL_SPOILED), a_mode(), a_mode()], strict=True))
    unknown = [compared(name, "unknown", ratio=None, low=None) for name in names[1:]]
    shown = text(a_report(modes, comparisons=unknown))
    assert shown.count("no valid rounds to compare") == 2
    assert shown.count("5 of 5 rounds of naive do not count") == shown.count("this would help") == 1


def verdict(name: str, **changes: Any) -> Report:
    return a_report(comparisons=[compared("optimized", name, **changes)])


def with_modes(**changes: dict[str, Any]) -> Report:
    """Naive against a better optimized, of which something else is to be said."""
    return a_report({name: a_mode(**changes.get(name, {})) for name in ("naive", "optimized")})


BETTER = "optimized delivers 4.56 x as fast as naive"
CLAIMS: list[tuple[Report, str]] = [
    (verdict("better"), f"✓ {BETTER} (95% interval 4.12 to 4.98)"),
    (verdict("worse", ratio=0.5), "✗ optimized delivers 0.5 x"),
    (verdict("same", ratio=1.04, low=0.9), "~ optimized: no difference from naive to claim"),
    (
        verdict("unknown", low=None),
        f"? {BETTER}, not proven: 1 of 6 pairs of rounds counts, and",
    ),
    (verdict("unknown", ratio=None, low=None), "? optimized against naive: no valid rounds"),
    *(
        (with_modes(**{guilty: {"audit": NOT_CLEAN}}), f"{guilty} is NOT SAFE: 3 acked and lost")
        for guilty in ("naive", "optimized")
    ),
]


@each_view
@pytest.mark.parametrize(("report", "said"), CLAIMS, ids=[said for _, said in CLAIMS])
def test_each_verdict_has_its_mark_and_its_sentence(view: View, report: Report, said: str) -> None:
    shown = view(report).replace("\\", "")
    assert said in shown
    assert "1.04 x as" not in shown
    assert ("✓ optimized" in shown) is ("✓" in said)  # nobody is better who is not safe
    assert ("is NOT SAFE: 3" in shown) is ("is NOT SAFE: 3" in said)


@pytest.mark.parametrize("view", [text, to_markdown], ids=["terminal", "markdown"])
def test_the_speed_of_a_mode_that_is_not_safe_is_not_shown(view: View) -> None:
    speed, wait = Estimate(9_876, 9_800, 9_900, []), Percentiles(1.23, 1.23, 1.23, 9)
    quick = a_mode(throughput_per_s=speed, ack_ms=wait, delivery_ms=wait, shares={"echo": SHARE})
    modes = {"naive": a_mode(), "racy": quick}
    safe = a_report(modes, ceilings={"echo": SHARE})
    wrong = msgspec.structs.replace(quick, audit=NOT_CLEAN)
    unsafe = a_report(modes | {"racy": wrong}, ceilings={"echo": SHARE})
    for figure in ("4.56 x", "9,876", "9,800 to", "1.23 ms", "0.5 (0.4 to"):
        assert figure in view(safe)
        assert figure not in view(unsafe)
    assert "not comparable" in view(unsafe)
    on_page = page(unsafe)
    assert on_page.text.count("racy (NOT SAFE)") >= 6  # the charts of speed
    assert "racy (NOT SAFE)" not in page(safe).text


INTERVALS = [
    (6, [a_round(n) for n in range(1, 6)], "5 of 6 count"),  # stopped early
    (6, [a_round(n, invalid=["late"] * (n == 1)) for n in range(1, 7)], "5 of 6 count"),
    (5, [a_round(n, invalid=["late"] * (n == 1)) for n in range(1, 6)], "needs 6 rounds"),
]


@pytest.mark.parametrize(("asked", "rounds", "said"), INTERVALS)
def test_an_interval_that_is_missing_says_what_it_lacks(asked, rounds, said) -> None:
    few = Estimate(9.0, None, None, [9.0])
    report = a_report({"naive": a_mode(rounds=rounds, throughput_per_s=few)}, rounds=asked)
    assert row("95% interval", report) == [said]
    reasons = sum(bool(one.invalid) for one in rounds)
    assert text(report).count("of naive does not count: round 1, late") == reasons


@pytest.mark.parametrize("view", [to_markdown, SHOWN["page"]], ids=["markdown", "page"])
def test_a_weaker_promise_is_said_beside_the_verdict(view: View) -> None:
    weaker = view(with_modes(optimized={"ack_means": "queued"}))
    shown = weaker.rpartition("optimized delivers 4.56")[2][:400]
    assert "its ack promises LESS: optimized queued (in memory: a crash loses it)" in shown
    assert "naive written (with the operating system" in shown
    assert "its ack promises" not in view(a_report())


def test_one_mode_alone_says_why_and_which_of_its_rounds_count() -> None:
    assert "naive alone: name a second mode" in text(of_naive())
    assert "; 1 round counts" in text(of_naive())
    stopped = a_report({"naive": a_mode()}, complete=False)
    assert "naive alone: no other ran yet" in text(stopped)


def test_the_page_begins_with_every_promise() -> None:
    assert "an ack means written: survives a crash" in page(a_report()).text
    levels = {"naive": "written", "optimized": "queued", "journal": "synced"}
    report = a_report({name: a_mode(ack_means=level) for name, level in levels.items()})
    first = page(report).text.partition("The verdict in full")[0]
    assert "optimized promises LESS: queued" in first
    assert "journal promises more: synced" in first


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_counted_in_its_row_and_shouted(name: str) -> None:
    report = a_report({"naive": a_mode(), "racy": a_mode(audit=Audit(**{name: 1_234}))})
    assert row(name, report) == ["0", "1,234"]
    assert row("audit", report) == ["clean", "NOT CLEAN"]
    assert f"! racy is NOT SAFE: 1,234 {FAULTS[name]}. Its speed proves nothing." in text(report)
    assert "NOT SAFE" not in text(of_naive(audit=Audit(refused=5)))


@pytest.mark.parametrize("export", [to_csv, to_markdown, to_html, text])
def test_nothing_measured_is_no_failure(export: View) -> None:
    nothing = a_report({}, complete=False, trust=[])
    assert export(nothing)
    assert "Nothing was measured" in text(nothing)


def test_the_page_shows_the_figures_of_the_terminal() -> None:
    on_page, on_terminal = page(a_report()).text.replace(" ", ""), text(a_report())
    for each in table.rows(a_report()):
        shown = " ".join([each.label, *(cell.text for cell in each.cells)])
        assert shown in on_terminal
        assert shown.replace(" ", "") in on_page


def test_three_modes_stand_in_one_table_on_a_small_terminal() -> None:
    counts = Audit(sent=6_000, acked=6_000, saved=6_000, delivered=6_000)
    slow = Percentiles(p50=534, p99=1_201)
    modes = dict.fromkeys(("naive", "optimized", "journal"), a_mode(audit=counts, ack_ms=slow))
    shown = [one.split() for one in lines(a_report(modes), full=False)]
    assert ["SPEED", "naive", "optimized", "journal"] in shown
    assert ["audit"] + ["clean:", "all", "6,000"] * 3 in shown
    assert ["ack", "p50", "/", "p99"] + ["534", "ms", "/", "1.20", "s"] * 3 in shown
    assert ["delivery", "p50", "/", "p99"] + ["14.4", "/", "16.6", "ms"] * 3 in shown


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", range(1, 8))
def test_many_modes_or_long_names_fit_and_are_still_readable(width: int, count: int) -> None:
    long = ["naive", "optimized", "naive+reader=ttl+processor=queueing+writer=atomic"][:count]
    names = ["racy", "naive", "cached", "batched", "optimized", "journal", "sqlite"][:count]
    shown = lines(a_report(dict.fromkeys(long, a_mode())), width)
    assert max(map(cell_len, shown)) <= width
    assert ("+processor=queueing" in map(str.strip, shown)) is (count >= 3)
    own = lines(a_report({"naive": a_mode(), "naive+store=my/own/store.py:Mine": a_mode()}), width)
    assert {"naive", "+store=my/", "own/", "store.py"} <= set(map(str.strip, own))
    assert ["SPEED", "naive", ":Mine"] in map(str.split, own)
    printed = "\n".join(lines(a_report(dict.fromkeys(names, a_mode())), width))
    for label in ("delivered per second", "reads + writes per message", "an ack means"):
        assert label in printed
    for name in names:
        assert re.search(rf"(?<!\S){name}(?!\S)", printed), f"{name} is cut into pieces"
    for figure in ("341", "322 to 363", "1,234", "4.56 MB", "6,004", "written"):
        assert printed.count(figure) >= count, f"{figure} is cut into pieces"


def test_every_figure_stands_in_its_row_and_what_is_unknown_is_not_shown_as_one() -> None:
    rate, few = Estimate(9.0, None, None, [9.0]), Percentiles(n=5)
    bare = a_mode(throughput_per_s=rate, ack_ms=few, audit=Audit(saved=None), io=NO_IO)
    report = a_report({"naive": a_mode(), "other": bare})
    both = {
        **{"delivery p50 / p99": "14.4 / 16.6 ms", "server CPU": "2.71 s"},
        **{"peak memory": "61.8 MB", "an ack means": "written", "audit": "clean"},
    }
    expected = {label: [shown, shown] for label, shown in both.items()} | {
        **{"delivered per second": ["341", "9"], "95% interval": ["322 to 363", "1 of 6 count"]},
        "ack p50 / p99": ["11.1 / 13.3 ms", "– / –"],
        **{"chatrooms.json reads": ["1,111", "0"], "messages.json reads": ["1,234", "0"]},
        **{"messages.json writes": ["1,987", "0"], "messages.json fsyncs": ["77", "0"]},
        "reads + writes per message": ["4.332", "–"],
        **{"bytes read": ["4.56 MB", "0 B"], "bytes written": ["7.89 MB", "0 B"]},
        **{"sent": ["6,001", "0"], "acked": ["6,002", "0"], "refused": ["6,003", "0"]},
        **{"saved": ["6,004", "unknown"], "delivered": ["6,005", "0"]},
    }
    for width in WIDTHS:
        assert {label: row(label, report, width) for label in expected} == expected
    assert "chatrooms.json writes" not in text(report)  # that cost nothing
    title = "1,000 messages, 10 users in 1 room, 2,500 messages of history, 6 rounds"
    assert title in text(report)
    assert "1 rounds" not in text(a_report(rounds=1))


def test_the_chart_of_operations_counts_messages_wherever_a_mode_keeps_them() -> None:
    others = {"chatrooms.json": FileIO(reads=5_000), "(folder)": FileIO(fsyncs=9)}
    files_of_modes = {
        "naive": {"messages.json": FileIO(reads=1_000, writes=1_000)},
        "cached": {"messages.json": FileIO(writes=1_000)},
        "journal": {"journal.log": FileIO(writes=3), "other.log": FileIO(writes=4)},
        "memory": {},
    }
    modes = {
        name: a_mode(io=msgspec.structs.replace(NO_IO, files=files | others))
        for name, files in files_of_modes.items()
    }
    found = lines(a_report(modes))
    begin = next(n for n, line in enumerate(found) if "messages' files" in line)
    assert [line.split() for line in found[begin + 1 : begin + 5]] == [
        *(["naive", "2,000", "█" * 40], ["cached", "1,000", "█" * 20]),
        *(["journal", "7", "█"], ["memory", "0"]),
    ]


def test_each_mode_is_shown_as_a_share_of_the_ceilings_that_were_measured() -> None:
    modes = {
        "naive": a_mode(shares={"echo": Estimate(0.0061, 0.0052, 0.0074, [0.0061] * 6)}),
        "journal": a_mode(shares={"echo": Estimate(1.23, None, None, [1.23] * 2)}),
    }
    report = a_report(modes, ceilings={"echo": SHARE})
    assert row("x bare echo server", report) == ["0.0061 (0.0052 to 0.0074)", "1.2"]
    assert "without disk" not in text(report)
    assert "echo" not in text(a_report())


LATE = "sender late, p99 of the worst round (ms)"
FAILED = TrustCheck(LATE, False, 31.4, 20.0)
HELD = TrustCheck("late", True, 3.14159, 20.0)


def test_trust_needs_one_line_if_all_held_and_else_says_what_failed_with_its_limit() -> None:
    said = text(a_report(trust=[FAILED, HELD]))
    assert "all 1 checks of the instrument held" in text(a_report())
    assert f"{LATE}: 31.4, allowed 20" in said
    assert "held" not in said


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_means_no_colour_and_a_pipe_gets_no_codes(no_color: str, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    unclean = of_naive(audit=Audit(lost=1))
    on_terminal = "".join(lines(unclean, force_terminal=True, color_system="truecolor"))
    assert bool(COLOUR.search(on_terminal)) is (no_color == "")
    assert "\x1b" not in text(unclean)


def test_the_page_has_every_section_and_each_chart_its_reading_and_its_figures_in_words() -> None:
    parsed = page(a_report())
    headings = (
        *(
            "The verdict in full",
            "Can the instrument be trusted?",
            "Speed, cost and truth",
            "Charts",
        ),
        *("Audit: what became of every message", "Repeat it", "Environment"),
        *(one.title for one in CHARTS),
    )
    plots = parsed.all("div", **{"class": "plot", "role": "img"})
    links = [link["href"].removeprefix("#") for link in parsed.all("a")]
    named = [has["id"] for tag, has in parsed.elements if tag in ("h2", "h3") and "id" in has]
    assert [heading for heading in headings if heading not in parsed.text] == []
    assert parsed.text.count("... from the real send") == 2
    assert "chatlab compare naive optimized" in parsed.text
    assert len(plots) == len(CHARTS) == parsed.text.count("How to read this")
    assert all("naive" in plot["aria-label"] for plot in plots)
    assert len({one.key for one in CHARTS}) == len(CHARTS)
    assert all("scope" in head for head in parsed.all("th"))
    assert links == named
    assert [tag for tag, _ in parsed.elements if tag in ("dt", "h2")][:4] == ["dt"] * 3 + ["h2"]
    assert len(set(named)) == len(named) == 7 + len(CHARTS)
    assert parsed.all("html") == [{"lang": "en"}]


def test_the_page_asks_nobody_for_anything_and_runs_one_script() -> None:
    source = to_html(a_report())
    parsed = HtmlPage(source)
    asking = ("src", "href", "srcset", "action", "data")
    addresses = {has[name] for _, has in parsed.elements for name in asking if name in has}
    script = source.partition("<script>")[2].partition("</script>")[0].encode()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    policy = parsed.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert {one for one in addresses if not one.startswith("#")} == {"data:,"}
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy
    assert "connect-src" not in policy
    assert len(parsed.all("script")) == 1
    assert len(source) < 100_000


def test_a_name_with_markup_in_it_stays_a_name_everywhere() -> None:
    evil = f"{HOSTILE}</script><script>alert(1)</script>"
    report = a_report({"naive": a_mode(), evil: a_mode(456)}, command=f"chatlab compare {evil}")
    parsed = page(report)
    assert not parsed.all("b")
    assert evil in parsed.text
    assert f"chatlab compare {evil}" in parsed.text
    assert len(parsed.all("script")) == len(page(a_report()).all("script"))
    short = a_report({"naive": a_mode(), "<i>x": a_mode(456)})
    for one in CHARTS:
        shown = drawn(one.draw(short), "")
        assert "<i>" not in shown
        assert "&lt;i&gt;x" in shown


def test_the_page_colours_claims_and_trust() -> None:
    unsafe = {"naive": a_mode(), "optimized": a_mode(456, audit=NOT_CLEAN)}
    good, bad = page(a_report()), page(a_report(unsafe, trust=[HELD, FAILED]))
    for kind, in_good, in_bad in (("better", 1, 0), ("unsafe", 0, 1), ("failed", 0, 1)):
        found = [len(each.all("li", **{"class": kind})) for each in (good, bad)]
        assert found == [in_good, in_bad], kind
    assert "held: late: 3.142, allowed 20" in bad.text
    assert f"FAILED: {LATE}: 31.4, allowed 20" in bad.text


def test_the_typical_round_is_the_valid_one_of_median_throughput() -> None:
    rounds = [
        *(a_round(1, 900, invalid=["late"]), a_round(2, 800, invalid=["late"])),
        *(a_round(3, 300), a_round(4, 200), a_round(5, 100)),
    ]
    assert charts_by_round.typical(a_mode(rounds=rounds)).number == 4


@pytest.mark.parametrize("slot_s", [0.01, 0.1, 0.3, 50.0])
def test_the_area_under_the_throughput_is_the_number_delivered(slot_s: float) -> None:
    ends, rates = charts_by_round.delivered_per_s(a_round().series, slot_s)
    widths = [b - a for a, b in pairwise(ends)]
    assert sum(w * r for w, r in zip(widths, rates[1:], strict=True)) == pytest.approx(10)
    assert len(ends) - 3 >= charts_by_round.SLOTS_MIN
    if slot_s == 0.1:  # what was delivered in each slot of the round
        assert ends == pytest.approx([0.0, 0.1, *(n / 10 for n in range(1, 11)), 1.0])
        assert rates == pytest.approx([0.0, *[10.0] * 11, 0.0])


def test_a_short_round_is_not_cut_finer_than_a_long_one() -> None:
    zeros = [0] * 241
    series = Series([n / 10 for n in range(241)], zeros, zeros, zeros, zeros, [0.0] * 241)
    report = a_report({"short": a_mode(), "long": a_mode(rounds=[a_round(series=series)])})
    assert charts_by_round.slot_of(report) == pytest.approx(1.0)


def test_one_line_of_each_mode_is_strong_and_a_spike_of_a_faint_one_does_not_flatten_it() -> None:
    spike = a_round(3, series=msgspec.structs.replace(a_round().series, outstanding=[5_000] * 11))
    plot = charts_by_round.outstanding_over_time(of_naive(rounds=[a_round(), a_round(2), spike]))
    assert isinstance(plot, Plot)
    assert [line.faint for line in plot.lines] == [True, True, False]
    assert plot.y.high < 50


def test_a_mode_has_one_colour_in_every_chart() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(3, 4)})
    for one in CHARTS:
        found = set(re.findall(r"#[0-9a-f]{6}", drawn(one.draw(report), "")))
        assert found - {charts_by_round.JOIN_COLOUR} == set(chart.colours(report).values())


def test_both_clocks_are_drawn_from_their_own_figures() -> None:
    planned, send = charts_by_mode.ack_curve(of_naive()).lines
    assert ([y for _, y in planned.points], planned.dotted) == ([1, 2, 3, 9], False)
    assert ([y for _, y in send.points], send.dotted) == ([1, 1, 2, 8], True)


def test_rounds_that_are_compared_are_joined_and_invalid_or_noisy_ones_look_different() -> None:
    report = a_report({"naive": a_mode(1, 2), "optimized": a_mode(30, 40)})
    joined = [[y for _, y in one.points] for one in charts_by_round.rounds(report).lines]
    odd = of_naive(rounds=[a_round(), a_round(invalid=["late"]), a_round(noisy=True)])
    dots = charts_by_round.rounds(odd).dots
    assert joined == [[1, 30], [2, 40]]
    assert [one.hollow for one in dots] == [False, True, False]
    assert [one.diamond for one in dots] == [False, False, True]
    assert "invalid: late" in dots[1].said


def test_the_lag_shown_is_the_highest_percentile_that_all_rounds_can_name() -> None:
    better = a_round(loop_lag_ms=Percentiles(1.0, 2.0, None, 300))
    for rounds, name in (([better], "p95"), ([better, a_round()], "p50")):
        assert charts_by_mode.lag_percentile(of_naive(rounds=rounds)) == name


def test_charts_of_blank_figures_are_drawn_all_the_same() -> None:
    zeros = Series([0.0] * 3, [0] * 3, [0] * 3, [0] * 3, [0] * 3, [0.0] * 3)
    blank = a_round(1, 0.0, operations_per_message=None, loop_lag_ms=Percentiles(), series=zeros)
    none = Curve([], [], [])
    report = of_naive(rounds=[blank], io=NO_IO, ack_curve=none, delivery_curve=none)
    for one in CHARTS:
        assert "nan" not in drawn(one.draw(report), "")


@pytest.mark.parametrize(
    ("speeds", "log", "linear"),
    [
        ((50, 900), ["50", "100", "200", "500", "1,000"], ["0", "200", "400", "600", "800"]),
        ((1, 90_000), ["1", "10", "100", "1,000", "10,000", "100,000"], ["0", "20,000"]),
    ],
)
def test_an_axis_writes_round_figures_and_is_not_crowded(speeds, log, linear) -> None:
    axis = charts_by_round.rounds(of_naive(*speeds)).y
    assert [text for _, text in axis.ticks(log=True)] == log
    assert [text for _, text in axis.ticks(log=False)][: len(linear)] == linear


@pytest.mark.parametrize(("times", "log"), [(10, False), (11, True)])
def test_a_chart_whose_modes_are_far_apart_starts_logarithmic_and_can_be_made_linear(
    times: int, log: bool
) -> None:
    """Of each switch, the view that it starts with is shown, and the other is there, hidden."""
    two = {"naive": a_mode(5, 6, cpu_s=1.0), "quick": a_mode(5 * times, 6 * times, cpu_s=times)}
    for key in ("rounds", "cpu"):
        [one] = [one for one in CHARTS if one.key == key]
        shown = HtmlPage(drawn(one.draw(a_report(two)), ""))
        views = {
            (has["data-x"], has["data-y"]): "hidden" in has
            for has in shown.all("div")
            if "data-x" in has
        }
        assert sorted(views.values()) == [False, True], key
        assert any("log" in scales and not hidden for scales, hidden in views.items()) is log
        assert shown.all("button")[0]["aria-pressed"] == str(log).lower()


def test_text_has_contrast_enough_in_both_schemes() -> None:
    """At least 4.5 to 1, by the formula of WCAG 2.2, section 1.4.3."""
    style = files("chatlab.view.page").joinpath("shell.html").read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", one))
        for one in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(c * w for c, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    assert len(schemes) == 2
    for scheme in schemes:
        pairs = [(ink, back) for ink in ("text", "soft", "link") for back in ("page", "card")]
        pairs += [
            (ink, back)
            for ink in ("good", "warn", "bad")
            for back in ("page", "card", f"{ink}-back")
        ]
        for ink, back in pairs:
            dark, light = sorted(luminance(scheme[one]) for one in (ink, back))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, back)


def test_the_csv_has_a_row_for_each_round_marks_it_and_leaves_the_unknown_empty() -> None:
    spoiled = a_mode(rounds=[a_round(1, 1, invalid=["late", "unsent"]), a_round(2, 2, noisy=True)])
    report = a_report({"naive": spoiled, "optimized": a_mode(3, 4)})
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    first, second = rows[:2]
    assert [(one["mode"], one["pair"], one["throughput_per_s"]) for one in rows] == [
        *(("naive", "1", "1"), ("naive", "2", "2")),
        *(("optimized", "1", "3"), ("optimized", "2", "4")),
    ]
    assert (first["invalid"], first["invalid_because"]) == ("true", "late; unsent")
    assert (second["invalid"], second["noisy"]) == ("false", "true")
    assert (first["ack_p50_ms"], first["ack_p99_ms"]) == ("1.5", "")


def test_the_csv_has_every_figure_of_the_audit_and_each_column_is_explained() -> None:
    readme = files("chatlab.view").joinpath("README.md").read_text(encoding="utf-8")
    _, _, table = readme.partition("The columns of the CSV")
    assert set(Audit.__struct_fields__) <= set(CSV_COLUMNS)
    assert {name for name in CSV_COLUMNS if f"`{name}`" not in table} == set()


def test_markdown_shows_a_name_as_it_is_and_keeps_its_columns() -> None:
    report = a_report({"naive": a_mode(), HOSTILE: a_mode(456)}, command="x ``` y")
    shown = to_markdown(report)
    table = [line for line in shown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert "<b>" not in shown
    assert r"a\|b" in table[0]
    assert shown.endswith("````sh\nx ``` y\n````\n")


def test_each_row_of_the_comparison_is_explained_and_each_explained_row_is_shown() -> None:
    report = a_report(ceilings={"echo": SHARE, "memory": SHARE})
    shown = {one.label for one in table.rows(report, both_clocks=True) if not one.heading}
    shown |= {one.label for one in headlines(report)} - {""}
    explained = set(explain.comparison())
    rows_of_files = {label for label in shown if label.startswith(("messages.", "chatrooms."))}
    assert shown - rows_of_files == explained - {"reads", "writes", "fsyncs"}
    assert {label.rpartition(" ")[2] for label in rows_of_files} == {"reads", "writes", "fsyncs"}
    said = "\n".join(printed(explain.render(explain.comparison())))
    assert said.count("measured:") == said.count("fooled by:") == len(explained)
