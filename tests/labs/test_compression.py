"""What the compression lab says of its rounds: ratios, worth, and what it cannot say."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from chatlab.labs.compression.measure import DISK, PLAIN, WIRE, Compression, CompressionRound
from chatlab.labs.compression.view import render

PLAIN_ROUND: dict[str, Any] = {
    "per_s": 10_000.0,
    "cpu_us": 20.0,
    "wire_bytes": 2_000.0,
    "disk_bytes": 200.0,
    "clean": True,
}


def a_round(**changes: Any) -> CompressionRound:
    return CompressionRound(**(PLAIN_ROUND | changes))


def a_lab(count: int = 6, **plain: Any) -> Compression:
    """A lab whose rounds are over: the wire at a tenth of the bytes, the disk at a fifth."""
    lab = Compression(rounds=count, messages=1_000, say=lambda _: None)
    for _ in range(count):
        lab.done[PLAIN].append(a_round(**plain))
        lab.done[WIRE].append(a_round(wire_bytes=200.0, cpu_us=40.0))
        lab.done[DISK].append(a_round(disk_bytes=40.0, cpu_us=22.0))
    lab._complete = True
    return lab


def printed(lab: Compression) -> str:
    file = io.StringIO()
    Console(file=file, width=80).print(render(lab.report("chatlab compression")))
    return " ".join(file.getvalue().split())


def test_bytes_saved_are_weighed_against_the_time_that_they_cost() -> None:
    report = a_lab().report("chatlab compression")

    assert report.wire is not None
    assert report.disk is not None
    assert report.wire.bytes is not None
    assert report.wire.bytes.median == 0.1
    assert report.wire.cpu.median == 2
    # 1,800 bytes less for 20 microseconds more: a line of 720 Mbit/s carries as much meanwhile.
    assert report.wire.worth_below_mbit_s == 720
    assert report.disk.worth_below_mbit_s is None


def test_the_screen_has_a_verdict_for_each_choice() -> None:
    text = printed(a_lab())

    assert "Wire: 0.1 (0.1 to 0.1) x the bytes for 2 (2 to 2) x" in text
    assert "carries less than about 720 Mbit/s" in text
    assert "Segments: 0.2 (0.2 to 0.2) x the bytes for 1.1 (1.1 to 1.1) x" in text
    assert "It costs processor time." in text
    assert "Fewer than six" not in text


def test_what_is_not_known_is_said() -> None:
    assert "No cost in processor time can be claimed" in printed(a_lab(3))
    assert "Fewer than six rounds" in printed(a_lab(3))
    assert "Too short for a verdict" in printed(a_lab(cpu_us=0.0))
    assert "No segment was closed" in printed(a_lab(disk_bytes=None))
    assert "no figure counts" in printed(a_lab(clean=False))
    assert "Nothing was measured" in printed(Compression(rounds=1, messages=9, say=lambda _: None))
