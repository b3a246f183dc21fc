"""Runs checks over a learner's file, in its own process: `python -m chatlab.course.runner`.

The job comes on standard input, and results go back as messages; see `chatlab/child_process.py`.
Whatever the learner's code prints is captured, and comes along with the result.

The learner's code can do what it likes to this process. An exception, `sys.exit`, a loop that never
ends, a call that blocks: each becomes a result that names the line. What cannot be caught here (a
crash of the interpreter) is seen by the parent: `judge.py`.
"""

from __future__ import annotations

import linecache
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from chatlab.child_process import read_job, send, when_stdin_ends
from chatlab.course.catalog import CheckSpec
from chatlab.course.checks import SEEDS, Check, CheckBench
from chatlab.course.containment import CapturedOutput, forbid_calls, load_checks, load_work, watch
from chatlab.course.explaining import BlockingCall, CheckOutcome, explain, unusable, words
from chatlab.course.simulation import line_in, run
from chatlab.course.verdicts import CheckBegun, CheckDone, FileUnusable, JudgeJob, JudgeNews, Result
from chatlab.errors import ExitCode

STORY_STEPS = 12
TEXT_MAX = 1_000
"""Characters of each text of a result: a learner's exception may say anything, at any length."""


def main() -> None:
    """Do the job on standard input."""
    job = read_job(JudgeJob)
    leave = os._exit
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    when_stdin_ends(lambda: leave(ExitCode.INTERRUPTED))
    sys.dont_write_bytecode = True  # the learner's folder may be read-only, and stays clean
    CheckRunner(job, CapturedOutput(), leave).run()
    leave(ExitCode.OK)  # at once: a thread of the learner's code may never end


@dataclass(eq=False, slots=True)
class _Trial:
    """One run of a check, with one seed.

    Attributes:
        check: what is asked.
        wanted: which check the job names.
        bench: what the check works with, once it has begun.
    """

    check: Check
    wanted: CheckSpec
    seed: int = 0
    bench: CheckBench | None = None


