"""What the compression lab says of its rounds: ratios, worth, and what it cannot say."""

from __future__ import annotations

from typing import Any

from chatlab.bench.statistics import Estimate
from chatlab.labs.compression.measure import DISK, PLAIN, WIRE, Choice, Compression
from chatlab.labs.compression.measure import CompressionRound as Round
from chatlab.labs.compression.view import render
from tests.labs.support import printed

RATES = {"per_s": 10_000.0, "cpu_us": 20.0}
PLAIN_ROUND: dict[str, Any] = RATES | {"wire_bytes": 2_000.0, "disk_bytes": 200.0, "clean": True}


def a_lab(count: int = 6, **plain: Any) -> Compression:
    """A lab whose rounds are over: the wire at a tenth of the bytes, the disk at a fifth."""
    lab = Compression(rounds=count, messages=1_000)
    for _ in range(count):
        lab.done[PLAIN].append(Round(**PLAIN_ROUND | plain))
        lab.done[WIRE].append(Round(**PLAIN_ROUND | {"wire_bytes": 200.0, "cpu_us": 40.0}))
        lab.done[DISK].append(Round(**PLAIN_ROUND | {"disk_bytes": 40.0, "cpu_us": 22.0}))
    lab.complete = True
    return lab


def screen(lab: Compression) -> str:
    return " ".join(printed(render(lab.report()), 80).split())


def test_bytes_saved_are_weighed_against_the_time_that_they_cost() -> None:
    report = a_lab().report()

    assert report.wire.bytes.median == 0.1
    assert report.wire.cpu.median == 2
    # 1,800 bytes less for 20 microseconds more: a line of 720 Mbit/s carries as much meanwhile.
    assert report.wire.worth_below_mbit_s == 720
    assert report.disk.worth_below_mbit_s is None


def test_the_screen_has_a_verdict_for_each_choice() -> None:
    text = screen(a_lab())

    assert "Wire: 0.1 (0.1 to 0.1) x the bytes for 2 (2 to 2) x" in text
    assert "carries less than about 720 Mbit/s" in text
    assert "Segments: 0.2 (0.2 to 0.2) x the bytes for 1.1 (1.1 to 1.1) x" in text
    assert "It costs processor time." in text
    assert "Fewer than six" not in text


def test_a_cost_is_claimed_by_its_whole_interval() -> None:
    for low, claimed in ((1.01, True), (0.99, False), (None, False)):
        ratio = Estimate(1.2, low, 1.4, [])
        assert Choice(bytes=None, cpu=ratio, per_s=ratio).costs_cpu is claimed


def test_what_is_not_known_is_said() -> None:
    assert "No cost in processor time can be claimed" in screen(a_lab(3))
    assert "Fewer than six rounds" in screen(a_lab(3))
    assert "Too short for a verdict" in screen(a_lab(cpu_us=0.0))
    assert "No segment was closed" in screen(a_lab(disk_bytes=None))
    assert "no figure counts" in screen(a_lab(clean=False))
    assert "Nothing was measured" in screen(Compression(rounds=1, messages=9))
