"""What a check is, what it works with, and how it says that something is not as it should be.

A check is a coroutine over a `CheckBench`. It runs on a virtual clock, once a seed, and ends:

- by returning: what was asked for is so;
- by `bench.expect(...)`, `bench.equal(...)` or `bench.spend(...)`, when it is not so;
- by an exception out of the learner's code: that is told as one, with its line;
- by an exception that has nothing to do with the learner's code: then nobody can tell.

    @check("counts", asked="Many who ask at once cost one read.", why="...")
    async def single_flight(bench: CheckBench) -> None: ...

`asked` and `why` are sentences for the learner. Which checks an exercise has, and what each is
worth, stands in its `exercise.toml`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from chatlab.course.simulation import Story, now, places_of
from chatlab.disk.counted import Condition, FileIO
from chatlab.disk.memory import OPERATION_S, SimulatedFiles

R = TypeVar("R")

CheckKind = Literal["examples", "counts", "interleavings", "crash states", "faults"]

SEEDS: dict[CheckKind, int] = {
    "examples": 1,
    "counts": 1,
    "interleavings": 20,
    "crash states": 2,
    "faults": 3,
}
"""How many seeds a learner's check runs with; the more depends on chance, the more."""


class Mismatch(Exception):
    """Something is not as it was asked for.

    Args:
        expected, actual: sentences, or figures with their unit.
        line: of the learner's file, if one is known to be the place; 0 if none is.
    """

    def __init__(self, expected: str, actual: str, line: int = 0) -> None:
        super().__init__(f"expected {expected}; found {actual}")
        self.expected = expected
        self.actual = actual
        self.line = line


class CannotTell(Exception):
    """The check could not find out; that is nobody's fault, and costs nobody a point."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question to a learner's code.

    Attributes:
        name: inside its module, which is named after its exercise.
        kind: by which means it decides.
        asked: what is asked for, in one sentence.
        why: why that matters to someone who runs a server.
        run: asks; see the head of this file.
    """

    name: str
    kind: CheckKind
    asked: str
    why: str
    run: Callable[[CheckBench], Coroutine[Any, Any, None]]


def check(
    kind: CheckKind, *, asked: str, why: str
) -> Callable[[Callable[[CheckBench], Coroutine[Any, Any, None]]], Check]:
    """Make a check of a coroutine function, under that function's name."""

    def made(run: Callable[[CheckBench], Coroutine[Any, Any, None]]) -> Check:
        return Check(run.__name__, kind, asked, why, run)

    return made


