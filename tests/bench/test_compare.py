"""The comparison: real rounds on real servers, in turn, audited, and reported in full."""

from __future__ import annotations

import asyncio
import json
import types
from pathlib import Path
from typing import Any

import psutil
import pytest

from chatlab.bench import report as reports
from chatlab.bench.compare import Compare, RoundProgress
from chatlab.bench.report import Report
from chatlab.bench.scenario import Scenario
from chatlab.chat.server_job import ServerOptions
from chatlab.errors import UsageError

MESSAGES = 60
TINY = Scenario(name="tiny", words="a load for tests", messages=MESSAGES, users=4, history=3)
Number = (int, float)
Maybe = (int, float, types.NoneType)


class Measured:
    """A comparison that was run once, for many tests to look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.race = Compare(["naive", "optimized"], TINY, seed=5, rounds=2, work_folder=folder)
        asyncio.run(self.race.run())
        self.report = self.race.report("chatlab compare --some-option")
        self.json: dict[str, Any] = json.loads(reports.encode(self.report))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("compare"))


def files_of(report: Report, mode: str) -> dict[str, dict[str, int]]:
    """What a mode's files cost, without the files that cost nothing."""
    counted = {
        name: {kind: getattr(io, kind) for kind in ("reads", "writes") if getattr(io, kind)}
        for name, io in report.modes[mode].io.files.items()
    }
    return {name: kinds for name, kinds in counted.items() if kinds}


# What is measured.


def test_rounds_alternate_a_b_b_a(measured: Measured) -> None:
    order = {
        one.number: name for name, mode in measured.report.modes.items() for one in mode.rounds
    }

    assert [order[number] for number in sorted(order)] == [
        "naive",
        "optimized",
        "optimized",
        "naive",
    ]


@pytest.mark.parametrize("mode", ["naive", "optimized"])
def test_a_good_mode_has_a_clean_audit_with_every_message(mode: str, measured: Measured) -> None:
    found = measured.report.modes[mode].audit

    assert found.clean
    assert (found.sent, found.acked, found.saved, found.delivered) == (2 * MESSAGES,) * 4


def test_naive_costs_exactly_what_its_design_says(measured: Measured) -> None:
    assert files_of(measured.report, "naive") == {
        "chatrooms.json": {"reads": MESSAGES},
        "messages.json": {"reads": MESSAGES, "writes": MESSAGES},
    }
    assert measured.report.modes["naive"].io.per_message == 3.0
    assert measured.report.modes["naive"].io.fsyncs == 0


def test_optimized_costs_far_less(measured: Measured) -> None:
    ours = measured.report.modes["optimized"].io

    assert 1 <= ours.writes <= MESSAGES / 4
    assert ours.reads + ours.writes <= MESSAGES / 2
    assert ours.fsyncs >= ours.writes


def test_every_round_whose_plan_was_met_is_a_sample(measured: Measured) -> None:
    for mode in measured.report.modes.values():
        assert len(mode.rounds) == 2
        # On a busy machine a sender can be late, which makes a round invalid.
        used = [one for one in mode.rounds if not one.invalid] or mode.rounds
        assert mode.throughput_per_s.samples == [one.throughput_per_s for one in used]
        assert min(mode.throughput_per_s.samples) > 0
        assert mode.ack_ms.n == mode.delivery_ms.n == MESSAGES * len(used)


def test_two_rounds_claim_nothing(measured: Measured) -> None:
    assert {one.verdict for one in measured.report.comparisons} == {"unknown"}


def test_nothing_stays_in_the_place_for_data_folders(measured: Measured) -> None:
    assert list(measured.folder.iterdir()) == []


# What is reported: section 5 of the design.


