"""A busy server's snapshot, and what a console prints."""

from __future__ import annotations

import io
import re
from typing import Any

from chatlab.chat.modes import MODES
from chatlab.chat.parts.message_seams import ProcessorStatistics
from chatlab.chat.parts.storage_seams import ReaderStatistics
from chatlab.chat.snapshot import Batches, Counts, Percentiles, Rates, ServerNote, Snapshot, Waiting
from chatlab.disk.counted import FileIO
from chatlab.view.console import TextConsole
from chatlab.view.dashboard.screen import render

COLOUR = re.compile(r"\x1b\[[\d;]*(3[0-8]|4[0-8]|9\d|10\d)")


def a_snapshot(uptime_s: float = 12.0, **changes: Any) -> Snapshot:
    """A busy server's snapshot, in which every figure is a different one."""
    values: dict[str, Any] = {
        "url": "ws://127.0.0.1:8765",
        "mode": "optimized",
        "parts": MODES["optimized"].parts,
        "ack_means": "queued",
        "uptime_s": uptime_s,
        "clients": 17,
        "counts": Counts(
            accepted=4_100, acked=4_090, saved=4_000, delivered=2_000, frames=68_000, refused=31
        ),
        "rates": Rates(301, 302, 303, 304),
        "batches": Batches(last=98, largest=100, mean=87.3),
        "queue": ProcessorStatistics(105, 10_000, 0.0246, 47, 3),
        "waiting": Waiting(messages=950, bytes=12_345, oldest_s=1.87),
        "cache": ReaderStatistics(hits=1_234, misses=56, stale_served=7),
        "files": {
            "messages.json": FileIO(11, 5_000, 61, 1_100, 12_000_000),
            "chatrooms.json": FileIO(3_000, 22, 0, 333_000, 444),
        },
        "ack_ms": Percentiles(1.01, 2.02, 3.03, 1_001),
        "save_ms": Percentiles(10.4, 20.5, 30.6, 1_002),
        "delivery_ms": Percentiles(117.0, 228.0, 1_339.0, 1_003),
        "loop_lag_ms": Percentiles(0.11, 0.22, 0.33, 204),
        "cpu_s": 7.8,
        "cpu_percent": 43.2,
        "rss_bytes": 51_200_000,
        "rss_peak_bytes": 62_300_000,
        "refusals": {"bad_json": 1, "overloaded": 30},
        "notes": [ServerNote(2.0, "an old note"), ServerNote(9.0, "the disk is full", 14)],
    }
    return Snapshot(**(values | changes))


def printed(
    renderable: Any, width: int = 80, *, encoding: str = "utf-8", **options: Any
) -> list[str]:
    """What a console prints, as lines; a function gets the console instead."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = TextConsole(file=file, width=width, **({"force_terminal": False} | options))
    console.print(renderable) if not callable(renderable) else renderable(console)
    file.seek(0)
    return file.read().splitlines()


def dashboard(width: int, height: int, *history: Snapshot) -> list[str]:
    """The dashboard at the last of these snapshots, as lines."""
    return printed(render(history or (a_snapshot(),), width, height), width)
