"""Has a child process judge an exercise, and makes sense of whatever becomes of that process.

No learner's code ever runs in this process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from chatlab.child_process import ChildProcess, python
from chatlab.course.catalog import Exercise
from chatlab.course.verdicts import (
    CheckBegun,
    CheckDone,
    FileUnusable,
    Judged,
    JudgeJob,
    JudgeNews,
    Result,
    RunLimits,
    Verdict,
)
from chatlab.disk.text_files import NotText, check_source
from chatlab.errors import UsageError

SILENCE_MAX_S = 60.0
"""Real seconds without any news. It takes a machine that sleeps, or code that is stuck outside of
Python; the runner itself ends whatever computes for ever. So nobody fails by it."""
END_TIMEOUT_S = 5.0
LIMITS = RunLimits()

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
        seeds: for every check, in place of its own.
        alone: run each check, even if one that it needs has failed.
        whole_story: tell every step.
        limits: of each run.
        heard: is called with each result as soon as there is one.

    Raises:
        UsageError: there is no check of a name in `only`.
    """
    names = [check.name for check in exercise.spec.checks]
    for name in only:
        if name not in names:
            raise UsageError(
                f"{exercise.name} has no check {name!r}; there are: {', '.join(names)}"
            )
    path = (work or exercise.work).absolute()
    checks = [check for check in exercise.spec.checks if not only or check.name in only]
    results: list[Result] = []
    try:
        check_source(path.read_bytes())
    except OSError as error:
        return Judged(exercise.name, path, [], f"cannot read {path}: {error.strerror}")
    except NotText as error:
        return Judged(exercise.name, path, [], f"{path} {error}")
    while len(results) < len(checks):
        job = JudgeJob(
            exercise=exercise.name,
            work=str(path),
            class_name=exercise.spec.class_name,
            checks_in=exercise.checks,
            checks=checks[len(results) :],
            seeds=list(seeds),
            alone=alone or bool(only),
            failed=[one.check for one in results if one.verdict in ("failed", "skipped")],
            whole_story=whole_story,
            limits=limits,
        )
        unusable = await _JudgeProcess(job, results, heard).run()
        if unusable is not None:
            return Judged(exercise.name, path, results, unusable.why, unusable.line, unusable.code)
    return Judged(exercise.name, path, results)


class _JudgeProcess:
    """One child process, which ends early if the learner's code ends it.

    Args:
        job: for the process.
        results: gets what it finds: at least one result, unless the file is unusable.
        heard: is called with each of them.
    """

    def __init__(self, job: JudgeJob, results: list[Result], heard: Heard) -> None:
        self._job = job
        self._results = results
        self._heard = heard

    async def run(self) -> FileUnusable | None:
        """Run it to its end; returns why the file is unusable, if it is."""
        with tempfile.TemporaryDirectory(prefix="chatlab-", ignore_cleanup_errors=True) as folder:
            child = ChildProcess(
                python("chatlab.course.runner"),
                job=self._job,
                stderr=subprocess.DEVNULL,
                cwd=Path(folder),
                # With its own order of sets, each process would replay something else.
                environment={"PYTHONHASHSEED": "0", "PYTHONPATH": _import_path()},
            )
            await child.start()
            try:
                unusable = await self._listen(child)
                with suppress(TimeoutError):
                    await child.end(END_TIMEOUT_S)  # it ends by itself, unless it was silent
                return unusable
            finally:
                await child.kill()

    async def _listen(self, child: ChildProcess) -> FileUnusable | None:
        begun, before = "", len(self._results)
        news = child.messages(JudgeNews)
        while True:
            try:
                async with asyncio.timeout(SILENCE_MAX_S):
                    message = await anext(news, None)
            except TimeoutError:
                silence = f"nothing was heard of it for {SILENCE_MAX_S:.0f} s"
                self._add(self._end_of_process(begun, "unsure", silence))
                await child.kill()
                return None
            match message:
                case FileUnusable():
                    return message
                case CheckBegun(check=name):
                    begun = name
                case CheckDone(result=result):
                    begun = ""
                    self._add(result)
                case None:
                    break
        code = await child.process.wait()
        if begun:
            words = f"it ended the whole process at once (exit code {code})"
            self._add(self._end_of_process(begun, "failed", words))
        elif len(self._results) == before:
            words = f"it ends the whole process when it is loaded (exit code {code})"
            return FileUnusable(words, 0, "")
        return None

    def _add(self, result: Result) -> None:
        self._results.append(result)
        self._heard(result)

    def _end_of_process(self, check: str, verdict: Verdict, words: str) -> Result:
        """The result of a check during which the process ended."""
        jobs = self._job.checks
        job = next((one for one in jobs if one.name == check), jobs[0])
        return Result(
            asked="Your code does not end the process that runs it.",
            expected="the check ends, and the process goes on",
            actual=words,
            why="When one part ends a server, it is gone for everyone.",
            check=job.name,
            kind="examples",
            verdict=verdict,
            of=job.points,
        )


def _import_path() -> str:
    """Where chatlab is found, even if it is not installed: the child starts elsewhere."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
