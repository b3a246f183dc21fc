"""A learner's answer as text, judged: what the tests of single exercises have in common."""

from __future__ import annotations

from pathlib import Path

from chatlab.course.catalog import Exercise, load
from chatlab.course.judge import judge
from chatlab.course.verdicts import Judged, Result

ROOT = Path(__file__).resolve().parents[2]


def exercise(name: str) -> Exercise:
    return load(ROOT / "exercises" / name, ROOT / "solutions" / name)


def solution(name: str) -> str:
    return exercise(name).answers.joinpath("work.py").read_text("utf-8")


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A text with parts of it replaced, each of which must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


async def judged(name: str, folder: Path, answer: str, *, only: tuple[str, ...] = ()) -> Judged:
    """What the checks of an exercise say of an answer."""
    path = folder / "work.py"
    path.write_text(answer, "utf-8")
    return await judge(exercise(name), path, only=only)


async def failed(name: str, folder: Path, answer: str) -> list[str]:
    """The checks that an answer fails; none may be unsure."""
    found = await judged(name, folder, answer)
    assert not found.broken, found.broken
    assert [one.check for one in found.results if one.verdict == "unsure"] == []
    return [one.check for one in found.results if one.verdict == "failed"]


async def first_miss(name: str, folder: Path, answer: str) -> Result:
    """The first check that an answer fails."""
    found = await judged(name, folder, answer)
    assert not found.broken, found.broken
    return next(one for one in found.results if one.verdict != "passed")
