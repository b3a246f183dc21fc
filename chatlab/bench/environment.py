"""What a result was measured with: machine and versions.

What cannot be found out stays "unknown".
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import psutil

from chatlab import __version__


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


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
