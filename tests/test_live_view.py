"""The live view of a comparison: two modes side by side, one of them a ghost at the same moment."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from chatlab.bench import live
from chatlab.bench.audit import Audit
from chatlab.bench.compare import Compare, RoundProgress
from chatlab.bench.live import LiveRecorder
from chatlab.bench.load_result import NEVER, LoadProgress
from chatlab.bench.processes import LoadProcess
from chatlab.bench.rounds import Round, Step
from chatlab.bench.scenario import Scenario
from chatlab.bench.timeline import SAMPLES_MAX, Timeline, finished
from chatlab.chat.snapshot import Counts, Snapshot
from chatlab.disk.counted import FileIO
from chatlab.errors import UsageError
from chatlab.view.compare.live import follow_live, render
from chatlab.view.words import rounded_up
from tests.support.reports import a_load
from tests.support.snapshots import a_snapshot, printed

COUNT = 1_000
SIZES = [(80, 23), (100, 29), (140, 39), (99, 23), (40, 12), (20, 5), (1, 1)]
MIDNIGHT = Scenario(name="midnight", words="at once", messages=COUNT)
LONG_MODE = "naive+store=some/very/long/path/to/my_store_that_is_fast.py:MyStoreThatIsFast"


def worker(progress: LoadProgress | None) -> LoadProcess:
    """A load generator of which only its progress is there."""
    process = LoadProcess()
    process.progress = progress
    return process


class Watched:
    """A comparison that goes exactly as the test says, and its view."""

    def __init__(self, *names: str, scenario: Scenario = MIDNIGHT) -> None:
        self.names = names or ("naive", "optimized")
        self.now_s = 100.0
        self.compare = Compare(self.names, scenario, seed=1, rounds=6, work_folder=Path())
        self.recorder = LiveRecorder(self.compare, lambda: self.now_s)

    def runs(self, name: str, number: int, *at: LoadProgress, step: Step = "measuring") -> Watched:
        """A mode's messages flow, in the round `number`."""
        for load in at or (None,):
            self.look({name: RoundProgress(number, 12, name, step, "ws://x", worker(load))})
        return self

    def ends(self, name: str, number: int, wall_s: float, delivered: int = COUNT) -> Watched:
        """A round ended, after messages came back evenly over `wall_s`."""
        self.compare.rounds_done[name].append(make_round(number, wall_s, delivered))
        return self.look({})

    def counts(self, *pairs: tuple[int, int]) -> Watched:
        """The server of naive's first round says what its files cost: messages, operations."""
        for pair in pairs:
            self.recorder.take_count("naive", 1, counted(*pair))
        return self

    def demonstrates(self, *at: LoadProgress) -> Watched:
        """All modes run at once."""
        running = {
            name: RoundProgress(1, 2, name, "measuring", "", worker(load))
            for name, load in zip(self.names, at, strict=True)
        }
        return self.look(running, measurement=False)

    def look(self, under_way: dict[str, RoundProgress], *, measurement: bool = True) -> Watched:
        self.compare.under_way, self.compare.measurement = under_way, measurement
        self.recorder.snapshot()
        return self

    def shown(self) -> list[tuple[str, str]]:
        return [(one.name, one.role) for one in self.recorder.snapshot().shown]

    def screen(self, width: int = 140, height: int = 39, **options: Any) -> list[str]:
        # A console wider than what was asked for, so that it cuts and wraps nothing itself.
        return printed(render(self.recorder.snapshot(), width, height), 1_000, **options)

    def text(self, width: int = 140, height: int = 39, **options: Any) -> str:
        return "\n".join(self.screen(width, height, **options))

    def sides(self) -> tuple[str, str]:
        """The left and the right panel at 100 columns."""
        rows = self.screen(100, 29)
        cells = [(row[:49], row[51:]) for row in rows if len(row) == 100 and row[49:51] == "  "]
        return "\n".join(left for left, _ in cells), "\n".join(right for _, right in cells)