class CheckBench:
    """What one run of a check works with.

    Args:
        work: the learner's module.
        class_name: the class in it that the exercise is about; empty if it is about none.
        seed: draws all that chance decides.
        full, zero: the budget of a check that counts, from `exercise.toml`.

    Attributes:
        chance: seeded by `seed`; a check that needs more than one stream makes its own from it.
        story: what has happened so far; the learner sees its end when something is missing.
        share: of the points, between 0 and 1; only `spend` lowers it.
    """

    def __init__(
        self,
        work: ModuleType,
        class_name: str,
        seed: int,
        *,
        full: float | None = None,
        zero: float | None = None,
    ) -> None:
        self.work = work
        self.chance = random.Random(seed)
        self.story = Story(now, Path(str(work.__file__)))
        self.share = 1.0
        self.spent: Mismatch | None = None
        self._seed = seed
        self._seed_asked = False
        self._undrawn = self.chance.getstate(), random.getstate()
        self._class_name = class_name
        self._full = full
        self._zero = zero

    @property
    def seed(self) -> int:
        """The seed itself, for a check that draws by other means than `chance`."""
        self._seed_asked = True
        return self._seed

    @property
    def seed_matters(self) -> bool:
        """Whether anything was left to chance so far, by the check or by the learner's own code;
        otherwise every seed gives the same run."""
        return self._seed_asked or (self.chance.getstate(), random.getstate()) != self._undrawn

    @property
    def part(self) -> Any:
        """The learner's class."""
        return getattr(self.work, self._class_name)

    def files(
        self,
        contents: Mapping[str, bytes] | None = None,
        *,
        operation_s: float = OPERATION_S,
        conditions: Sequence[Condition] = (),
        steady: bool = False,
    ) -> SimulatedFiles:
        """A data folder in memory.

        Args:
            contents: name to bytes, at the beginning.
            operation_s: how long an operation takes, in virtual seconds: the mean.
            conditions: faults, recorders.
            steady: every operation takes just as long; otherwise the seed decides.
        """
        return SimulatedFiles(
            contents,
            chance=None if steady else random.Random(self.chance.random()),
            tell=self.story.tell,
            operation_s=operation_s,
            conditions=conditions,
        )

    def expect(self, holds: object, *, expected: str, actual: str, line: int = 0) -> None:
        """Go on if it holds.

        Raises:
            Mismatch: it does not.
        """
        if not holds:
            raise Mismatch(expected, actual, line)

    def equal(self, found: Any, wanted: Any, what: str) -> None:
        """Go on if both are the same; `what` names the thing, e.g. "the cached value"."""
        if found != wanted:
            raise Mismatch(f"{what}: {_short(wanted)}", f"{_short(found)}", 0)

    def spend(self, found: float, what: str) -> None:
        """Hold a count against the budget of this check.

        All points at or below `full`, none at or above `zero`, linear between.

        Args:
            found: e.g. 12.
            what: its unit, e.g. "reads of chatrooms.json".

        Raises:
            Mismatch: there are no points left.
        """
        if self._full is None or self._zero is None:
            raise ValueError("exercise.toml gives this check no budget: it needs full and zero")
        if found <= self._full:
            return
        miss = Mismatch(f"at most {_figure(self._full)} {what}", f"{_figure(found)} {what}")
        if found >= self._zero:
            raise miss
        share = (self._zero - found) / (self._zero - self._full)
        if share < self.share:
            self.share, self.spent = share, miss

    async def within(self, seconds: float, work: Awaitable[R], what: str) -> R:
        """Wait for `work`, but no longer than so many virtual seconds.

        Raises:
            Mismatch: it took longer; `what` says what should have ended, e.g. "a read". Or it is
                nothing to wait for: the learner's method is no coroutine function.
        """
        if not isawaitable(work):
            returned = f"it returned an object of type {type(work).__name__} at once"
            raise Mismatch(f"{what} to be waited for: `async def`", returned)
        task = asyncio.ensure_future(work)
        began_s = now()
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        waits = [place.line for place in places_of(task) if place.file == self.work.__file__]
        task.cancel()
        raise Mismatch(
            f"{what} to end within {seconds * 1000:,.0f} ms",
            f"it had not ended after {(now() - began_s) * 1000:,.0f} ms",
            waits[0] if waits else 0,
        )

    @asynccontextmanager
    async def fails_with(self, kind: type[BaseException], what: str) -> AsyncIterator[None]:
        """What stands inside must raise `kind`.

        Raises:
            Mismatch: nothing was raised.
        """
        try:
            yield
        except kind:
            return
        raise Mismatch(f"{what} to raise {kind.__name__}", "nothing was raised")

    async def together(self, *work: Coroutine[Any, Any, R], apart_s: float = 0.0) -> list[R]:
        """Start all of them, each at a moment of its own, and wait for all.

        Each is told in the story as one person: alice, bob and so on.

        Args:
            apart_s: virtual seconds; the last starts at most so long after the first.
        """
        names = [PEOPLE[number % len(PEOPLE)] for number in range(len(work))]
        delays = [self.chance.random() * apart_s for _ in work]

        async def one(name: str, delay_s: float, part: Coroutine[Any, Any, R]) -> R:
            if delay_s:
                await asyncio.sleep(delay_s)
            with self.story.on_behalf_of(name):
                return await part

        tasks = [asyncio.create_task(one(*each)) for each in zip(names, delays, work, strict=True)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()


PEOPLE = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")


def io_of(files: SimulatedFiles, name: str) -> FileIO:
    """What a file has cost so far."""
    return files.statistics().get(name, FileIO())


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,g}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
