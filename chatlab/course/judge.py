"""Has an exercise judged by a child process, and makes sense of whatever becomes of that process.

No code of a learner's ever runs in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from chatlab.course.catalog import CheckSpec, Exercise
from chatlab.course.verdicts import (
    CheckBegun,
    CheckDone,
    CheckJob,
    FileUnusable,
    Judged,
    JudgeJob,
    JudgeNews,
    Result,
    RunLimits,
)
from chatlab.errors import UsageError

SILENCE_MAX_S = 60.0
"""Real seconds without any news. It takes a machine that sleeps, or code that is stuck outside of
Python; the runner itself ends whatever computes for ever. So nobody fails by it."""

# The order of a set of texts is drawn anew in each process: a replay must see the same again.
_ENVIRONMENT = {"PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"}

LIMITS = RunLimits()
END_TIMEOUT_S = 5.0

Heard = Callable[[Result], None]


async def judge(
    exercise: Exercise,
    work: Path | None = None,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    alone: bool = False,
    whole_story: bool = False,
    limits: RunLimits = LIMITS,
    heard: Heard = lambda _result: None,
) -> Judged:
    """Run the checks of an exercise over a file.

    Args:
        work: the file; the exercise's own if None.
        only: names of checks; all if empty.
        seeds: for every check, in place of those that it is given.
        alone: run each check, also if one that it needs has failed.
        whole_story: tell every step.
        limits: of each run.
        heard: hears each result as soon as there is one.

    Raises:
        UsageError: there is no check of a name.
    """
    names = [check.name for check in exercise.spec.checks]
    for name in only:
        if name not in names:
            raise UsageError(
                f"{exercise.name} has no check {name!r}; there are: {', '.join(names)}"
            )
    path = (work or exercise.work).absolute()
    checks = [
        _job(check, seeds, alone or bool(only))
        for check in exercise.spec.checks
        if not only or check.name in only
    ]
    results: list[Result] = []
    try:
        path.read_bytes()
    except OSError as error:
        return Judged(exercise.name, path, [], f"cannot read {path}: {error.strerror}")
    while len(results) < len(checks):
        job = JudgeJob(
            exercise=exercise.name,
            work=str(path),
            class_name=exercise.spec.class_name,
            checks_in=exercise.checks,
            checks=checks[len(results) :],
            failed=[one.check for one in results if one.verdict in ("failed", "skipped")],
            whole_story=whole_story,
            limits=limits,
        )
        with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as folder:
            broken = await _Run(job, Path(folder), results, heard).run()
        if broken is not None:
            return Judged(exercise.name, path, results, broken.why, broken.line, broken.code)
    return Judged(exercise.name, path, results)


def _job(check: CheckSpec, seeds: Sequence[int], alone: bool) -> CheckJob:
    own = range(check.seeds) if check.seeds is not None else ()
    needs = [] if alone else check.needs
    return CheckJob(check.name, check.points, check.full, check.zero, needs, list(seeds or own))


class _Run:
    """One child process, which ends early when the learner's code ends it."""

    def __init__(self, job: JudgeJob, folder: Path, results: list[Result], heard: Heard) -> None:
        self._job = job
        self._folder = folder
        self._results = results
        self._heard = heard
        self._checks = {check.name: check for check in job.checks}

    async def run(self) -> FileUnusable | None:
        """Add to the results: at least one, unless the file turns out to be unusable."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chatlab.course.runner"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": _import_path()},
            limit=2**24,
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(msgspec.json.encode(self._job) + b"\n")
                process.stdin.close()
            broken = await self._listen(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT_S):
                    await process.wait()  # it ends by itself, unless it was silent
            return broken
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> FileUnusable | None:
        assert process.stdout is not None
        begun, before = "", len(self._results)
        while True:
            try:
                async with asyncio.timeout(SILENCE_MAX_S):
                    line = await process.stdout.readline()
            except TimeoutError:
                silence = f"nothing was heard of it for {SILENCE_MAX_S:.0f} s"
                process.kill()
                self._add(self._ended(begun, "unsure", silence))
                return None
            if not line:
                break
            match msgspec.json.decode(line, type=JudgeNews):
                case FileUnusable() as broken:
                    return broken
                case CheckBegun(check=name):
                    begun = name
                case CheckDone(result=result):
                    begun = ""
                    self._add(result)
        code = await process.wait()
        if begun:
            words = f"it ended the whole process at once (exit code {code})"
            self._add(self._ended(begun, "failed", words))
        elif len(self._results) == before:
            return FileUnusable(
                f"it ends the whole process when it is loaded (exit code {code})", 0, ""
            )
        return None

    def _add(self, result: Result) -> None:
        self._results.append(result)
        self._heard(result)

    def _ended(self, name: str, verdict: str, words: str) -> Result:
        name = name or self._job.checks[0].name
        return Result(
            asked="Your code lets the process live that runs it.",
            expected="an end of the check, and not of the process",
            actual=words,
            why="A server that is ended by one of its parts is gone for everyone.",
            check=name,
            kind="examples",
            verdict=verdict,  # type: ignore[arg-type]
            of=self._checks[name].points,
        )


def _import_path() -> str:
    """Where chatlab is found, also when it is not installed: the child starts elsewhere."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
