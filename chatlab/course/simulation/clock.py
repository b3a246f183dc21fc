"""An asyncio event loop whose clock jumps: an hour of waiting costs nothing, to the microsecond.

The clock stands still while anything can run, and while a thread works for the loop; then it jumps
to the next timer. If there is no timer either, nothing can ever happen again, and the loop says so
instead of hanging. It also says so of two things that would look like hanging: tasks that give way
to each other for ever, and timers that are set again and again.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")

TURNS_MAX = 1_000_000
TURNS_AFTER_THE_END = 10_000
"""What is cancelled gets so many to tidy up; some code never lets itself be cancelled."""
TIME_MAX_S = 1e9


class Place(NamedTuple):
    """Where a task stands: in a line of a file."""

    file: str
    line: int


class NoEnd(Exception):
    """It will never end.

    Attributes:
        places: where the tasks stood, the oldest task first, and of each the innermost call.
    """

    def __init__(self, why: str, places: Sequence[Place] = ()) -> None:
        super().__init__(why)
        self.places = tuple(places)


class Stuck(NoEnd):
    """Everyone waits for something that nobody will ever do."""


class Restless(NoEnd):
    """Tasks go on and on, without an end in sight."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to the next timer when there is nothing else to do.

    Args:
        turns_max: of the loop; one more raises `Restless`.
        time_max_s: virtual seconds; likewise.
    """

    def __init__(self, turns_max: int = TURNS_MAX, time_max_s: float = TIME_MAX_S) -> None:
        self._now = 0.0
        self._in_threads = 0
        self._turns = 0
        self._jumps = 0
        self._turns_max = turns_max
        self._time_max_s = time_max_s
        super().__init__(_JumpingSelector(self))
        # Timers may run so much too early. The system's clock has 16 ms on Windows, which would
        # give other figures there; ours is exact, but for the last digits of a float.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self._now += seconds
        self._jumps += 1
        if self._now > self._time_max_s:
            self._give_up(f"after {self._now:,.0f} s on the clock there is no end in sight")

    @property
    def jumps(self) -> int:
        """How often a timer has woken the loop so far: who has nothing to do sets none."""
        return self._jumps

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

    def places(self) -> list[Place]:
        """Where its tasks stand; see `NoEnd`."""
        tasks = sorted(
            asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), task.get_name())
        )
        return [place for task in tasks for place in places_of(task)]

    def _thread_is_back(self, _: object) -> None:
        self._in_threads -= 1

    def _give_up(self, why: str) -> None:
        self._turns, self._turns_max = 0, TURNS_AFTER_THE_END
        self._time_max_s = float("inf")
        raise Restless(why, self.places())


class _JumpingSelector(selectors.DefaultSelector):
    """Asked to wait for a while, it makes the clock jump by just so much."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.turn()
        if self._loop.works_in_threads:
            # A timer that is due still runs; otherwise the thread's return is what to wait for.
            return super().select(0 if timeout == 0 else None)
        ready = super().select(0)
        if not ready and timeout is None:
            raise Stuck("everyone waits, and no timer is set", self._loop.places())
        if not ready and timeout is not None and timeout > 0:
            self._loop.jump(timeout)
        return ready


def run(
    main: Coroutine[Any, Any, R], turns_max: int = TURNS_MAX, time_max_s: float = TIME_MAX_S
) -> R:
    """Run a coroutine from time 0 on a virtual clock.

    Raises:
        Stuck: nothing can ever happen again.
        Restless: it went past `turns_max` turns of the loop, or `time_max_s` virtual seconds.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(turns_max, time_max_s)) as runner:
        return runner.run(main)


def places_of(task: asyncio.Future[Any]) -> list[Place]:
    """Where a task that waits stands, the innermost call first."""
    places: list[Place] = []
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        places.append(Place(frame.f_code.co_filename, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None)
    return places[::-1]


def now() -> float:
    """Seconds on the clock of the running loop: in a simulation, a `Clock` for the parts."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything that can happen without time passing happen."""
    for _ in range(50):
        await asyncio.sleep(0)
