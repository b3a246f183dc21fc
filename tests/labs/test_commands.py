"""Each lab once for real, tiny; and what the front door says to mistakes and to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.labs.front_door import CHATLAB, run, run_for_json

FIVE = {"batch", "interval", "cache", "errors", "blocking"}


def test_growth_counts_what_a_message_costs(tmp_path: Path) -> None:
    options = ("--history", "0,500,4000", "--rounds", "1", "--messages", "20")
    report, text = run_for_json(tmp_path, "growth", "naive", *options)

    assert report["schema"] == "chatlab.growth/1"
    naive = report["modes"]["naive"]
    assert [point["history"] for point in naive["points"]] == [0, 500, 4_000]
    assert all(point["audit"]["saved"] == point["messages"] for point in naive["points"])
    assert naive["bytes_fit"]["shape"] == "linear"
    assert "In bytes it is linear" in text


def test_tune_marks_a_frontier_and_recommends(tmp_path: Path) -> None:
    grid = ("--batch-sizes", "1,1000", "--flush-intervals", "20")
    load = ("--burst", "100", "--rate", "1000", "--steady", "200")
    report, text = run_for_json(tmp_path, "tune", *grid, *load)

    assert report["schema"] == "chatlab.tune/1"
    assert [(c["batch_size"], c["flush_interval_ms"]) for c in report["cells"]] == [
        (1, None),
        (1_000, 20),
    ]
    assert any(cell["on_frontier"] for cell in report["cells"])
    assert report["recommended"] in {0, 1}
    assert "Recommended: batch" in text


def test_compression_weighs_bytes_against_processor_time(tmp_path: Path) -> None:
    report, text = run_for_json(
        tmp_path, "compression", "--rounds", "1", "--messages", "600", "--work", str(tmp_path)
    )
    plain, wire, disk = (rounds[0] for rounds in report["done"].values())

    assert report["schema"] == "chatlab.compression/1"
    assert list(report["done"]) == ["nothing compressed", "wire compressed", "segments compressed"]
    assert all(one["clean"] for one in (plain, wire, disk))
    assert wire["wire_bytes"] < 0.5 * plain["wire_bytes"] < disk["wire_bytes"]
    assert disk["disk_bytes"] < 0.5 * plain["disk_bytes"] <= wire["disk_bytes"]
    assert plain["wire_bytes"] > 10 * 60, "each of ten receivers gets each message"
    assert "Wire: " in text
    assert "Fewer than six rounds: no interval" in text
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_pitfalls_list_names_all_five() -> None:
    done = run("pitfalls", "list")

    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == FIVE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("growth", "optimised"), "did you mean 'optimized'"),
        (("growth", "--history", "0,many"), "'many' is no number"),
        (("growth", "--history", "0.5"), "0.5 is no whole number"),
        (("growth", "--history", "-1"), "-1 is not between 0 and 1e9"),
        (("growth", "--history", "nan"), "nan is not between"),
        (("growth", "--json", "no/such/folder/x.json"), "there is no folder"),
        (("tune", "naive"), "saves each message alone"),
        (("tune", "journal"), "saves all that waits"),
        (("tune", "sqlite"), "saves all that waits"),
        (("tune", "optimized+batch-size=10"), "fixes batch-size"),
        (("tune", "--batch-sizes", "0"), "0 is not between 1"),
        (("tune", "--flush-intervals", ""), "'' is no number"),
        (("capacity", "nosuch"), "unknown mode 'nosuch'"),
        (("pitfalls", "nosuch"), "unknown pitfall 'nosuch'; there are: batch"),
    ],
)
def test_a_mistake_is_one_clear_line(words: tuple[str, ...], said: str) -> None:
    done = run(*words)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize("lab", ["growth", "tune", "capacity", "pitfalls", "compression"])
def test_ctrl_c_leaves_no_server_and_no_data(lab: str, tmp_path: Path) -> None:
    process = start(lab, "--work", str(tmp_path))
    servers = wait_for_servers(process.pid)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Nothing was measured" in out
    assert "Traceback" not in err
    assert not [server for server in servers if server.is_running()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_capacity_prints_each_probe_as_it_ends_and_ctrl_c_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    process = start("capacity", "--seconds", "0.5", "--json", str(path))
    assert process.stdout is not None
    shown = ""
    while not shown.endswith("kept\n"):
        line = process.stdout.readline()
        assert line, "it ended too soon"
        shown += line
    os.kill(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    report = json.loads(path.read_text("utf-8"))

    assert process.returncode == 130
    assert "PARTIAL (stopped early): the highest rate kept so far is " in rest
    assert report["schema"] == "chatlab.capacity/1"
    assert report["complete"] is False
    assert report["answer_per_s"] is None
    rows = [line for line in (shown + rest).splitlines() if line.endswith(("kept", "failed"))]
    assert len(rows) == len(report["probes"]) > 0
    assert all(probe["audit"]["saved"] == probe["messages"] for probe in report["probes"])


def start(*words: str) -> subprocess.Popen[str]:
    """A lab, to be stopped by SIGINT as in a terminal: some shells have it ignored."""
    return subprocess.Popen(
        [*CHATLAB, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def wait_for_servers(pid: int) -> list[psutil.Process]:
    """The servers that a process has started, as soon as there are some."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = psutil.Process(pid).children(recursive=True)
        servers = [child for child in children if "serve" in child.cmdline()]
        if servers:
            return servers
        time.sleep(0.02)
    raise AssertionError("no server was started")
