"""What a result was measured with: machine and versions, and whether the instrument held.

What cannot be found out stays "unknown".
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from chatlab import __version__
from chatlab.bench.ceilings import CeilingRound
from chatlab.bench.report import TrustCheck
from chatlab.bench.rounds import LATE_MAX_MS, LATE_MAX_SHARE, SENDER_CPU_MAX_PERCENT, Round

MACHINE_BUSY_MAX_PERCENT = 25.0
VIEW_CPU_MAX_PERCENT = 15.0
CLOCK_STEP_MAX_MS = 0.1
_IN_MEMORY = ("tmpfs", "ramfs")


def describe(folder: Path) -> dict[str, Any]:
    """Everything a reader needs to judge a figure or to repeat it.

    Args:
        folder: where the data folders are: the cost of an fsync depends on the file system.
    """
    return {
        "chatlab": __version__,
        "python": platform.python_version(),
        "websockets": importlib.metadata.version("websockets"),
        "picows": importlib.metadata.version("picows"),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "file_system": file_system(folder),
    }


def file_system(folder: Path) -> str:
    """The type of the file system of `folder`, such as "ext4"; or "unknown"."""
    try:
        here = folder.resolve()
        mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
        for parent in (here, *here.parents):
            if parent in mounts:
                return mounts[parent] or "unknown"
    except (OSError, psutil.Error):
        pass
    return "unknown"


def trust(
    rounds: Sequence[Round],
    ceilings: Sequence[CeilingRound] = (),
    *,
    busy_percent: float,
    view_percent: float,
    file_system: str,
) -> list[TrustCheck]:
    """Whether the instrument itself can be trusted; empty if nothing was measured.

    Args:
        rounds: all of them.
        ceilings: all rounds of all ceilings.
        busy_percent: how busy the machine was before the start.
        view_percent: what showing the progress took, of one core.
        file_system: of the data folders.
    """
    if not rounds:
        return []
    late_ms = max(one.load.late_p99_ms for one in rounds)
    late_max_ms = max(LATE_MAX_MS, LATE_MAX_SHARE * 1000 * min(one.load.wall_s for one in rounds))
    sender_percent = max(one.load.sender_cpu_percent for one in rounds)
    return [
        _at_most("sender late, p99 of the worst round (ms)", late_ms, late_max_ms),
        _at_most(
            "sender CPU in the worst round (% of a core)", sender_percent, SENDER_CPU_MAX_PERCENT
        ),
        *[
            _at_most(
                "sender CPU against a ceiling (% of a core)",
                max(one.sender_cpu_percent for one in ceilings),
                SENDER_CPU_MAX_PERCENT,
            )
            for _ in ceilings[:1]
        ],
        _at_most("messages planned but not sent", sum(one.load.unsent for one in rounds), 0),
        _at_most("rounds whose plan was not met", sum(bool(one.invalid) for one in rounds), 0),
        _at_most("machine busy before the start (%)", busy_percent, MACHINE_BUSY_MAX_PERCENT),
        _at_most("showing the progress (% of a core)", view_percent, VIEW_CPU_MAX_PERCENT),
        _at_most("smallest step of the clock (ms)", _clock_step_ms(), CLOCK_STEP_MAX_MS),
        TrustCheck(
            "data folder on a disk (in memory, an fsync costs nothing)",
            file_system not in _IN_MEMORY,
            file_system,
            "not in memory",
        ),
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _clock_step_ms() -> float:
    """The smallest step of the clock that the load generator uses."""
    steps = []
    for _ in range(100):
        before = after = time.perf_counter()
        while after == before:
            after = time.perf_counter()
        steps.append(after - before)
    return 1000 * min(steps)


def _at_most(check: str, value: float, limit: float) -> TrustCheck:
    return TrustCheck(check, value <= limit, round(value, 6), round(limit, 1))
