"""A tiny exercise, made on the spot: what its checks ask, and what a learner's file does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatlab.course.catalog import CheckSpec, Exercise, ExerciseSpec

HEAD = """\
from __future__ import annotations
import asyncio
from chatlab.course.checks import CannotTell, check
"""


def exercise(
    folder: Path, work: str, checks: str, specs: Sequence[CheckSpec], class_name: str = "Thing"
) -> Exercise:
    """An exercise in a folder: `checks` goes into its own `checks.py`."""
    folder.mkdir(exist_ok=True)
    (folder / "work.py").write_text(work, "utf-8")
    (folder / "checks.py").write_text(HEAD + checks, "utf-8")
    spec = ExerciseSpec(
        "Tiny", "Be tiny.", ["be tiny"], ["a", "b", "c"], list(specs), "", class_name
    )
    return Exercise("01_tiny", folder, folder / "answers", spec)


def check_that_calls(method: str, kind: str = "examples") -> str:
    """The source of a check, named after the method that it calls: it must return 1."""
    return f"""
@check("{kind}", asked="{method} returns 1.", why="It is asked for.")
async def {method}(bench):
    bench.equal(await bench.part().{method}(), 1, "what {method} returns")
"""


def line_of(work: Path, code: str) -> int:
    """The number of the line in which a piece of code stands, which is nowhere else."""
    lines = work.read_text("utf-8").splitlines()
    [number] = [number for number, line in enumerate(lines, start=1) if code in line]
    return number
