"""Answers to an exercise that tests make up, and tests of what its checks say of them."""

from __future__ import annotations

import asyncio
import gc
import random
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent, indent

import pytest

from chatlab.course.catalog import CheckSpec, Exercise, load
from chatlab.course.checks import SEEDS, Check, CheckBench
from chatlab.course.containment import load_checks, load_work
from chatlab.course.explaining import CheckOutcome, explain
from chatlab.course.judge import LIMITS, judge
from chatlab.course.simulation import run
from chatlab.course.verdicts import Result

ROOT = Path(__file__).resolve().parents[2]
RIGHT = Path(__file__).with_name("right")

Mistake = tuple[str, ...]
"""`checks: words`, then what to replace in the solution: old, new, old, new. The words stand in
what the last of these checks expected or found."""


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


def body(source: str) -> str:
    """Lines of a class, indented as such."""
    return indent(dedent(source).strip("\n"), "    ") + "\n"


def judged(name: str, folder: Path, answer: str, *only: str) -> dict[str, Result]:
    """What each check of an exercise says of an answer; no check may be unsure."""
    work = folder / "work.py"
    work.write_text(answer, encoding="utf-8")
    found = asyncio.run(judge(exercise(name), work, only=only))
    assert not found.broken, found.broken
    assert [one.actual for one in found.results if one.verdict == "unsure"] == []
    return {result.check: result for result in found.results}


def tried(name: str, folder: Path, answer: str, *only: str) -> dict[str, CheckOutcome]:
    """The checks that an answer does not pass, tried in this process.

    That takes a fifth of the time; `test_course.py` has the same checks run by a judge.
    """
    work = folder / "work.py"
    work.write_text(answer, encoding="utf-8")
    one = exercise(name)
    checks = load_checks(one.checks)
    found: dict[str, CheckOutcome] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        gc.freeze()  # what is there already need not be looked through below
        for spec in one.spec.checks:
            if spec.name in only or (not only and not found.keys() & set(spec.needs)):
                outcome = _outcome(one, work, checks[spec.name], spec)
                found |= {} if outcome is None else {spec.name: outcome}
        gc.collect()  # now is the time to warn of coroutines that an answer has not awaited
        gc.unfreeze()
    return found


def _outcome(one: Exercise, work: Path, check: Check, spec: CheckSpec) -> CheckOutcome | None:
    for seed in range(SEEDS[check.kind]):
        random.seed(seed)
        module = load_work(work)
        bench = CheckBench(module, one.spec.class_name, seed, full=spec.full, zero=spec.zero)
        try:
            run(check.run(bench), LIMITS.turns, LIMITS.time_s)
        except Exception as error:
            return explain(error, work, bench)
        if bench.spent is not None:
            return CheckOutcome("partial", bench.spent.expected, bench.spent.actual, 0)
        if not bench.seed_matters:
            break
    return None


def right(name: str, answers: Mapping[str, str], head: str = "") -> Callable[[str, Path], None]:
    """A test that right answers get all points; with a head, each is the body of its class."""

    assert len({*answers.values()}) == len(answers)  # a replacement may have found nothing

    @pytest.mark.parametrize("shape", answers)
    def test(shape: str, tmp_path: Path) -> None:
        answer = head + body(answers[shape]) if head else answers[shape]
        assert tried(name, tmp_path, answer) == {}

    return test


def right_files(name: str, *stems: str) -> Callable[[str, Path], None]:
    """The same of files in `right/`."""
    return right(name, {stem: (RIGHT / f"{stem}.py").read_text("utf-8") for stem in stems})


def wrong(
    name: str, answers: Mapping[str, tuple[str, str]], head: str
) -> Callable[[str, Path], None]:
    """A test that wrong answers fail, and are told why.

    Args:
        answers: `checks: words`, and the body of the class that `head` begins.
    """
    return _fail(name, answers, lambda source: head + body(source))


def mistakes(name: str, table: Mapping[str, Mistake]) -> Callable[[str, Path], None]:
    """The same of mistakes in the solution."""

    def answer(*words: str) -> str:
        return changed(solution(name), *zip(words[::2], words[1::2], strict=True))

    return _fail(name, table, answer)


def _fail(
    name: str, table: Mapping[str, Mistake], answer: Callable[..., str]
) -> Callable[[str, Path], None]:
    @pytest.mark.parametrize("kind", table)
    def test(kind: str, tmp_path: Path) -> None:
        told, *words = table[kind]
        checks, _, said = told.partition(": ")
        found = tried(name, tmp_path, answer(*words), *checks.split())
        assert [one.verdict for one in found.values()] == ["failed"] * len(checks.split())
        last = list(found.values())[-1]
        assert said in f"{last.expected}; {last.actual}"

    return test