def at(t_s: float, delivered: int, *, refused: int = 0, sent: int = COUNT) -> LoadProgress:
    """Where a run stands."""
    latency = (t_s / 2, 1000 * t_s, 100 * t_s)
    return LoadProgress(t_s, sent, delivered + 5, delivered, refused, *latency)


def make_round(number: int, wall_s: float, delivered: int = COUNT) -> Round:
    """A round in which the answers came evenly, each 0.1 ms after its ack."""
    ends_s = [(n + 1) / COUNT * wall_s for n in range(COUNT)]
    load = a_load(
        ends_s,
        acked_s=[end_s - 0.0001 for end_s in ends_s],
        delivered_s=[end_s if n < delivered else NEVER for n, end_s in enumerate(ends_s)],
        before=counted(0, 40),
        after=counted(COUNT, 3_040),
        complete=delivered == COUNT,
    )
    return Round(number=number, load=load, audit=Audit(saved=COUNT), after=counted(COUNT, 0))


def counted(saved: int, operations: int) -> Snapshot:
    """A server's snapshot after so many messages and file operations."""
    return a_snapshot(counts=Counts(saved=saved), files={"messages.json": FileIO(reads=operations)})


def ghost_and_live() -> Watched:
    """Naive took 2 s in the first round; half a second into the second, optimized has 600."""
    return Watched().ends("naive", 1, 2.0).runs("optimized", 2, at(0.5, 600))


def stages() -> Iterator[Watched]:
    """A comparison at every stage of its life, long names and a demonstration included."""
    yield Watched()
    yield Watched("naive").runs("naive", 1, at(0.4, 300))
    watched = Watched("naive", LONG_MODE, "journal")
    yield watched
    yield watched.runs("naive", 1, step="starting").runs("naive", 1, at(0.2, 100), at(1e6, 999))
    yield watched.ends("naive", 10**6, 3e6).runs(LONG_MODE, 2, at(0.4, 300, refused=100))
    yield watched.ends(LONG_MODE, 2, 0.15).runs("naive", 4, at(0.2, 100))
    yield Watched("naive", LONG_MODE, "journal").demonstrates(*[at(0.3, 9)] * 3)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_screen_is_never_wider_or_taller_than_asked_and_fits_ascii(width: int, height: int) -> None:
    for watched in stages():
        lines = watched.screen(width, height)
        assert 0 < len(lines) <= height
        assert max(map(cell_len, lines)) <= width
        text = watched.text(width, height, encoding="ascii")
        assert text.isascii()
        assert "?" not in text


def demonstration() -> Watched:
    """Both modes run at once: optimized is done."""
    return Watched().demonstrates(at(0.4, 100), at(0.3, 1_000))


def begun(number: int) -> Watched:
    """Naive runs in a round, after its server was asked once in the first one."""
    return Watched().counts(*[(100, 900)] * (number > 1)).runs("naive", number, at(0.2, 100))


