"""An exception out of a check, told as feedback: whose doing it was, and which line it came from.

Whatever has nothing to do with the learner's code is nobody's fault: the verdict is `unsure`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import traceback
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from chatlab.course.checks import CannotTell, CheckBench, Mismatch
from chatlab.course.simulation import Deadlock, Livelock, NeverEnds
from chatlab.course.verdicts import Verdict

_OF_A_CALL = re.compile(r"^([A-Za-z_][\w.]*)\(\) ")
_OF_AN_OBJECT = re.compile(
    r"^(?:'(\w+)' object|type object '(\w+)'|module '(\w+)') has no attribute"
)


# A class that is not finished, a method that is no `async def`, and an attribute in its place.
_OF_THE_CLASS = re.compile(
    r"abstract class|used in 'await' expression|can't be awaited|a coroutine was expected"
    r"|an awaitable is required|object is not callable"
)


class BlockingCall(Exception):
    """Something that stops the whole server was called.

    Attributes:
        line: of the learner's file, from which it was; 0 if from none.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class Explanation(NamedTuple):
    """What is to be said of an exception."""

    verdict: Verdict
    expected: str
    actual: str
    line: int


class Unusable(NamedTuple):
    """Why a learner's file cannot be run at all, and the line; 0 if none is known."""

    why: str
    line: int


def explain(error: BaseException, work: Path, lab: CheckBench | None) -> Explanation:
    """What an exception means that ended a check."""
    line = line_of(error, work)
    if isinstance(error, CannotTell):
        return Explanation("unsure", "", str(error), 0)
    if isinstance(error, BlockingCall):
        expected = "no call that stops the whole server while it waits"
        return Explanation("failed", expected, str(error), error.line)
    if isinstance(error, Mismatch):
        return Explanation("failed", error.expected, error.actual, error.line or _last_line(lab))
    if isinstance(error, Deadlock):
        deadlock = "everyone waits for something that will never happen: a deadlock"
        return Explanation("failed", "an end", deadlock, _waits_in(error, work) or _last_line(lab))
    if isinstance(error, Livelock):
        return Explanation(
            "failed", "an end", str(error), _waits_in(error, work) or _last_line(lab)
        )
    if isinstance(error, SystemExit):
        ended = f"sys.exit({error.code!r}) was called: in a server, that ends it for everyone"
        return Explanation("failed", "no call of sys.exit", ended, line)
    if line:
        return Explanation("failed", "no exception to leave your code", words(error), line)
    if lab is not None and (place := _called_wrongly(error, lab.work)) is not None:
        return Explanation(
            "failed", "methods as the base class has them: name, arguments, async", *place
        )
    return Explanation("unsure", "", f"the check itself failed: {words(error)}", 0)


def unusable(error: BaseException, work: Path) -> Unusable:
    """Why a file could not be loaded."""
    if isinstance(error, SyntaxError) and error.filename == str(work):
        return Unusable(f"{type(error).__name__}: {error.msg}", error.lineno or 0)
    if isinstance(error, SystemExit):
        return Unusable(
            f"it calls sys.exit({error.code!r}) when it is loaded", line_of(error, work)
        )
    return Unusable(f"it fails when it is loaded: {words(error)}", line_of(error, work))


def line_of(error: BaseException, work: Path) -> int:
    """The innermost of the learner's lines that an exception came through; 0 if none."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename == str(work)]
    return lines[-1] if lines else 0


def words(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, asyncio.CancelledError):
        return "it was cancelled, or cancelled the task that called it"
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__} of {words(error.exceptions[0])}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _waits_in(error: NeverEnds, work: Path) -> int:
    """The learner's line in which a task waits, or goes round; 0 if none does."""
    return next((place.line for place in error.places if place.file == str(work)), 0)


def _last_line(lab: CheckBench | None) -> int:
    """The learner's line of the latest step that began in one."""
    steps = lab.story.steps if lab is not None else ()
    return next((step.line for step in reversed(steps) if step.line), 0)


def _called_wrongly(error: BaseException, work: ModuleType) -> tuple[str, int] | None:
    """Whether a call failed because the learner's class takes other arguments, or lacks one.

    Python raises that at the call, not in the learner's code; only its words name the function.
    """
    text = str(error)
    if isinstance(error, TypeError) and (found := _OF_A_CALL.match(text)):
        target: object = work
        for name in found[1].split("."):
            target = getattr(target, name, None)
        if callable(target):  # a decorator, such as @asynccontextmanager, stands before it
            target = inspect.unwrap(target)
        code = getattr(target, "__code__", None)
        if code is not None and code.co_filename == work.__file__:
            return words(error), code.co_firstlineno
        if isinstance(target, type) and target.__module__ == work.__name__:
            return words(error), 0
    if isinstance(error, TypeError) and _OF_THE_CLASS.search(text):
        return words(error), 0
    if isinstance(error, AttributeError) and (found := _OF_AN_OBJECT.match(text)):
        name = next(filter(None, found.groups()))
        if name == work.__name__ or getattr(work, name, None) is not None:
            return words(error), 0
    return None
