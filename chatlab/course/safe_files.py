"""Writing files so that nothing of a learner's is ever lost."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by a new one in one step; a crash leaves the old one, or the new one.

    Raises:
        OSError: the old one is still there.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def unused(path: Path) -> Path:
    """The path, with a number at its end if there is such a file already."""
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.stem.removesuffix(f'-{number - 1}')}-{number}{path.suffix}")
    return path


def stamp() -> str:
    """Now, for a file name."""
    return datetime.now().strftime("%Y%m%d-%H%M%S")
