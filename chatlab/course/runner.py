"""Runs checks over a learner's file, in a process of its own: `python -m chatlab.course.runner`.

Reads a job as one line of JSON from standard input and writes news to standard output, each as a
line of JSON. Whatever the learner's code prints goes elsewhere, and comes along with the result.

The learner's code can do what it likes to this process. An exception, `sys.exit`, a loop that never
ends, a call that blocks: each becomes a result that names the line. What cannot be caught here (an
`os._exit`, a crash), the parent sees: `checking.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType, ModuleType
from typing import BinaryIO, NoReturn

import msgspec

from chatlab.course.checks.base import SEEDS, Check, Lab
from chatlab.course.explaining import BlockingCall, Told, explain, unusable
from chatlab.course.simulation.clock import run
from chatlab.course.verdicts import Begun, Broken, CheckJob, Done, Job, News, Result

CPU_MAX_S = 5.0
"""Processor time, not time of day: a busy machine makes nobody fail."""
TURNS_MAX = 300_000
TIME_MAX_S = 100_000.0
STORY_STEPS = 12
PRINTED_MAX = 2_000
WATCH_EVERY_S = 0.05
EXIT_ENDLESS = 3
MODULE = "chatlab_learners_work"


def main() -> None:
    """Do the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    sys.dont_write_bytecode = True  # the learner's folder may be read-only, and stays clean
    Child(job, *_divert_output()).run()