NARROW = (100, 29)
CEILING = RoundProgress(3, 8, "ceiling: echo", "measuring")
STEADY = Scenario(name="steady", words="", messages=COUNT, rate_per_s=200.0)
Scene = Callable[[], Watched]
BESIDE = "naive ─[^\n]*optimized ─"
BOTH_LATENCIES = ("ack p95, send.*" * 2, "!" + "ack p95, send.*" * 3)
# What stands on a whole screen of a size (regular expressions; with "!", what does not).
SCREENS: list[tuple[Scene, tuple[int, int], Sequence[str]]] = [
    (Watched, NARROW, [BESIDE]),
    (Watched, (99, 29), [f"!{BESIDE}"]),
    (ghost_and_live, (80, 23), BOTH_LATENCIES),
    (ghost_and_live, (80, 23), ["charts: 0 to 2 s", "ghost: not running now"]),
    (ghost_and_live, (80, 23), [r"naive 500/s \(1 round\)"]),
    (lambda: [*stages()][-1], (80, 23), BOTH_LATENCIES),
    (ghost_and_live, (80, 12), ["RUNNING round 2", "!ghost of"]),  # the one that runs
    (lambda: Watched("naive", "my\x1b[2Jmode"), (140, 39), ["!\x1b"]),
    (
        lambda: Watched().ends("naive", 1, 2.0).look({"echo": CEILING}),
        *((80, 24), ["round 3 of 8, measuring ceiling: echo", "!RUNNING"]),
    ),
    (demonstration, NARROW, ["NOT A MEASUREMENT: both run at once and take time from each"]),
    (demonstration, NARROW, ["!ghost", "!median"]),
    (demonstration, NARROW, ["RUNNING, t = 0.40 s", "done in 0.30 s"]),
    (lambda: Watched().ends("naive", 1, 2.0, 990), NARROW, ["round 1 gave up after 2.00"]),
    # A rate of many thousands leaves a space after its name.
    (lambda: Watched().runs("naive", 1, at(0.004, 400)), NARROW, ["per second +100,000 "]),
    # The set-up of the rooms is not counted as operations of messages; what comes after it is.
    (lambda: begun(1).counts((0, 500), (100, 900)), NARROW, ["not counted yet"]),
    (lambda: begun(1).counts((100, 900), (200, 1_200)), NARROW, ["message +3.00"]),
    # A count of an earlier round that comes late is left out.
    (lambda: begun(4).counts((200, 1_200)), NARROW, ["not counted yet"]),
    (lambda: Watched(scenario=STEADY), (140, 39), ["charts: 0 to 5 s"]),  # as planned
    (lambda: Watched(scenario=STEADY).ends("naive", 1, 5.01), (140, 39), ["charts: 0 to 5 s"]),
]


def check_patterns(patterns: Sequence[str], text: str) -> None:
    for pattern in patterns:
        found = re.search(pattern.removeprefix("!"), text, re.DOTALL)
        assert bool(found) is not pattern.startswith("!"), f"{pattern}\n{text}"


@pytest.mark.parametrize(("scene", "size", "patterns"), SCREENS)
def test_screen_of_a_size(scene: Scene, size: tuple[int, int], patterns: Sequence[str]) -> None:
    check_patterns(patterns, scene().text(*size))


@pytest.mark.parametrize("width", [80, 140])
def test_charts_grow_only_where_everything_else_has_its_place(width: int) -> None:
    for height in range(22, 50):
        assert "median so far" in ghost_and_live().screen(width, height)[-1]


NOT_SENT_YET = LoadProgress(0.0, 0, 0, 0, 0, 0.0, None, None)
# What each side shows of a comparison (as above).
SIDES: dict[str, tuple[Scene, list[str], list[str]]] = {
    "a running side shows every figure": (
        lambda: (
            Watched()
            .runs("naive", 1, at(0.2, 50), at(0.4, 300, refused=20, sent=900))
            .counts((100, 340), (300, 840))
        ),
        [
            *("RUNNING round 1, t = 0.40 s", "300 of 1,000", "580", "0.20 s", "305", "refused 20"),
            *("2.50", "400 ms", "40.0 ms", r"delivered per second +750 "),
        ],
        ["not run yet"],
    ),
    "a ghost stands at the moment of the one that runs": (
        ghost_and_live,
        # Nobody counted its operations this early: those of the whole round are shown.
        [
            *("ghost of round 1 at t = 0.50 s", "250 of 1,000", "░", r"!of 1,000 [^\n]*██"),
            "message +3.00  of the whole round",
        ],
        ["RUNNING round 2", "!░", r"of 1,000 [^\n]*██"],  # different without any colour, too
    ),
    "a ghost that was faster stays as it ended": (
        lambda: ghost_and_live().ends("optimized", 2, 0.15).runs("naive", 4, at(0.6, 200)),
        ["RUNNING round 4"],
        ["ghost of round 2, done in 0.15 s", "1,000 of 1,000"],
    ),
    "a round too short to be seen keeps its end until messages flow again": (
        lambda: (
            Watched()
            .ends("naive", 1, 2.0)
            .runs("optimized", 2)
            .ends("optimized", 2, 0.2)
            .runs("optimized", 3, step="starting")
            .runs("optimized", 3, NOT_SENT_YET)
        ),
        ["ghost of round 1 at t = 0.20 s", "100 of 1,000"],
        ["round 2 done in 0.20 s", "1,000 of 1,000"],
    ),
}


