"""Explains an exception that ended a check: whose fault it is, and which line it came from.

One that has nothing to do with the learner's code costs no points: the verdict is `unsure`.
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
from chatlab.course.simulation import Deadlock, NeverEnds
from chatlab.course.verdicts import Verdict

_OF_A_CALL = re.compile(r"^([A-Za-z_][\w.]*)\(\) ")
_OF_AN_OBJECT = re.compile(
    r"^(?:'(\w+)' object|type object '(\w+)'|module '(\w+)') has no attribute"
)
# An unfinished class, a method without `async`, an attribute in the place of a method.
_OF_THE_CLASS = re.compile(
    r"abstract class|used in 'await' expression|can't be awaited|a coroutine was expected"
    r"|an awaitable is required|object is not callable"
)


class BlockingCall(Exception):
    """The learner's code called something that stops the whole server.

    Attributes:
        line: of the learner's file, where the call stands; 0 if in none.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class CheckOutcome(NamedTuple):
    """What to tell the learner about an exception."""

    verdict: Verdict
    expected: str
    actual: str
    line: int


def explain(error: BaseException, work: Path, bench: CheckBench | None) -> CheckOutcome:
    """What the exception that ended a check means."""
    line = line_of(error, work)
    if isinstance(error, CannotTell):
        return CheckOutcome("unsure", "", str(error), 0)
    if isinstance(error, BlockingCall):
        expected = "no call that stops the whole server while it waits"
        return CheckOutcome("failed", expected, str(error), error.line)
    if isinstance(error, Mismatch):
        return CheckOutcome("failed", error.expected, error.actual, error.line or _last_line(bench))
    if isinstance(error, NeverEnds):
        deadlock = "everyone waits for something that will never happen: a deadlock"
        actual = deadlock if isinstance(error, Deadlock) else str(error)
        return CheckOutcome("failed", "an end", actual, _waits_in(error, work) or _last_line(bench))
    if isinstance(error, SystemExit):
        ended = f"sys.exit({error.code!r}) was called: in a server, that ends it for everyone"
        return CheckOutcome("failed", "no call of sys.exit", ended, line)
    if line:
        return CheckOutcome("failed", "no exception from your code", words(error), line)
    if bench is not None and (place := _called_wrongly(error, bench.work)) is not None:
        return CheckOutcome(
            "failed", "methods like those of the base class: name, arguments, async", *place
        )
    return CheckOutcome("unsure", "", f"the check itself failed: {words(error)}", 0)


def unusable(error: BaseException, work: Path) -> tuple[str, int]:
    """Why a file could not be loaded, and the line; 0 if none is known."""
    if isinstance(error, SyntaxError) and error.filename == str(work):
        return f"{type(error).__name__}: {error.msg}", error.lineno or 0
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r}) when it is loaded", line_of(error, work)
    moved = isinstance(error, ModuleNotFoundError) and str(error.name).startswith("chatlab.")
    hint = " (chatlab's modules have moved: take the imports of a fresh starter)" if moved else ""
    return f"it fails when it is loaded: {words(error)}{hint}", line_of(error, work)


def line_of(error: BaseException, work: Path) -> int:
    """The innermost line of the learner's file that an exception passed; 0 if none."""
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
    """The learner's line in which a task waits, or loops; 0 if none does."""
    return next((place.line for place in error.places if place.file == str(work)), 0)


def _last_line(bench: CheckBench | None) -> int:
    """The learner's line that began the latest step; 0 if none did."""
    steps = bench.story.steps if bench is not None else ()
    return next((step.line for step in reversed(steps) if step.line), 0)


def _called_wrongly(error: BaseException, work: ModuleType) -> tuple[str, int] | None:
    """Whether a call failed because the learner's class lacks a method, or takes other arguments.

    Python raises that at the call, not in the learner's code; only its message names the function.
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