class Child:
    """One job under way.

    Args:
        job: what to do.
        channel: takes the news.
        printed: the file into which everything is printed.
    """

    def __init__(self, job: Job, channel: BinaryIO, printed: BinaryIO) -> None:
        self._job = job
        self._work = Path(job.work)
        self._channel = channel
        self._printed = printed
        self._failed = set(job.failed)
        self._trial: _Trial | None = None
        self._blocking = ""

    def run(self) -> None:
        """Run every check of the job."""
        checks = load_checks(self._job.checks_in)
        self._watch()
        if (broken := self._broken()) is not None:
            self._tell(broken)
            return
        time.sleep = self._no_sleep  # type: ignore[assignment] # of this process, in which only the learner's code sleeps
        for wanted in self._job.checks:
            self._trial = trial = _Trial(checks[wanted.name], wanted)
            self._tell(Begun(wanted.name))
            self._printed_so_far()
            missing = [name for name in wanted.needs if name in self._failed]
            if missing:
                skipped = f"not tried: first, {' and '.join(missing)} must pass"
                result = self._result(trial, Told("skipped", "", skipped, 0))
            else:
                result = self._try(trial)
            if result.verdict in ("failed", "skipped"):
                self._failed.add(wanted.name)
            self._trial = None
            self._tell(Done(result))

    def _broken(self) -> Broken | None:
        """Why no check can be run over this file; None if they can."""
        try:
            module = load_work(self._work)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            why, line = unusable(error, self._work)
            return Broken(why, line, self._code(line))
        name = self._job.class_name
        if name and not isinstance(getattr(module, name, None), type):
            return Broken(f"it has no class {name}: the server looks for it under that name", 0, "")
        return None

    def _try(self, trial: _Trial) -> Result:
        """Run a check with each of its seeds, until one fails."""
        wanted, check = trial.wanted, trial.check
        lowest: Lab | None = None
        for seed in wanted.seeds or range(SEEDS[check.kind]):
            trial.seed, trial.lab, self._blocking = seed, None, ""
            try:
                work = load_work(self._work)
                lab = Lab(work, self._job.class_name, seed, full=wanted.full, zero=wanted.zero)
                trial.lab = lab
                run(check.run(lab), TURNS_MAX, TIME_MAX_S)
                if self._blocking:  # and the learner's code has swallowed the exception
                    raise BlockingCall(self._blocking)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return self._result(trial, explain(error, self._work, trial.lab))
            if lab.spent is not None and (lowest is None or lab.share < lowest.share):
                lowest = lab
            if not lab.seed_matters:
                break
        if lowest is None or lowest.spent is None:
            return self._result(trial, Told("passed", "", "", 0), share=1.0)
        trial.lab = lowest
        told = Told("partial", lowest.spent.expected, lowest.spent.actual, 0)
        return self._result(trial, told, share=lowest.share)

    def _result(self, trial: _Trial, told: Told, share: float = 0.0) -> Result:
        check, failed = trial.check, told.verdict == "failed"
        return Result(
            asked=check.asked,
            expected=told.expected,
            actual=told.actual,
            story=self._story(trial.lab) if told.verdict in ("failed", "partial") else [],
            why=check.why,
            replay=self._replay(trial) if failed else "",
            check=check.name,
            kind=check.kind,
            verdict=told.verdict,
            points=trial.wanted.points * share,
            of=trial.wanted.points,
            seed=trial.seed if failed else None,
            line=told.line,
            code=self._code(told.line),
            printed=self._printed_so_far(),
        )

    def _replay(self, trial: _Trial) -> str:
        return f"chatlab replay {self._job.exercise} {trial.check.name} --seed {trial.seed}"

    def _story(self, lab: Lab | None) -> list[str]:
        steps = [str(step) for step in lab.story.steps] if lab is not None else []
        if self._job.whole_story or len(steps) <= STORY_STEPS:
            return steps
        left_out = len(steps) - STORY_STEPS
        return [f"({left_out:,} steps before these; the replay has them)", *steps[-STORY_STEPS:]]

    def _code(self, line: int) -> str:
        return linecache.getline(str(self._work), line).strip() if line else ""

    def _no_sleep(self, seconds: float) -> NoReturn:
        self._blocking = (
            f"time.sleep({seconds!r}) was called, and nobody else is served meanwhile: "
            "write `await asyncio.sleep(...)`"
        )
        raise BlockingCall(self._blocking)

    def _watch(self) -> None:
        """Have a second thread see to it that nothing computes for ever."""
        main_thread = threading.main_thread().ident or 0
        wait = threading.Event().wait

        def watch() -> None:
            began, began_cpu_s = self._trial, time.process_time()
            while True:
                wait(WATCH_EVERY_S)
                cpu_s = time.process_time()
                if self._trial is not began:
                    began, began_cpu_s = self._trial, cpu_s
                elif cpu_s - began_cpu_s > CPU_MAX_S:
                    self._end_the_endless(began, sys._current_frames().get(main_thread))

        threading.Thread(target=watch, daemon=True).start()

    def _end_the_endless(self, trial: _Trial | None, frame: FrameType | None) -> NoReturn:
        line = 0
        while frame is not None and not line:
            if frame.f_code.co_filename == str(self._work):
                line = frame.f_lineno
            frame = frame.f_back
        actual = (
            f"after {CPU_MAX_S:.0f} s of processor time it was still computing: a loop that never "
            "ends, or that never awaits"
        )
        if trial is None:
            self._tell(Broken(actual, line, self._code(line)))
        else:
            trial.lab = None  # it is in use
            told = Told("failed" if line else "unsure", "an end", actual, line)
            self._tell(Done(self._result(trial, told)))
        os._exit(EXIT_ENDLESS)

    def _printed_so_far(self) -> str:
        """What was printed since the last call, the end of it."""
        sys.stdout.flush()
        sys.stderr.flush()
        begin, end = self._printed.tell(), os.fstat(self._printed.fileno()).st_size
        self._printed.seek(max(begin, end - PRINTED_MAX))
        return self._printed.read(end - self._printed.tell()).decode("utf-8", "replace")

    def _tell(self, news: News) -> None:
        self._channel.write(msgspec.json.encode(news) + b"\n")
        self._channel.flush()


class _Trial:
    """A check that is being tried, with the seed and the lab of the run under way."""

    def __init__(self, check: Check, wanted: CheckJob) -> None:
        self.check = check
        self.wanted = wanted
        self.seed = 0
        self.lab: Lab | None = None


def load_work(path: Path) -> ModuleType:
    """The learner's file, freshly run. Raises whatever it raises."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def load_checks(where: str) -> dict[str, Check]:
    """The checks of an exercise, by name.

    Args:
        where: a module's name, or the path of a file.
    """
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location("chatlab_own_checks", where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    return {one.name: one for one in vars(module).values() if isinstance(one, Check)}


def _divert_output() -> tuple[BinaryIO, BinaryIO]:
    """Keep standard output for news; what is printed from now on goes to a file.

    It lies in the working folder, which the parent has made for this process and will remove.

    Returns the channel for news, and that file, for reading.
    """
    channel = os.fdopen(os.dup(1), "wb")
    writing = os.open("printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    return channel, Path("printed.txt").open("rb")


if __name__ == "__main__":
    main()