def wrong(value: Any, shape: Any, where: str = "$") -> list[str]:
    """Where a value does not have a shape: a type, several types, or a dict or list of shapes."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        return [
            problem
            for key, inner in shape.items()
            for problem in (
                wrong(value[key], inner, f"{where}.{key}")
                if key in value
                else [f"{where}.{key} is missing"]
            )
        ]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{where} is no list with something in it"]
        return [p for n, one in enumerate(value) for p in wrong(one, shape[0], f"{where}[{n}]")]
    fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return [] if fits else [f"{where} is {value!r}"]


LATENCY = {"p50": Maybe, "p95": Maybe, "p99": Maybe, "n": int}
IO = dict.fromkeys(("reads", "writes", "fsyncs", "bytes_read", "bytes_written"), int)
AUDIT = dict.fromkeys(
    ("sent", "acked", "saved", "delivered", "lost", "duplicated", "reordered", "corrupt"), int
)
MODE = {
    "parts": dict.fromkeys(
        ("transport", "reader", "writer", "lock", "store", "processor", "delivery", "monitor"), str
    ),
    "ack_means": str,
    "throughput_per_s": {"median": Number, "low": Maybe, "high": Maybe, "samples": [Number]},
    "ack_ms": LATENCY,
    "delivery_ms": LATENCY,
    "io": IO | {"per_message": Number, "files": {"messages.json": IO}},
    "cpu_s": Number,
    "rss_peak_bytes": int,
    "audit": AUDIT,
}
SHAPE = {
    "schema": str,
    "command": str,
    "seed": int,
    "environment": dict.fromkeys(("chatlab", "python", "system"), str),
    "scenario": {"name": str, "messages": int, "users": int},
    "history": int,
    "rounds": int,
    "modes": {"naive": MODE, "optimized": MODE},
    "comparisons": [
        {
            "baseline": str,
            "mode": str,
            "metric": str,
            "ratio": Maybe,
            "low": Maybe,
            "high": Maybe,
            "verdict": str,
        }
    ],
    "trust": [{"check": str, "ok": bool, "value": (int, float, str), "limit": (int, float, str)}],
}


def test_the_json_has_the_shape_that_was_promised(measured: Measured) -> None:
    assert wrong(measured.json, SHAPE) == []


def test_the_json_says_how_to_do_it_again(measured: Measured) -> None:
    found = measured.json

    assert found["schema"] == "chatlab.compare/1"
    assert found["command"] == "chatlab compare --some-option"
    assert (found["seed"], found["history"], found["rounds"]) == (5, 3, 2)
    assert found["scenario"]["messages"] == MESSAGES
    assert found["complete"] is True


def test_words_in_the_json_are_from_the_agreed_sets(measured: Measured) -> None:
    assert {mode["ack_means"] for mode in measured.json["modes"].values()} == {"written", "queued"}
    assert {one["verdict"] for one in measured.json["comparisons"]} <= {
        "better",
        "worse",
        "same",
        "unknown",
    }
    assert {one["baseline"] for one in measured.json["comparisons"]} == {"naive"}
    assert "throughput_per_s" in {one["metric"] for one in measured.json["comparisons"]}


def test_the_totals_of_a_mode_are_those_of_its_files(measured: Measured) -> None:
    for mode in measured.json["modes"].values():
        for kind in IO:
            assert mode["io"][kind] == sum(file[kind] for file in mode["io"]["files"].values())


# Modes that lie.


async def test_a_mode_without_a_lock_is_caught_losing_messages(tmp_path: Path) -> None:
    scenario = Scenario(name="test", words="a burst", messages=200, users=10)
    race = Compare(["racy"], scenario, seed=1, rounds=1, work_folder=tmp_path)
    await race.run()
    found = race.report("").modes["racy"].audit

    assert not found.clean
    assert found.lost > 0


# Cut short.


def nothing_stays(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    commands = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [words for words in commands if str(folder) in " ".join(words)]


class Watched(dict[str, RoundProgress]):
    """The rounds under way; notices when messages begin to flow in the round of a number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._number = number

    def __setitem__(self, name: str, progress: RoundProgress) -> None:
        super().__setitem__(name, progress)
        if progress.number == self._number and progress.step == "measuring":
            self.reached.set()


async def cancelled_in_round(number: int, race: Compare) -> Report:
    """What a comparison reports that was cancelled in the middle of a round."""
    watched = Watched(number)
    race.under_way = watched
    running = asyncio.create_task(race.run())
    await watched.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return race.report("chatlab compare")


async def test_a_cancelled_comparison_reports_the_rounds_that_were_complete(tmp_path: Path) -> None:
    race = Compare(["naive", "optimized"], TINY, seed=1, rounds=500, work_folder=tmp_path)
    report = await cancelled_in_round(2, race)

    assert not report.complete
    assert list(report.modes) == ["naive"]
    assert report.modes["naive"].audit.sent == MESSAGES
    nothing_stays(tmp_path)


async def test_a_comparison_cancelled_in_its_first_round_reports_nothing(tmp_path: Path) -> None:
    race = Compare(["naive", "optimized"], TINY, seed=1, rounds=1, work_folder=tmp_path)
    report = await cancelled_in_round(1, race)

    assert not report.complete
    assert report.modes == {}
    assert report.comparisons == []
    nothing_stays(tmp_path)


async def test_a_server_that_does_not_start_ends_the_comparison(tmp_path: Path) -> None:
    options = ServerOptions(host="256.0.0.1")
    race = Compare(["naive"], TINY, seed=1, rounds=1, work_folder=tmp_path, options=options)

    with pytest.raises(UsageError, match="cannot listen"):
        await race.run()
    nothing_stays(tmp_path)
