"""What a check is, what it works with, and how it reports what is not as it should be.

A check is a coroutine function over a `CheckBench`. It runs on a virtual clock, once a seed, and
ends in one of four ways:

- it returns: the code does what was asked for;
- `bench.expect(...)`, `bench.equal(...)` or `bench.spend(...)` finds that it does not;
- an exception leaves the learner's code: the feedback names it, and its line;
- an exception has nothing to do with the learner's code: the verdict is `unsure`.

    @check("counts")
    async def single_flight(bench: CheckBench) -> None:
        \"""Many who ask at once cost one read.

        A thousand reads in the same moment are called a cache stampede.
        \"""

The first paragraph of the docstring is what is asked, the rest is why it matters: both are
sentences for the learner. Which checks an exercise has, and what each is worth, stands in its
`exercise.toml`. A check decides by behaviour and by counts, never by real seconds.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from chatlab.course.simulation import Story, now, places_of
from chatlab.disk.counted import Condition
from chatlab.disk.memory import OPERATION_S, SimulatedFiles
from chatlab.errors import StorageError

R = TypeVar("R")

CheckKind = Literal["examples", "counts", "interleavings", "crash states", "faults"]

SEEDS: dict[CheckKind, int] = {
    "examples": 1,
    "counts": 1,
    "interleavings": 20,
    "crash states": 2,
    "faults": 3,
}
"""How many seeds a learner's check runs with: the more depends on chance, the more."""

PEOPLE = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")


class Mismatch(Exception):
    """The code does not do what was asked for.

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
        kind: the means by which it decides.
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
    kind: CheckKind, *, asked: str = "", why: str = ""
) -> Callable[[Callable[[CheckBench], Coroutine[Any, Any, None]]], Check]:
    """Make a check of a coroutine function, under that function's name.

    Args:
        asked, why: in place of the docstring's first paragraph, and of the rest of it.
    """

    def made(run: Callable[[CheckBench], Coroutine[Any, Any, None]]) -> Check:
        first, _, rest = inspect.cleandoc(run.__doc__ or "").partition("\n\n")
        texts = asked or " ".join(first.split()), why or " ".join(rest.split())
        return Check(run.__name__, kind, *texts, run)

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
        spent: what `spend` found when it lowered the share; None if it did not.
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
        """Whether the check, or the learner's code, has left anything to chance so far; otherwise
        every seed gives the same run."""
        return self._seed_asked or (self.chance.getstate(), random.getstate()) != self._undrawn

    @property
    def part(self) -> Any:
        """The learner's class."""
        return getattr(self.work, self._class_name)

    def new_chance(self) -> random.Random:
        """A new stream of random numbers, drawn by the seed."""
        return random.Random(self.chance.random())

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
            operation_s: mean duration of an operation, in virtual seconds.
            conditions: faults, recorders.
            steady: every operation takes just as long; otherwise the seed decides.
        """
        return SimulatedFiles(
            contents,
            chance=None if steady else self.new_chance(),
            tell=self.story.tell,
            operation_s=operation_s,
            conditions=conditions,
        )

    def expect(self, holds: object, expected: str, actual: str, line: int = 0) -> None:
        """Go on if it holds.

        Raises:
            Mismatch: it does not.
        """
        if not holds:
            raise Mismatch(expected, actual, line)

    def expect_none(self, found: Sequence[str], expected: str, actual: str) -> None:
        """Go on if nothing was found.

        Args:
            found: ids that should not be there.
            actual: with `{}` where their `words` belong.
        """
        self.expect(not found, expected, actual.replace("{}", words(found)))

    def equal(self, found: Any, wanted: Any, what: str) -> None:
        """Go on if both are the same; `what` names the thing, e.g. "the cached value"."""
        self.expect(found == wanted, f"{what}: {_short(wanted)}", _short(found))

    def at_most(self, found: float, limit: float, what: str) -> None:
        """Go on if a count is within a limit.

        Args:
            what: its unit, e.g. "reads of chatrooms.json".
        """
        self.expect(found <= limit, *_over(found, limit, what))

    def spend(self, found: float, what: str) -> None:
        """Hold a count against the budget of this check.

        All points at or below `full`, none at or above `zero`, linear between.

        Raises:
            Mismatch: no points are left.
        """
        if self._full is None or self._zero is None:
            raise ValueError("exercise.toml gives this check no budget: it needs full and zero")
        self.expect(found <= self._full or found < self._zero, *_over(found, self._full, what))
        share = (self._zero - found) / (self._zero - self._full) if found > self._full else 1.0
        if share < self.share:
            self.share, self.spent = share, Mismatch(*_over(found, self._full, what))

    def awaitable(self, work: Awaitable[R], what: str) -> Awaitable[R]:
        """The same, if it can be awaited.

        Raises:
            Mismatch: the learner's method is no coroutine function; `what` names it.
        """
        returned = f"it returned an object of type {type(work).__name__} at once"
        self.expect(inspect.isawaitable(work), f"{what} to be awaitable: `async def`", returned)
        return work

    async def within(self, seconds: float, work: Awaitable[R], what: str) -> R:
        """Await `work`, but no longer than some virtual seconds.

        Raises:
            Mismatch: it took longer, or cannot be awaited; `what` names it, e.g. "a read".
        """
        task = asyncio.ensure_future(self.awaitable(work, what))
        began_s = now()
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        waits = [place.line for place in places_of(task) if place.file == self.work.__file__]
        task.cancel()
        raise Mismatch(
            f"{what} to end within {ms(seconds)}",
            f"it had not ended after {ms(now() - began_s)}",
            waits[0] if waits else 0,
        )

    @contextmanager
    def fails_with(self, kind: type[BaseException], what: str) -> Iterator[None]:
        """The code inside must raise `kind`.

        Raises:
            Mismatch: nothing was raised.
        """
        try:
            yield
        except kind:
            return
        raise Mismatch(f"{what} to raise {kind.__name__}", "nothing was raised")

    @contextmanager
    def no_error(self, expected: str, actual: str = "{}") -> Iterator[None]:
        """The code inside must not raise `StorageError`.

        Args:
            actual: with `{}` where the error belongs.

        Raises:
            Mismatch: it did.
        """
        try:
            yield
        except StorageError as error:
            raise Mismatch(expected, actual.replace("{}", str(error))) from error

    async def together(self, *work: Coroutine[Any, Any, R], apart_s: float = 0.0) -> list[R]:
        """Start all of them, each at its own moment, and wait for all.

        In the story, each is the doing of one person: alice, bob and so on.

        Args:
            apart_s: virtual seconds between the first start and the last, at most.
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


def words(ids: Sequence[str]) -> str:
    """Messages, named or counted: `alice's message 3`, `100 messages (m-001 to m-100)`."""
    if len(ids) <= 1:
        return ids[0] if ids else "no messages"
    return f"{len(ids):,} messages ({ids[0]} to {ids[-1]})"


def repeated(ids: Sequence[str]) -> list[str]:
    """The ids that occur more than once, each listed once."""
    return [one for one, times in Counter(ids).items() if times > 1]


def ms(seconds: float) -> str:
    """`0.05` as "50 ms"."""
    return f"{seconds * 1000:,.0f} ms"


def _over(found: float, limit: float, what: str) -> tuple[str, str]:
    return f"at most {limit:,.10g} {what}", f"{found:,.10g} {what}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
