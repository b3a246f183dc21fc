"""Runs checks over a learner's file, in a process of its own: `python -m chatlab.course.runner`.

Reads a job as one line of JSON from standard input and writes news to standard output, each as a
line of JSON. Whatever the learner's code prints goes elsewhere, and comes along with the result.

The learner's code can do what it likes to this process. An exception, `sys.exit`, a loop that never
ends, a call that blocks: each becomes a result that names the line. What cannot be caught here (an
`os._exit`, a crash), the parent sees: `judge.py`.
"""

from __future__ import annotations

import builtins
import linecache
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

import msgspec

from chatlab import exit_codes
from chatlab.course.checks import SEEDS, Check, CheckBench
from chatlab.course.containment import CapturedOutput, divert_output, load_checks, load_work
from chatlab.course.explaining import BlockingCall, Explanation, explain, unusable, words
from chatlab.course.simulation import run
from chatlab.course.verdicts import (
    CheckBegun,
    CheckDone,
    CheckJob,
    FileUnusable,
    JudgeJob,
    JudgeNews,
    Result,
)

STORY_STEPS = 12
TEXT_MAX = 1_000
"""Characters of each text of a result: a learner's exception may say anything, at any length."""
WATCH_EVERY_S = 0.05
LOOK_CPU_MAX_S = 0.002
"""More processor time than this between two looks, and something computes: on a machine that is
busy, too, for Python itself lets a thread run for 5 ms before another may look."""

_ENDLESS = "it was still computing: a loop that never ends, or that never awaits"
_BLOCKED = "it was still waiting in one call that blocks, and stops the whole server meanwhile"


