"""Tests the course itself: tries what is claimed of each exercise.

- a starter runs, and fails each graded check;
- a solution passes every check under many seeds;
- each named wrong answer applies to the solution, fails the check that it names, and no other;
- hints, texts and reasons are there, and the points add up;
- the commands that its text shows run. Each runs as it stands, with less to do (one round, few
  messages, a server that stops at once), and with the solution in the learner's place.

Read `answers.py` for what a wrong answer looks like.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from chatlab.bench.processes import ServerProcess
from chatlab.chat.user_parts import ENVIRONMENT, UserParts
from chatlab.child_process import python
from chatlab.course.answers import read_wrong, whole_file
from chatlab.course.catalog import POINTS, TEXT, WHY, WORK, WRONG, Exercise
from chatlab.course.judge import judge
from chatlab.course.solved_parts import knobs_of
from chatlab.course.verdicts import Judged, RunLimits
from chatlab.disk.text_files import read_text
from chatlab.errors import ExitCode, UsageError

SEEDS = 200
WRONG_MIN = 3
HINTS_MIN = 3
TEXT_MIN = 200
"""Characters; a text with less says nothing yet."""
IMPATIENT = RunLimits(blocked_s=2.0)
"""For wrong answers: some of them are known to block for ever."""
COMMAND_TIMEOUT_S = 120.0

_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_LESS_TO_DO = {
    "compare": ("--rounds", "1", "--messages", "40", "--no-live"),
    "growth": ("--rounds", "1", "--history", "0,50", "--messages", "40"),
    "crash": ("--trials", "1"),
    "tune": (
        *("--batch-sizes", "10", "--flush-intervals", "20"),
        *("--burst", "100", "--steady", "200", "--rate", "1000"),
    ),
    "load": ("--messages", "40"),
    "serve": ("--port", "0", "--no-dashboard", "--stop-with-stdin"),
}


class CourseProblem(NamedTuple):
    """A claim about an exercise that does not hold: the file concerned, and a sentence."""

    where: Path
    what: str


async def verify(
    exercise: Exercise,
    seeds: int = SEEDS,
    tell: Callable[[str], None] = lambda _: None,
    *,
    commands: bool = True,
) -> list[CourseProblem]:
    """Try an exercise; returns what is wrong with it.

    Args:
        seeds: how many the solution must pass under.
        tell: is called with what is being tried.
        commands: whether to run those that its text shows, which takes the longest.
    """
    tell(f"{exercise.name}: the starter")
    problems = [*_incomplete(exercise), *await _starter(exercise)]
    tell(f"{exercise.name}: the solution, under {seeds} seeds")
    problems += await _solution(exercise, seeds)
    for path in exercise.wrong:
        tell(f"{exercise.name}: the wrong answer {path.stem}")
        problems += [CourseProblem(path, what) for what in await _wrong(exercise, path)]
    if commands and exercise.text.is_file() and commands_in(exercise.text):
        tell(f"{exercise.name}: the commands in {TEXT}")
        failing = await failing_commands(exercise)
        problems += [CourseProblem(exercise.text, what) for what in failing]
    return problems


def _incomplete(exercise: Exercise) -> list[CourseProblem]:
    wrong, hints = len(exercise.wrong), len(exercise.spec.hints)
    points = f"its checks are worth {exercise.points} points and not {POINTS}"
    claims = {
        f"it has {wrong} wrong answers of {WRONG_MIN}": wrong >= WRONG_MIN,
        f"it has {hints} hints of {HINTS_MIN}": hints >= HINTS_MIN,
        points: exercise.points == POINTS,
        "it names no objectives": bool(exercise.spec.objectives),
    }
    texts = (exercise.text, exercise.answers / WHY, exercise.answers / WORK)
    claims |= {f"{path.name} is missing, or empty": _has_text(path) for path in texts}
    whole = sorted((exercise.answers / WRONG).glob("*.py"))
    is_no_diff = "a wrong answer is a diff to the solution, with the ending .diff"
    return [
        *(CourseProblem(exercise.folder, what) for what, holds in claims.items() if not holds),
        *(CourseProblem(path, is_no_diff) for path in whole),
    ]


def _has_text(path: Path) -> bool:
    return path.is_file() and len(path.read_text("utf-8", "replace").strip()) > TEXT_MIN


async def _starter(exercise: Exercise) -> list[CourseProblem]:
    judged = await judge(exercise, alone=True)
    found = _unusable(judged) + [
        f"the starter does not fail {one.check}: it is {one.verdict} {one.actual}".strip()
        for one in judged.results
        if one.of and one.verdict != "failed"
    ]
    return [CourseProblem(judged.work, what) for what in found]


async def _solution(exercise: Exercise, seeds: int) -> list[CourseProblem]:
    judged = await judge(exercise, exercise.answers / WORK, seeds=range(seeds))
    found = _unusable(judged) + [
        f"the solution does not pass {one.check}, with seed {one.seed}: expected {one.expected}, "
        f"found {one.actual}"
        for one in judged.results
        if one.verdict != "passed"
    ]
    return [CourseProblem(judged.work, what) for what in found]


async def _wrong(exercise: Exercise, path: Path) -> list[str]:
    """What is wrong with the description of a wrong answer."""
    try:
        wrong = read_wrong(path)
        code = whole_file(wrong, exercise)
    except UsageError as error:
        return [str(error)]
    with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as folder:
        work = Path(folder) / f"{wrong.name}.py"
        work.write_text(code, encoding="utf-8")
        judged = await judge(exercise, work, limits=IMPATIENT)
    if judged.broken:
        return _unusable(judged)
    found = []
    failed = [one.check for one in judged.results if one.verdict == "failed"]
    unsure = [one.check for one in judged.results if one.verdict == "unsure"]
    if not wrong.check:
        found.append("it does not say `Fails: CHECK` before its diff")
    elif failed != [wrong.check] or unsure:
        what = f"it should fail {wrong.check} alone; it fails {', '.join(failed) or 'nothing'}"
        found.append(what + (f", and {', '.join(unsure)} cannot tell" if unsure else ""))
    if not wrong.reason:
        found.append("it does not say before its diff what is wrong, and why that matters")
    return found


def _unusable(judged: Judged) -> list[str]:
    where = f" (line {judged.line})" if judged.line else ""
    return [f"it cannot run: {judged.broken}{where}"] if judged.broken else []


def commands_in(text: Path) -> list[str]:
    """Every `chatlab ...` line in a shell block, once, in order."""
    blocks = _BLOCK.findall(read_text(text))
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("chatlab ")))


async def failing_commands(exercise: Exercise) -> list[str]:
    """Run each command of an exercise's text; returns a sentence for each that does not run."""
    with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        failing = []
        for number, command in enumerate(commands_in(exercise.text)):
            why = await _run(command, exercise, folder / f"data-{number}")
            if why:
                failing.append(f"`{command}` does not run: {why}")
        return failing