class CheckRunner:
    """Carries out one job.

    Args:
        job: which checks to run over which file.
        output: what is printed meanwhile.
        leave: ends the process.
    """

    def __init__(
        self, job: JudgeJob, output: CapturedOutput, leave: Callable[[int], NoReturn]
    ) -> None:
        self._job = job
        self._work = Path(job.work)
        self._output = output
        self._leave = leave
        self._failed = set(job.failed)
        self._trial: _Trial | None = None  # None while the file is being loaded
        self._blocking: BlockingCall | None = None
        self._ending = threading.Lock()  # a trial ends once: by itself, or by the watchdog

    def run(self) -> None:
        """Run every check of the job."""
        checks, why_not = _checks_of(self._job)
        watch(self._work, self._job.limits, self._output, lambda: self._trial, self._end)
        forbid_calls(
            self._block, lambda what, at: self._end(self._trial, at, what, "no call of os._exit")
        )
        if (unusable_file := self._unusable()) is not None:
            self._tell(unusable_file)
            return
        for wanted in self._job.checks:
            check = checks.get(wanted.name, _NO_CHECK)
            self._trial = _Trial(check, wanted)
            self._tell(CheckBegun(wanted.name))
            self._output.so_far()
            missing = [name for name in wanted.needs if name in self._failed]
            if missing and not self._job.alone:
                skipped = f"not tried: first, {' and '.join(missing)} must pass"
                result = self._result(self._trial, CheckOutcome("skipped", "", skipped, 0))
            elif check is _NO_CHECK:
                unknown = why_not or f"{self._job.checks_in} has no check of that name"
                result = self._result(self._trial, CheckOutcome("unsure", "", unknown, 0))
            else:
                result = self._try(check, wanted)
            if result.verdict in ("failed", "skipped"):
                self._failed.add(wanted.name)
            with self._ending:
                self._trial = None
                self._tell(CheckDone(result))

    def _unusable(self) -> FileUnusable | None:
        """Why no check can run over this file; None if they can."""
        try:
            module = load_work(self._work)
        except BaseException as error:
            why, line = unusable(error, self._work)
            return FileUnusable(_shortened(why), line, self._code(line))
        name = self._job.class_name
        if name and not isinstance(getattr(module, name, None), type):
            why = f"it has no class {name}: the server looks for it under that name"
            return FileUnusable(why, 0, "")
        return None

    def _try(self, check: Check, wanted: CheckSpec) -> Result:
        """Run a check with each of its seeds, until one fails."""
        lowest: CheckBench | None = None
        trial = _Trial(check, wanted)
        for seed in self._job.seeds or range(wanted.seeds or SEEDS[check.kind]):
            self._trial = trial = _Trial(check, wanted, seed)
            self._blocking = None
            self._tell(CheckBegun(wanted.name))  # a sign of life
            random.seed(seed)  # the learner's code may draw from it
            try:
                work = load_work(self._work)
                trial.bench = bench = CheckBench(
                    work, self._job.class_name, seed, full=wanted.full, zero=wanted.zero
                )
                run(check.run(bench), self._job.limits.turns, self._job.limits.time_s)
                if self._blocking is not None:
                    raise self._blocking
            except BaseException as error:
                # If the learner's code has swallowed a blocking call, all else follows from it.
                told = explain(self._blocking or error, self._work, trial.bench)
                return self._result(trial, told)
            if bench.spent is not None and (lowest is None or bench.share < lowest.share):
                lowest = bench
            if not bench.seed_matters:
                break
        if lowest is None or lowest.spent is None:
            return self._result(trial, CheckOutcome("passed", "", "", 0), share=1.0)
        trial.bench = lowest
        told = CheckOutcome("partial", lowest.spent.expected, lowest.spent.actual, 0)
        return self._result(trial, told, share=lowest.share)

    def _result(self, trial: _Trial, told: CheckOutcome, share: float = 0.0) -> Result:
        check, wanted, failed = trial.check, trial.wanted, told.verdict == "failed"
        replay = f"chatlab replay {self._job.exercise} {wanted.name} --seed {trial.seed}"
        return Result(
            asked=check.asked,
            expected=_shortened(told.expected),
            actual=_shortened(told.actual),
            story=self._story(trial.bench) if told.verdict in ("failed", "partial") else [],
            why=check.why,
            replay=replay if failed else "",
            check=wanted.name,
            kind=check.kind,
            verdict=told.verdict,
            points=wanted.points * share,
            of=wanted.points,
            seed=trial.seed if failed else None,
            line=told.line,
            code=self._code(told.line),
            printed=self._output.so_far(),
        )

    def _story(self, bench: CheckBench | None) -> list[str]:
        steps = [_shortened(str(step)) for step in bench.story.steps] if bench is not None else []
        if self._job.whole_story or len(steps) <= STORY_STEPS:
            return steps
        left_out = len(steps) - STORY_STEPS
        before = "1 earlier step" if left_out == 1 else f"{left_out:,} earlier steps"
        return [f"({before}; the replay has them)", *steps[-STORY_STEPS:]]

    def _code(self, line: int) -> str:
        return _shortened(linecache.getline(str(self._work), line).strip()) if line else ""

    def _block(self, what: str, frame: FrameType) -> NoReturn:
        """The learner's code has called something that blocks."""
        self._blocking = BlockingCall(what, line_in(frame, str(self._work)))
        raise self._blocking

    def _end(
        self, trial: _Trial | None, frame: FrameType | None, actual: str, expected: str = "an end"
    ) -> None:
        """Report, then end the process in the middle of a trial, or of the file's loading."""
        line = line_in(frame, str(self._work))
        with self._ending:
            if self._trial is not trial:
                return  # it has just ended by itself
            if trial is None:
                self._tell(FileUnusable(actual, line, self._code(line)))
            else:
                trial.bench = None  # it is in use
                told = CheckOutcome("failed" if line else "unsure", expected, actual, line)
                self._tell(CheckDone(self._result(trial, told)))
            self._leave(ExitCode.SOFTWARE)

    def _tell(self, news: JudgeNews) -> None:
        send(news, self._output.channel)


async def _nothing(_: CheckBench) -> None:
    """What a check that does not exist asks."""


_NO_CHECK = Check("", "examples", "", "", _nothing)


def _checks_of(job: JudgeJob) -> tuple[dict[str, Check], str]:
    """The checks of a job; if they cannot be loaded, why, which is not the learner's fault."""
    try:
        return load_checks(job.checks_in), ""
    except Exception as error:
        return {}, f"the checks in {job.checks_in} cannot be loaded: {words(error)}"


def _shortened(text: str) -> str:
    """A text that can travel: of ordinary characters, and not too long."""
    text = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main()
