"""Each lab once for real, tiny; and what Ctrl-C leaves behind: nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.labs.support import interrupted, names_in, run_for_json
from tests.support.command_line import command, needs_signals, until

pytestmark = pytest.mark.real


async def test_growth_counts_what_a_message_costs(tmp_path: Path) -> None:
    options = ("--history", "0,500,4000", "--rounds", "1", "--messages", "20")
    report, text = await run_for_json(tmp_path, "growth", "naive", *options)

    naive = report["modes"]["naive"]
    assert [point["history"] for point in naive["points"]] == [0, 500, 4_000]
    assert all(point["audit"]["saved"] == point["messages"] for point in naive["points"])
    assert naive["bytes_fit"]["shape"] == "linear"
    assert "In bytes it is linear" in text


async def test_tune_marks_a_frontier_and_recommends(tmp_path: Path) -> None:
    grid = ("--batch-sizes", "1,1000", "--flush-intervals", "20")
    load = ("--burst", "100", "--rate", "1000", "--steady", "200")
    report, text = await run_for_json(tmp_path, "tune", *grid, *load)

    cells = [(one["batch_size"], one["flush_interval_ms"]) for one in report["cells"]]
    assert cells == [(1, None), (1_000, 20)]
    assert any(cell["on_frontier"] for cell in report["cells"])
    assert report["recommended"] in {0, 1}
    assert "Recommended: batch" in text


async def test_compression_weighs_bytes_against_processor_time(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--messages", "600", "--work", str(tmp_path))
    report, text = await run_for_json(tmp_path, "compression", *options)
    plain, wire, disk = (rounds[0] for rounds in report["done"].values())

    assert list(report["done"]) == ["nothing compressed", "wire compressed", "segments compressed"]
    assert all(one["clean"] for one in (plain, wire, disk))
    assert wire["wire_bytes"] < 0.5 * plain["wire_bytes"] < disk["wire_bytes"]
    assert disk["disk_bytes"] < 0.5 * plain["disk_bytes"] <= wire["disk_bytes"]
    assert plain["wire_bytes"] > 10 * 60, "each of ten receivers gets each message"
    assert "Wire: " in text
    assert "Fewer than six rounds: no interval" in text
    assert names_in(tmp_path) == ["result.json"]


async def test_pitfalls_make_a_mistake_and_cure_it(tmp_path: Path) -> None:
    """Those two that need no clock to be seen."""
    report, text = await run_for_json(tmp_path, "pitfalls", "cache", "errors")

    cache, errors = report["results"]
    assert (cache["shown"], errors["shown"]) == (True, True)
    never, soon = cache["figures"][0]
    assert (never["value"], soon["value"] is None) == (None, False)
    lost = {f["what"]: (f["value"], g["value"]) for f, g in errors["figures"]}["acked and lost"]
    assert lost[0] > 0
    assert lost[1] == 0
    assert "parts.py:ForgetfulProcessor" in text


@needs_signals
@pytest.mark.parametrize("lab", ["growth", "pitfalls", "compression", "crash journal --only kill"])
async def test_ctrl_c_leaves_no_server_and_no_data(lab: str, tmp_path: Path) -> None:
    async with command(*lab.split(), "--work", str(tmp_path)) as process:
        done = await interrupted(process)

    assert "Nothing was measured" in done.out
    assert names_in(tmp_path) == []


@needs_signals
async def test_capacity_prints_each_probe_as_it_ends_and_ctrl_c_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    async with command("capacity", "--seconds", "0.5", "--json", str(path)) as process:
        shown = await until(process.stdout, "kept\n")
        rest = (await interrupted(process)).out
    report = json.loads(path.read_text("utf-8"))

    assert "PARTIAL (stopped early): the highest rate kept so far is " in rest
    assert (report["schema"], report["complete"]) == ("chatlab.capacity/1", False)
    assert report["answer_per_s"] is None
    rows = [line for line in (shown + rest).splitlines() if line.endswith(("kept", "failed"))]
    assert len(rows) == len(report["probes"]) > 0
    assert all(probe["audit"]["saved"] == probe["messages"] for probe in report["probes"])