async def _run(command: str, exercise: Exercise, folder: Path) -> str:
    """Run one command; returns why it failed, or nothing."""
    words = shlex.split(command)[1:]
    shorter = [*words, *_LESS_TO_DO.get(words[0], ())]
    if words[0] == "serve":
        shorter += ["--data", str(folder)]
    if words[0] != "load":
        return await _outcome(shorter, exercise)
    async with ServerProcess("naive", folder) as server:
        return await _outcome([shorter[0], server.url, *shorter[1:]], exercise)


async def _outcome(words: list[str], exercise: Exercise) -> str:
    """Run a command to its end; an audit that is not clean is fine: some texts show that."""
    process = await asyncio.create_subprocess_exec(
        *python("chatlab", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, ENVIRONMENT: msgspec.json.encode(_solved(exercise)).decode()},
    )
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"it had not ended after {COMMAND_TIMEOUT_S:.0f} s"
    text = errors.decode(errors="replace").strip()
    if process.returncode in (ExitCode.OK, ExitCode.NOT_CLEAN) and "Traceback" not in text:
        return ""
    return f"exit code {process.returncode}, {text.splitlines()[-1] if text else 'without a word'}"


def _solved(exercise: Exercise) -> UserParts:
    """The solution, as if the learner had written it."""
    role, work = exercise.spec.part, exercise.answers / WORK
    if not exercise.spec.class_name:
        return UserParts(knobs=knobs_of(work) if role else {})
    source = f"{work.resolve()}:{exercise.spec.class_name}"
    return UserParts({role: source}, {role: exercise.name}, [role])
