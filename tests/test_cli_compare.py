"""`chatlab compare` as its user meets it: tables, files, exit codes, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.thresholds import Threshold
from chatlab.cli.compare import exit_code
from tests.support.command_line import command, ended, needs_signals, run, until
from tests.support.reports import NOT_CLEAN, a_mode, a_report

# A comparison from start to end.


async def test_a_comparison_prints_its_table_and_writes_its_json(tmp_path: Path) -> None:
    work, file = tmp_path / "work", tmp_path / "result.json"
    work.mkdir()
    words = ["--rounds", "1", "--messages", "50", "--work", str(work), "--json", str(file)]
    code, out, errors = await run("compare", *words)

    assert code == 0, errors
    assert "NOT SAFE" not in out
    for label in ("naive", "optimized", "delivered per second", "an ack means", "clean"):
        assert label in out
    assert "Traceback" not in errors
    assert "\x1b" not in out + errors  # they go to a pipe
    assert errors.startswith("1 round of naive and optimized, 50 messages each: about 1 s\n")
    found = json.loads(file.read_bytes())
    assert found["schema"] == "chatlab.compare/1"
    assert found["command"].startswith("chatlab compare --rounds 1 --messages 50")
    assert list(found["modes"]) == ["naive", "optimized"]
    assert {mode["audit"]["sent"] for mode in found["modes"].values()} == {50}
    assert list(work.iterdir()) == []


@pytest.mark.real
async def test_a_simulated_disk_is_given_to_each_server_and_named_in_results(tmp_path) -> None:
    file, table = tmp_path / "result.json", tmp_path / "result.csv"
    plan = ["--disk", "network", "--fault", "eio@write:20+3"]
    load = ["--rounds", "1", "--messages", "60", "--users", "2", "--no-live"]
    files = ["--json", str(file), "--csv", str(table)]
    code, out, errors = await run("compare", "naive+writer=atomic", *plan, *load, *files)

    assert code == 0, errors
    assert "simulated: disk network (" in out
    assert "! simulated disk: disk network (" in " ".join(out.split())
    report = json.loads(file.read_bytes())
    (mode,) = report["modes"].values()
    assert [words.split()[0] for words in report["simulated"]] == ["disk", "eio@write:20+3"]
    assert "--disk network --fault eio@write:20+3" in report["command"]
    assert mode["refusals"] == {"storage_failed": 3}
    assert mode["ack_ms"]["p50"] > 2
    assert "eio@write:20+3" in table.read_text("utf-8")


@pytest.mark.real
async def test_a_mode_that_loses_messages_ends_with_code_1() -> None:
    done = await run("compare", "racy", "--rounds", "1", "--messages", "200", "--users", "10")
    assert done.code == 1
    assert "racy is NOT SAFE" in done.out
    assert "NOT CLEAN" in done.out


FAILED = [TrustCheck("machine busy before the start (%)", False, 98.0, 25.0)]
EXITS: list[tuple[dict[str, Any], dict[str, Any], bool, int]] = [
    ({}, {}, True, 0),
    ({"trust": FAILED}, {}, False, 0),
    ({"trust": FAILED}, {}, True, 98),
    ({"trust": FAILED}, {"cpu_s": 9.0}, True, 98),  # a figure that nobody can rely on
    ({"trust": FAILED}, {"cpu_s": 9.0}, False, 99),
    ({}, {"cpu_s": 9.0}, True, 99),
    ({"trust": FAILED}, {"audit": NOT_CLEAN}, True, 1),  # a message that is lost is lost
    ({"complete": False, "trust": FAILED}, {"audit": NOT_CLEAN, "cpu_s": 9.0}, True, 130),
]


@pytest.mark.parametrize(("of_report", "of_naive", "strict", "code"), EXITS)
def test_the_exit_code_names_the_gravest_finding(of_report, of_naive, strict, code) -> None:
    report = a_report({"naive": a_mode(**of_naive)}, **of_report)
    thresholds = [Threshold("naive.cpu_s > 5", ["naive"])]
    assert exit_code(report, thresholds, Console(quiet=True), strict=strict) == code


# Ctrl-C, and what else asks it to end.

IN_THE_MIDDLE = (
    ["--rounds=500", "--messages=50", "--users=4"],
    r"round ([2-9]|\d\d+) of 1000",
    ["PARTIAL", "delivered per second"],
    1,
)


def processes_that_name(folder: Path) -> list[str]:
    """The commands of all running processes in which a folder is named."""
    commands = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
    return [words for words in commands if str(folder) in words]


@pytest.mark.real
@needs_signals
@pytest.mark.parametrize(
    ("options", "after", "said", "rounds", "sent"),
    [
        # At one message a second the first round takes longer than any test.
        (["--messages=1000", "--rate=1"], "round 1 of ", ["Nothing was measured"], 0, ["SIGINT"]),
        # Not every round is reported.
        (*IN_THE_MIDDLE, ["SIGINT"]),
        (*IN_THE_MIDDLE, ["SIGTERM"]),
        (*IN_THE_MIDDLE, ["SIGHUP", "SIGTERM"]),  # a terminal that closes
        (*IN_THE_MIDDLE, ["SIGINT", "SIGINT", "SIGINT"]),
    ],
    ids=["in the first round", "Ctrl-C", "SIGTERM", "closed terminal", "key held down"],
)
async def test_a_signal_prints_a_result_and_ends_all(
    options, after, said, rounds, sent, tmp_path
) -> None:
    work, file = tmp_path / "work", tmp_path / "result.json"
    work.mkdir()
    words = [*options, "--work", str(work), "--json", str(file)]
    async with command("compare", *words) as process:
        await until(process.stderr, re.compile(after))
        assert processes_that_name(work)  # so that the search itself is known to work
        for name in sent:
            process.send_signal(getattr(signal, name))
            await asyncio.sleep(0.005)
        code, out, errors = await ended(process)
    assert code == 130, errors
    assert [words for words in said if words not in out] == []
    assert "Traceback" not in errors
    found = json.loads(file.read_bytes())
    assert found["complete"] is False
    assert sum(mode["audit"]["sent"] for mode in found["modes"].values()) >= 50 * rounds
    assert processes_that_name(work) == []
    assert list(work.iterdir()) == []
