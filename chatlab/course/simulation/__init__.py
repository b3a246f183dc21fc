"""The simulated world that checks run in: a clock that jumps, and the story of what happened.

The same seed gives the same run, step by step, on every machine; none of its seconds is real.

The clock stands still while anything can run, and while a thread works for the loop; then it jumps
to the next timer: an hour of waiting costs nothing, to the microsecond. With no timer left, nothing
can ever happen again, and the loop reports a deadlock instead of hanging. It also reports a
livelock: tasks that yield to each other for ever, or timers that are set again and again.

The story has a step for each thing that happened: who did what, when, and from which line of the
learner's file.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")

TURNS_MAX = 1_000_000
TURNS_AFTER_THE_END = 10_000
"""Turns that cancelled tasks get to tidy up; some code never lets itself be cancelled."""
TIME_MAX_S = 1e9
STEPS_MAX = 2_000

_who: ContextVar[str] = ContextVar("who", default="")


class SourceLine(NamedTuple):
    """A line of a file in which a task waits."""

    file: str
    line: int


class NeverEnds(Exception):
    """The run will never end.

    Attributes:
        places: where the tasks stood, the oldest task first, and of each the innermost call.
    """

    def __init__(self, why: str, places: Sequence[SourceLine] = ()) -> None:
        super().__init__(why)
        self.places = tuple(places)


class Deadlock(NeverEnds):
    """Everyone waits for something that nobody will ever do."""


class Livelock(NeverEnds):
    """Tasks keep running without getting anywhere."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to the next timer when there is nothing else to do.

    Args:
        turns_max: of the loop; one more raises `Livelock`.
        time_max_s: virtual seconds; likewise.

    Attributes:
        jumps: how often a timer has woken the loop so far: code with nothing to do sets none.
    """

    def __init__(self, turns_max: int = TURNS_MAX, time_max_s: float = TIME_MAX_S) -> None:
        self._now = 0.0
        self.jumps = 0
        self._in_threads = 0
        self._turns = 0
        self._turns_max = turns_max
        self._time_max_s = time_max_s
        super().__init__(_JumpingSelector(self))
        # How early a timer may run. The system's clock has 16 ms on Windows, which would give
        # other figures there; ours is exact, but for the last digits of a float.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let virtual time pass at once."""
        self._now += seconds
        self.jumps += 1
        if self._now > self._time_max_s:
            self._give_up(f"after {self._now:,.0f} s on the clock there is no end in sight")

    def turn(self) -> None:
        """Count one turn of the loop."""
        self._turns += 1
        if self._turns > self._turns_max:
            self._give_up(f"after {self._turns_max:,} turns of the event loop, no end is in sight")

    @property
    def works_in_threads(self) -> bool:
        """Whether a thread is at work for the loop, which takes no virtual time."""
        return self._in_threads > 0

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., R], *args: Any
    ) -> asyncio.Future[R]:
        self._in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_is_back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._in_threads += 1  # a thread waits for the others to end
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._in_threads -= 1

    def places(self) -> list[SourceLine]:
        """Where its tasks stand; see `NeverEnds`."""
        tasks = sorted(
            asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), task.get_name())
        )
        return [place for task in tasks for place in places_of(task)]

    def _thread_is_back(self, _: object) -> None:
        self._in_threads -= 1

    def _give_up(self, why: str) -> None:
        self._turns, self._turns_max = 0, TURNS_AFTER_THE_END
        self._time_max_s = float("inf")
        raise Livelock(why, self.places())


class _JumpingSelector(selectors.DefaultSelector):
    """Asked to wait, it makes the clock jump by that much."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.turn()
        if self._loop.works_in_threads:
            # A timer that is due still runs; otherwise wait for the thread to return.
            return super().select(0 if timeout == 0 else None)
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlock("everyone waits, and no timer is set", self._loop.places())
        if not ready and timeout is not None and timeout > 0:
            self._loop.jump(timeout)
        return ready


def run(
    main: Coroutine[Any, Any, R], turns_max: int = TURNS_MAX, time_max_s: float = TIME_MAX_S
) -> R:
    """Run a coroutine from time 0 on a virtual clock.

    Raises:
        Deadlock: nothing can ever happen again.
        Livelock: it went past `turns_max` turns of the loop, or `time_max_s` virtual seconds.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(turns_max, time_max_s)) as runner:
        return runner.run(main)


def places_of(task: asyncio.Future[Any]) -> list[SourceLine]:
    """Where a waiting task stands, the innermost call first."""
    places: list[SourceLine] = []
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        places.append(SourceLine(frame.f_code.co_filename, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None)
    return places[::-1]


def virtual_loop() -> VirtualClockLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    return loop


def now() -> float:
    """Seconds on the clock of the running loop: in a simulation, a `Clock` for the parts."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


def line_in(frame: FrameType | None, file: str) -> int:
    """The innermost line of a file that is running in a frame; 0 if none is."""
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    return frame.f_lineno if frame is not None else 0


class StoryStep(NamedTuple):
    """One thing that happened.

    Attributes:
        at_s: virtual seconds.
        who: on whose behalf; empty if on nobody's.
        what: a few words, e.g. "reads chatrooms.json".
        line: of the learner's file, from which it was done; 0 if from none.
    """

    at_s: float
    who: str
    what: str
    line: int

    def __str__(self) -> str:
        text = f"{self.at_s * 1000:>9,.1f} ms  {f'{self.who}: ' if self.who else ''}{self.what}"
        return f"{text}  (line {self.line})" if self.line else text


class Story:
    """The steps so far; of a long story, the last `STEPS_MAX`.

    Args:
        clock: virtual seconds.
        work: the learner's file.
    """

    def __init__(self, clock: Callable[[], float], work: Path) -> None:
        self.steps: deque[StoryStep] = deque(maxlen=STEPS_MAX)
        self._clock = clock
        self._work = str(work)

    def tell(self, what: str) -> None:
        """Add a step, done now by whoever is acting."""
        self.steps.append(StoryStep(self._clock(), _who.get(), what, self.line()))

    def line(self) -> int:
        """The learner's line that is running right now; 0 if none is."""
        return line_in(sys._getframe(1), self._work)

    @contextmanager
    def on_behalf_of(self, who: str) -> Iterator[None]:
        """Whatever happens inside is this person's doing, also in tasks that are started there."""
        before = _who.set(who)
        try:
            yield
        finally:
            _who.reset(before)