def main() -> None:
    """Do the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=JudgeJob)
    # A Ctrl-C is for the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True  # the learner's folder may be read-only, and stays clean
    leave = os._exit
    CheckRunner(job, *divert_output()).run()
    leave(0)  # at once: a thread of the learner's code may never end


class CheckRunner:
    """One job under way.

    Args:
        job: what to do.
        channel: takes the news.
        printed: what is printed meanwhile.
    """

    def __init__(self, job: JudgeJob, channel: BinaryIO, printed: CapturedOutput) -> None:
        self._job = job
        self._work = Path(job.work)
        self._channel = channel
        self._printed = printed
        self._failed = set(job.failed)
        self._trial: _Trial | None = None
        self._blocking: BlockingCall | None = None
        self._ending = threading.Lock()  # a trial ends once: by itself, or by the watch
        self._exit = os._exit

    def run(self) -> None:
        """Run every check of the job."""
        checks, why_not = _checks_of(self._job)
        self._watch()
        self._forbid()
        if (broken := self._broken()) is not None:
            self._tell(broken)
            return
        for wanted in self._job.checks:
            check = checks.get(wanted.name, _NO_CHECK)
            self._trial = trial = _Trial(check, wanted)
            self._tell(CheckBegun(wanted.name))
            self._printed.so_far()
            missing = [name for name in wanted.needs if name in self._failed]
            if missing:
                skipped = f"not tried: first, {' and '.join(missing)} must pass"
                result = self._result(trial, Explanation("skipped", "", skipped, 0))
            elif check is _NO_CHECK:
                unknown = why_not or f"{self._job.checks_in} has no check of that name"
                result = self._result(trial, Explanation("unsure", "", unknown, 0))
            else:
                result = self._try(trial)
            if result.verdict in ("failed", "skipped"):
                self._failed.add(wanted.name)
            with self._ending:
                self._trial = None
                self._tell(CheckDone(result))

    def _broken(self) -> FileUnusable | None:
        """Why no check can be run over this file; None if they can."""
        try:
            module = load_work(self._work)
        except BaseException as error:
            why, line = unusable(error, self._work)
            return FileUnusable(_bounded(why), line, self._code(line))
        name = self._job.class_name
        if name and not isinstance(getattr(module, name, None), type):
            return FileUnusable(
                f"it has no class {name}: the server looks for it under that name", 0, ""
            )
        return None

    def _try(self, trial: _Trial) -> Result:
        """Run a check with each of its seeds, until one fails."""
        wanted, check = trial.wanted, trial.check
        lowest: CheckBench | None = None
        for seed in wanted.seeds or range(SEEDS[check.kind]):
            trial.begin(seed)
            self._blocking = None
            self._tell(CheckBegun(wanted.name))  # a sign of life
            random.seed(seed)  # that the learner's code may draw from
            try:
                work = load_work(self._work)
                lab = CheckBench(
                    work, self._job.class_name, seed, full=wanted.full, zero=wanted.zero
                )
                trial.lab = lab
                run(check.run(lab), self._job.limits.turns, self._job.limits.time_s)
                if self._blocking is not None:
                    raise self._blocking
            except BaseException as error:
                # Where the learner's code has swallowed a blocking call, all else follows from it.
                told = explain(self._blocking or error, self._work, trial.lab)
                return self._result(trial, told)
            if lab.spent is not None and (lowest is None or lab.share < lowest.share):
                lowest = lab
            if not lab.seed_matters:
                break
        if lowest is None or lowest.spent is None:
            return self._result(trial, Explanation("passed", "", "", 0), share=1.0)
        trial.lab = lowest
        told = Explanation("partial", lowest.spent.expected, lowest.spent.actual, 0)
        return self._result(trial, told, share=lowest.share)

    def _result(self, trial: _Trial, told: Explanation, share: float = 0.0) -> Result:
        check, failed = trial.check, told.verdict == "failed"
        return Result(
            asked=check.asked,
            expected=_bounded(told.expected),
            actual=_bounded(told.actual),
            story=self._story(trial.lab) if told.verdict in ("failed", "partial") else [],
            why=check.why,
            replay=self._replay(trial) if failed else "",
            check=trial.wanted.name,
            kind=check.kind,
            verdict=told.verdict,
            points=trial.wanted.points * share,
            of=trial.wanted.points,
            seed=trial.seed if failed else None,
            line=told.line,
            code=self._code(told.line),
            printed=self._printed.so_far(),
        )

    def _replay(self, trial: _Trial) -> str:
        return f"chatlab replay {self._job.exercise} {trial.wanted.name} --seed {trial.seed}"

    def _story(self, lab: CheckBench | None) -> list[str]:
        steps = [_bounded(str(step)) for step in lab.story.steps] if lab is not None else []
        if self._job.whole_story or len(steps) <= STORY_STEPS:
            return steps
        left_out = len(steps) - STORY_STEPS
        before = "1 step" if left_out == 1 else f"{left_out:,} steps"
        return [f"({before} before these; the replay has them)", *steps[-STORY_STEPS:]]

    def _code(self, line: int) -> str:
        return _bounded(linecache.getline(str(self._work), line).strip()) if line else ""

    def _forbid(self) -> None:
        """In this process, only the learner's code sleeps, asks for input or wants to be gone."""
        true_sleep = time.sleep

        def sleep(seconds: float) -> None:
            if threading.current_thread() is not threading.main_thread():
                true_sleep(seconds)  # `asyncio.to_thread(time.sleep, ...)` stops nobody
                return
            self._block(f"time.sleep({seconds!r})", "write `await asyncio.sleep(...)`")

        def no_input(*_: object) -> NoReturn:
            self._block("input()", "a server has nobody at its keyboard")

        me = os.getpid()

        def leave(status: int) -> NoReturn:
            if os.getpid() == me:  # and no child of the learner's
                what = f"os._exit({status!r}) was called: in a server, that ends it for everyone"
                self._end(self._trial, sys._getframe(1), "no call of os._exit", what)
            self._exit(status)

        os._exit = leave
        time.sleep = sleep  # type: ignore[assignment]
        builtins.input = no_input

    def _block(self, call: str, advice: str) -> NoReturn:
        what = f"{call} was called, and nobody else is served meanwhile: {advice}"
        self._blocking = BlockingCall(what, self._line(sys._getframe(1)))
        raise self._blocking

    def _watch(self) -> None:
        """Have a second thread see to it that nothing computes, or waits, for ever."""
        main_thread = threading.main_thread().ident or 0
        limits, wait = self._job.limits, threading.Event().wait

        def watch() -> None:
            in_run, in_call = _Spell(), _Spell()
            while True:
                wait(WATCH_EVERY_S)
                self._printed.bound()
                trial, frame = self._trial, sys._current_frames().get(main_thread)
                run = (trial, trial.runs if trial else 0)
                in_run.look(run)
                in_call.look((run, id(frame), frame.f_lasti if frame else 0))
                # Looks, and not seconds: while the machine sleeps, nobody looks.
                blocked_s = in_call.looks * WATCH_EVERY_S
                idle = in_call.cpu_s < in_call.looks * LOOK_CPU_MAX_S
                if in_run.cpu_s > limits.cpu_s:
                    actual = f"after {limits.cpu_s:g} s of processor time {_ENDLESS}"
                    self._end(trial, frame, "an end", actual)
                elif blocked_s > limits.blocked_s and idle and self._line(frame):
                    actual = f"after {limits.blocked_s:g} s {_BLOCKED}"
                    self._end(trial, frame, "an end", actual)
                del frame  # else it would keep everything in it alive

        threading.Thread(target=watch, daemon=True).start()

    def _end(
        self, trial: _Trial | None, frame: FrameType | None, expected: str, actual: str
    ) -> None:
        """End the process, in the place of a trial that never would, or of a file's loading."""
        line = self._line(frame)
        with self._ending:
            if self._trial is not trial:
                return  # it has just ended by itself
            if trial is None:
                self._tell(FileUnusable(actual, line, self._code(line)))
            else:
                trial.lab = None  # it is in use
                told = Explanation("failed" if line else "unsure", expected, actual, line)
                self._tell(CheckDone(self._result(trial, told)))
            self._exit(exit_codes.SOFTWARE)

    def _line(self, frame: FrameType | None) -> int:
        """The innermost of the learner's lines that is under way; 0 if none is."""
        while frame is not None:
            if frame.f_code.co_filename == str(self._work):
                return frame.f_lineno
            frame = frame.f_back
        return 0

    def _tell(self, news: JudgeNews) -> None:
        self._channel.write(msgspec.json.encode(news) + b"\n")
        self._channel.flush()