@pytest.mark.parametrize(("scene", "on_left", "on_right"), SIDES.values(), ids=SIDES)
def test_each_side(scene: Scene, on_left: list[str], on_right: list[str]) -> None:
    for side, patterns in zip(scene().sides(), (on_left, on_right), strict=True):
        check_patterns(patterns, side)


def test_clock_of_a_round_stops_when_everything_is_settled() -> None:
    first, later = at(0.2, 990, refused=10), at(5.0, 990, refused=10)
    run = Timeline(1, COUNT).with_sample(first).with_sample(later)
    assert (run.end_s, run.ended) == (0.2, True)


def test_samples_of_an_endless_round_are_bounded_and_keep_its_start_and_its_latest() -> None:
    run = Timeline(1, 10**9)
    for n in range(1, 3 * SAMPLES_MAX):
        run = run.with_sample(at(n / 5, n)).with_operations(1.0)
    assert max(len(run.samples), len(run.operations)) <= SAMPLES_MAX
    assert (run.samples[0].delivered, run.samples[-1].delivered) == (1, 3 * SAMPLES_MAX - 1)


def test_finished_round_tells_its_exact_end_and_the_percentiles_of_the_latest_acks() -> None:
    for hundredths in range(1, 200, 7):  # whatever the rounding of its moments
        assert finished(make_round(1, hundredths / 100)).at(9.0).delivered == COUNT
    run = finished(make_round(1, 1.0))
    assert run.at(0.1).ack_p95_ms is None  # 100 acks are too few for a p95
    assert run.at(0.5).ack_p95_ms == pytest.approx(480, abs=5)  # of those from 0.1 s to 0.5 s
    assert run.at(0.5).ack_p95_send_ms == run.at(0.5).ack_p95_ms


def test_finished_round_tells_how_many_were_refused_by_any_moment() -> None:
    done = make_round(1, 1.0, delivered=900)
    done.load.refused = dict.fromkeys(range(900, COUNT), "overloaded")
    done.load.refused_s = {n: 0.2 if n < 950 else 0.6 for n in range(900, COUNT)}
    run = finished(done)
    assert [run.at(t_s).refused for t_s in (0.1, 0.3, 0.7, 2.0)] == [0, 50, 100, 100]
    assert run.settled


def test_rates_and_queues_have_one_scale_on_both_sides_and_begin_at_the_left() -> None:
    watched = Watched().ends("naive", 1, 2.0).runs("optimized", 2, at(0.2, 500), at(0.4, 990))
    left, right = (side.splitlines() for side in watched.sides())
    row = next(n for n, text in enumerate(left) if text.startswith("delivered per second"))
    assert set(left[row][30:].strip()) <= set("█▆▅▄▃▂▁")
    assert "█" in right[row - 1]  # five times as fast: two rows of the chart higher at least
    assert left[row - 2][30:].strip() == ""
    queue = next(row for row in ghost_and_live().screen(80, 23) if row.startswith("waiting"))
    assert queue[30] != " "
    assert queue[50:].strip() == ""


def test_chart_is_as_long_as_its_time_makes_no_peak_of_a_last_step_and_has_blanks() -> None:
    run = finished(make_round(1, 2.0))
    assert len(run.rates_per_s(2.0, 0.1)) == 20
    assert run.rates_per_s(0.5, 0.1) == pytest.approx([500] * 5, rel=0.1)
    assert run.outstanding(0.5, 0.1)[-1] == pytest.approx(800, abs=20)  # the most in it
    run = Timeline(1, COUNT).with_sample(at(1.0, 100)).with_sample(at(1.01, 200))
    assert run.rates_per_s(1.01, 0.5) == [100, 100]
    assert run.outstanding(1.01, 0.5) == [None, 900, 800]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 1), (1, 1), (1.01, 1.5), (0.15, 0.15), (0.16, 0.2), (9.5, 10), (6_700, 8_000)],
)
def test_scale_ends_at_a_round_number(value: float, expected: float) -> None:
    assert rounded_up(value) == pytest.approx(expected)


