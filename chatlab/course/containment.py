"""Runs a learner's code inside a child process so that the process stays in control.

Owns how the code is loaded, where its output goes, what becomes of calls that would block or end
the process, and the watchdog over code that never ends. Only ever used in a child process; read
`runner.py` for what happens then.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import io
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, BinaryIO, NoReturn

from chatlab.child_process import take_stdout
from chatlab.course.checks import Check
from chatlab.course.simulation import line_in
from chatlab.course.verdicts import RunLimits

MODULE = "chatlab_learners_work"
SHOWN_MAX = 2_000
FILE_MAX = 50_000_000
"""Bytes; a loop that prints for ever must not fill the disk."""
WATCH_EVERY_S = 0.05
IDLE_CPU_S = 0.002
"""With more processor time than this between two looks, something computes. This holds on a busy
machine too, for Python lets a thread run for 5 ms before another may look."""

_ENDLESS = "it was still computing: a loop that never ends, or that never awaits"
_BLOCKED = "it was still waiting in one call that blocks, and stops the whole server meanwhile"


def load_work(path: Path) -> ModuleType:
    """The learner's file, freshly run. Raises whatever it raises."""
    module = _module(MODULE, path)
    sys.modules[MODULE] = module  # dataclasses look their module up there
    exec(_compiled(path), vars(module))
    return module


@functools.cache
def _compiled(path: Path) -> CodeType:
    """Compiled once: with hundreds of seeds, that would take longer than the checks."""
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def load_checks(where: str) -> dict[str, Check]:
    """The checks of an exercise, by name.

    Args:
        where: a module's name, or the path of a file.
    """
    if where.endswith(".py"):
        module = _module("chatlab_own_checks", Path(where))
        exec(_compiled(Path(where)), vars(module))
    else:
        module = importlib.import_module(where)
    return {one.name: one for one in vars(module).values() if isinstance(one, Check)}


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


class CapturedOutput:
    """The file that standard output and standard error of this process go to.

    It lies in the working folder, which the parent made for this process and will remove.

    Attributes:
        channel: what was standard output: takes messages for the parent.
    """

    def __init__(self) -> None:
        writing = os.open("printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(writing, 2)
        self.channel: BinaryIO = take_stdout(instead=writing)
        self._file = io.FileIO("printed.txt")
        self._streams = (sys.stdout, sys.stderr)  # the learner's code may replace them

    def limit(self) -> None:
        """Cut it off if it has become too long."""
        if os.fstat(1).st_size > FILE_MAX:
            os.ftruncate(1, 0)

    def so_far(self) -> str:
        """The end of what was printed since the last call."""
        for stream in self._streams:
            with suppress(ValueError, OSError):  # closed by the learner's code
                stream.flush()
        begin, end = self._file.tell(), os.fstat(self._file.fileno()).st_size
        if begin > end:  # it was cut off meanwhile
            begin = 0
        self._file.seek(max(begin, end - SHOWN_MAX))
        return self._file.read(end - self._file.tell()).decode("utf-8", "replace")


def forbid_calls(
    blocked: Callable[[str, FrameType], NoReturn], ended: Callable[[str, FrameType], object]
) -> None:
    """In this process, replace `time.sleep`, `input` and `os._exit`: only learners call them.

    Args:
        blocked: is called, with a sentence and the caller, for a call that would block the server.
        ended: the same for one that would end the process, which it then does.
    """
    true_sleep, true_exit, this_process = time.sleep, os._exit, os.getpid()

    def sleep(seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            true_sleep(seconds)  # `asyncio.to_thread(time.sleep, ...)` blocks nobody
            return
        advice = "nobody else is served meanwhile: write `await asyncio.sleep(...)`"
        blocked(f"time.sleep({seconds!r}) was called, and {advice}", sys._getframe(1))

    def no_input(*_: object) -> NoReturn:
        why = "nobody else is served meanwhile: a server has nobody at its keyboard"
        blocked(f"input() was called, and {why}", sys._getframe(1))

    def leave(status: int) -> NoReturn:
        if os.getpid() == this_process:  # and not a child of the learner's
            what = f"os._exit({status!r}) was called: in a server, that ends it for everyone"
            ended(what, sys._getframe(1))
        true_exit(status)

    os._exit = leave
    time.sleep = sleep  # type: ignore[assignment]
    builtins.input = no_input


def watch(
    work: Path,
    limits: RunLimits,
    output: CapturedOutput,
    running: Callable[[], object],
    over: Callable[[Any, FrameType | None, str], object],
) -> None:
    """Start a thread that reports what computes, or blocks, for ever in the main thread.

    Args:
        work: the learner's file.
        limits: of each run.
        output: is kept from filling the disk.
        running: says what runs now; a run begins when this changes.
        over: is called with what ran, where it was, and a sentence.
    """
    main_thread = threading.main_thread().ident or 0
    wait = threading.Event().wait  # `time.sleep` is forbidden

    def look_again_and_again() -> None:
        in_run, in_call = _Spell(), _Spell()
        while True:
            wait(WATCH_EVERY_S)
            output.limit()
            run, frame = running(), sys._current_frames().get(main_thread)
            in_run.look(run)
            in_call.look((run, id(frame), frame.f_lasti if frame else 0))
            # Looks, and not seconds: while the machine sleeps, nobody looks.
            blocked_s = in_call.looks * WATCH_EVERY_S
            idle = in_call.cpu_s < in_call.looks * IDLE_CPU_S
            if in_run.cpu_s > limits.cpu_s:
                over(run, frame, f"after {limits.cpu_s:g} s of processor time {_ENDLESS}")
            elif blocked_s > limits.blocked_s and idle and line_in(frame, str(work)):
                over(run, frame, f"after {limits.blocked_s:g} s {_BLOCKED}")
            del frame  # else it would keep everything in it alive

    threading.Thread(target=look_again_and_again, daemon=True).start()


class _Spell:
    """How long the same thing has been going on.

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
