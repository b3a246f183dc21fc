"""Answers to an exercise that tests make up, and what the course says of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from textwrap import dedent, indent

from chatlab.course.catalog import load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Result

ROOT = Path(__file__).resolve().parents[2]


def body(source: str) -> str:
    """Lines of a class, indented as such."""
    return indent(dedent(source).strip("\n"), "    ") + "\n"


def judged(name: str, source: str, folder: Path, *only: str) -> dict[str, Result]:
    """The result of each check of an exercise over an answer.

    Args:
        name: `03_atomic_write`.
        source: of the answer's file.
        folder: to write it to.
        only: checks; all if none is named.
    """
    work = folder / "work.py"
    work.write_text(source, encoding="utf-8")
    exercise = load(ROOT / "exercises" / name, ROOT / "solutions" / name)
    found = asyncio.run(judge(exercise, work, only=only))
    assert not found.broken, found.broken
    return {result.check: result for result in found.results}


def not_passed(results: dict[str, Result]) -> dict[str, str]:
    """The checks that did not pass, and what was found; empty for a right answer."""
    return {
        name: f"{result.verdict}: {result.actual}"
        for name, result in results.items()
        if result.verdict != "passed"
    }