class _Trial:
    """A check that is being tried, with the seed and the lab of the run under way."""

    def __init__(self, check: Check, wanted: CheckJob) -> None:
        self.check = check
        self.wanted = wanted
        self.seed = 0
        self.runs = 0
        self.lab: CheckBench | None = None

    def begin(self, seed: int) -> None:
        """Begin the run of a seed."""
        self.seed, self.lab = seed, None
        self.runs += 1


class _Spell:
    """For how long the same thing has been going on.

    Attributes:
        looks: how often it was seen.
        cpu_s: processor time of the whole process meanwhile.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.cpu_s = 0.0
        self._what: object = None
        self._began_cpu_s = 0.0

    def look(self, what: object) -> None:
        """See that this is going on."""
        cpu_s = time.process_time()
        if what != self._what:
            self._what, self._began_cpu_s, self.looks = what, cpu_s, 0
        self.looks += 1
        self.cpu_s = cpu_s - self._began_cpu_s


async def _nothing(_: CheckBench) -> None:
    """What is asked by a check that does not exist."""


_NO_CHECK = Check("", "examples", "", "", _nothing)


def _checks_of(job: JudgeJob) -> tuple[dict[str, Check], str]:
    """The checks of a job; if there are none, why: that is nobody's fault who is judged by them."""
    try:
        return load_checks(job.checks_in), ""
    except Exception as error:
        return {}, f"the checks in {job.checks_in} cannot be loaded: {words(error)}"


def _bounded(text: str) -> str:
    """A text that can travel: of ordinary characters, and not too long."""
    text = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main()