def test_baseline_stands_left_beside_whichever_other_mode_ran_last() -> None:
    watched = Watched("naive", "batched", "journal").ends("naive", 1, 2.0).ends("batched", 2, 0.3)
    watched.runs("journal", 3, at(0.1, 300))
    assert [name for name, _ in watched.shown()] == ["naive", "journal"]
    watched.ends("journal", 3, 0.2)
    watched.runs("naive", 6, at(0.1, 50))
    assert watched.shown() == [("naive", "live"), ("journal", "ghost")]
    assert "batched 3,333/s" in watched.screen(80, 23)[-1]


def test_median_of_a_mode_without_a_side_is_never_cut_off() -> None:
    watched = Watched("naive", "batched", "optimized")
    for number, (name, wall_s) in enumerate([("naive", 1), ("optimized", 0.2), ("batched", 0.5)]):
        watched.ends(name, number + 1, wall_s)
    watched.runs("naive", 6, at(0.1, 50))
    whole = "median so far: optimized 5,000/s, naive 1,000/s, batched 2,000/s"
    assert watched.screen(80, 23)[-1] == whole
    assert "optimized 5,000/s" in watched.screen(50, 23)[-1]


def test_median_of_a_mode_that_lost_messages_is_not_praised() -> None:
    watched = Watched("naive", "racy").ends("naive", 1, 1.0).ends("racy", 2, 0.2)
    rounds = watched.compare.rounds_done["racy"]
    rounds[0] = replace(rounds[0], audit=Audit(lost=1))
    whole = "median so far: naive 1,000/s (1 round), racy NOT SAFE (1 round)"
    assert watched.screen(80, 23)[-1] == whole


def test_head_names_the_round_what_it_does_and_how_long_it_takes(monkeypatch) -> None:
    watched = Watched().runs("naive", 3, at(0.2, 100))
    watched.now_s += 75
    head = watched.screen()[0]
    assert "midnight: round 3 of 12, measuring naive" in head
    assert head.endswith("elapsed 1 min 15 s")  # how long the rest takes is not known yet
    monkeypatch.setattr(Compare, "left_s", 43.0)
    assert watched.screen()[0].endswith("elapsed 1 min 15 s, about 45 s left")


def test_screen_without_colour_has_none_and_keeps_the_ghost_dim() -> None:
    text = ghost_and_live().text(force_terminal=True, no_color=True)
    assert "\x1b[2m" in text
    assert not re.search(r"\x1b\[[39]", text)


async def test_a_terminal_gets_the_screen_and_is_left_empty_without_a_server(monkeypatch) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> Snapshot:
        asked.append(url)
        raise UsageError("gone")

    monkeypatch.setattr(live, "fetch_snapshot", fetch)
    file = io.StringIO()
    sized: dict[str, Any] = {"force_terminal": True, "width": 100, "height": 30}
    await watch_for_a_moment(Console(file=file, **sized, _environ={"TERM": "xterm"}))
    assert asked == ["ws://x"]  # what its files cost
    assert "not run yet" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")  # the last lines are erased: the result follows


async def test_without_a_terminal_there_are_plain_lines(monkeypatch, capsys) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    await watch_for_a_moment(None)
    assert capsys.readouterr().err == "round 1 of 12: naive\n"


async def watch_for_a_moment(console: Console | None) -> None:
    """Follow a comparison whose first round has begun, until all tasks have had their turns."""
    race = Watched().compare
    race.under_way["naive"] = RoundProgress(1, 12, "naive", "measuring", "ws://x", None)
    following = asyncio.create_task(follow_live(race, console))
    for _ in range(20):
        await asyncio.sleep(0)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
