"""The harness of a processor: people submit messages, a store and an outcome write everything down.

Its store and its outcome stand in `queue_doubles.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from chatlab.chat.parts.message_seams import Entry, Processor, ProcessorStatistics
from chatlab.chat.settings import Settings
from chatlab.course.checks import CheckBench, Mismatch, ms, repeated
from chatlab.course.checks.messages import TIMESTAMP, Listener
from chatlab.course.checks.queue_doubles import Fails, Mistakes, OutcomeLog, SimulatedStore, listed
from chatlab.course.explaining import line_of
from chatlab.course.simulation import StoryStep, now
from chatlab.data.records import Message
from chatlab.errors import Overloaded

SAVE_S = 0.002
"""Default duration of a save, in virtual seconds."""
SLACK_S = 0.001
"""What a bound on time allows beyond the figures that it is made of."""


class Submitted(NamedTuple):
    """A message that someone has submitted, and when, in virtual seconds."""

    entry: Entry
    at_s: float

    @property
    def id(self) -> str:
        """Of its message."""
        return self.entry.message.id


class QueueHarness:
    """A learner's processor between a store and an outcome that write everything down.

    To be used as `async with QueueHarness(bench) as harness`. It reports a call that makes no
    sense, and, with whatever is missing, a task of the learner's that ended with an exception.

    Args:
        save_s: how long a save takes, in virtual seconds.
        by_chance: whether that is the mean of times that the seed draws.
        fails: the store's plan of failures.
        knobs: what differs from the settings' defaults.

    Attributes:
        submitted: what was submitted and not refused, in that order.
        refused: what was submitted and refused as `Overloaded`.
    """

    def __init__(
        self,
        bench: CheckBench,
        *,
        save_s: float = SAVE_S,
        by_chance: bool = False,
        fails: Fails = lambda _attempt, _at_s: None,
        **knobs: Any,
    ) -> None:
        self.settings = Settings(**knobs)
        chance = bench.new_chance() if by_chance else None
        self._mistakes = Mistakes(bench.story)
        self.store = SimulatedStore(bench.story, self._mistakes, save_s, chance, fails)
        self.outcome = OutcomeLog(bench.story, self._mistakes, self.store)
        self.submitted: list[Submitted] = []
        self.refused: list[Submitted] = []
        self.processor: Processor = bench.part(self.store, self.outcome, self.settings, now)
        self.bench = bench
        self._people: dict[str, Listener] = {}
        self._sent: dict[str, int] = {}
        self._sending: list[asyncio.Task[object]] = []
        self._crashes: list[tuple[BaseException, int]] = []

    async def __aenter__(self) -> QueueHarness:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._new_task)
        loop.set_exception_handler(self._callback_failed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().set_task_factory(None)
        for task in self._sending:
            task.cancel()
        if self._mistakes.found and (error is None or isinstance(error, Exception)):
            raise self._mistakes.found[0] from error
        if isinstance(error, Mismatch) and self._crashes:
            crash, line = self._crashes[0]
            ended = f"a task of yours had ended with {type(crash).__name__}: {crash}"
            raise Mismatch(error.expected, f"{error.actual}; {ended}", line) from error

    # What people do.

    async def submit(self, who: str, *, tell: bool = True) -> Submitted:
        """Someone submits a message, and waits until it is taken.

        Args:
            tell: as a step of the story; one of many in a moment would only fill it.

        Raises:
            Overloaded: it was not taken.
        """
        self._sent[who] = number = self._sent.get(who, 0) + 1
        person = self._people.setdefault(who, Listener(self.bench.story, who))
        message = Message(f"{who}'s message {number}", "general", who, "hello", TIMESTAMP)
        submitted = Submitted(Entry(message, number, person, now()), now())
        # Noted first: it may be saved before it returns.
        self.submitted.append(submitted)
        try:
            with self.bench.story.on_behalf_of(who) if tell else nullcontext():
                if tell:
                    self.bench.story.tell(f"submits message {number}")
                await self.bench.awaitable(self.processor.submit(submitted.entry), "submit()")
        except Overloaded:
            self.submitted.remove(submitted)
            self.refused.append(submitted)
            raise
        return submitted

    async def try_to_submit(self, who: str) -> bool:
        """The same, by someone who can live with a refusal; returns whether it was taken."""
        try:
            await self.submit(who, tell=False)
        except Overloaded:
            return False
        return True

    def send(self, who: str, count: int = 1, *, apart_s: float = 0.0, after_s: float = 0.0) -> None:
        """Someone begins to submit messages, one after another, each taken before the next.

        Args:
            apart_s: how long they wait before each.
            after_s: how long they wait before the first, in addition.
        """

        async def sends() -> None:
            if after_s:
                await asyncio.sleep(after_s)
            for _ in range(count):
                if apart_s:
                    await asyncio.sleep(apart_s)
                await self.submit(who)

        self.start(sends())

    def at_once(self, people: Sequence[str], count: int) -> None:
        """Messages are submitted in the same moment, by people in turn."""
        self.bench.story.tell(f"{len(people)} people submit {count:,} messages in one moment")
        for number in range(count):
            self.start(self.submit(people[number % len(people)], tell=False))

    def start(self, sending: Coroutine[Any, Any, object]) -> None:
        """Let people do something beside the check, which waits for them with `all_taken`."""
        self._sending.append(asyncio.create_task(sending))

    async def all_taken(self, within_s: float, then_s: float = 0.0) -> None:
        """Wait until all that was sent is taken, and then for some time more.

        Raises:
            Mismatch: it took longer.
        """
        sending, self._sending = self._sending, []
        began_s = now()
        done, pending = await asyncio.wait(sending, timeout=within_s) if sending else ((), ())
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
        self.bench.expect(
            not pending,
            f"every message to be taken within {ms(within_s)}: submit only puts it into the "
            "queue, and its sender can go on",
            f"{len(pending):,} of {len(sending):,} calls of submit had not returned after "
            f"{ms(now() - began_s)}",
        )
        if then_s:
            await asyncio.sleep(then_s)

    async def drain(self, within_s: float) -> list[str]:
        """Shut down; the ids of what the processor says it could not save.

        Raises:
            Mismatch: it takes longer, or returns something else.
        """
        self.bench.story.tell("the server stops: drain() begins")
        returned = await self.bench.within(within_s, self.processor.drain(), "drain()")
        self.bench.story.tell("drain() returns")
        entries, wrong = listed(returned, Entry)
        expected = "drain() to return a list of the entries that could not be saved, [] for none"
        self.bench.expect(not wrong, expected, f"it returned {wrong}")
        return [entry.message.id for entry in entries]

    async def drain_all(self, within_s: float, why: str = "") -> None:
        """Shut down, and leave nothing unsaved.

        Args:
            why: for the feedback: what makes that possible.

        Raises:
            Mismatch: something is left, or it takes longer.
        """
        unsaved = await self.drain(within_s)
        expected = f"drain() to save everything, and to return []{why}"
        self.bench.expect_none(unsaved, expected, "it returned {}")
        self.expect_saved(when="when drain() returns")
        self.expect_none_twice()

    # What is asked.

    def statistics(self) -> ProcessorStatistics:
        """The processor's.

        Raises:
            Mismatch: they are none.
        """
        found: object = self.processor.statistics()
        if isinstance(found, ProcessorStatistics):
            return found
        actual = f"it returned {type(found).__name__}"
        raise Mismatch("statistics() to return a ProcessorStatistics", actual)

    def unsaved(self) -> list[Submitted]:
        """What was submitted, and is not yet said to be saved or failed."""
        ends = self.outcome.saved_at.keys() | self.outcome.failed_at.keys()
        return [one for one in self.submitted if one.id not in ends]

    def by(self, who: str) -> list[Submitted]:
        """What someone has submitted."""
        return [one for one in self.submitted if one.entry.sender.user == who]

    def expect_saved(
        self,
        within_s: float | None = None,
        submitted: Sequence[Submitted] = (),
        when: str = "by now",
    ) -> None:
        """All of them are saved, and the outcome has heard of it in time.

        Args:
            within_s: virtual seconds from submission to the news; None for any.
            submitted: which; all if empty.
            when: for the feedback.

        Raises:
            Mismatch: names those that are missing, or else the one that waited longest.
        """
        wanted = submitted or self.submitted
        self.bench.expect_none(
            [one.id for one in wanted if one.id not in self.store.kept_once],
            f"all {len(wanted):,} messages to be saved {when}",
            f"{{}} not saved, {ms(now())} after the beginning",
        )
        self.bench.expect_none(
            [one.id for one in wanted if one.id not in self.outcome.saved_at],
            "outcome.saved to be called for every message that is saved",
            "it was never called for {}",
        )
        if within_s is not None:
            waits = {one.id: self.outcome.saved_at[one.id][0] - one.at_s for one in wanted}
            slowest = max(waits, key=lambda one: waits[one])
            self.bench.expect(
                waits[slowest] <= within_s,
                f"every message to be saved within {ms(within_s)} of its submission",
                f"{slowest} waited for {ms(waits[slowest])}",
            )

    def expect_none_twice(self) -> None:
        """Nothing is saved twice, and the outcome hears of nothing twice."""
        self.bench.expect_none(
            repeated(self.store.kept),
            "every message to be saved once",
            "{}: saved more than once",
        )
        self.bench.expect_none(
            [one for one, at in self.outcome.saved_at.items() if len(at) > 1],
            "outcome.saved to be called once for each message",
            "it was called more than once for {}",
        )

    def expect_one_end_each(self) -> None:
        """Every message that was taken is saved, or reported as failed, and not both."""
        saved, failed = self.outcome.saved_at, self.outcome.failed_at
        self.bench.expect_none(
            [one.id for one in self.unsaved()],
            "each message that was taken to be reported as saved or as failed",
            "nobody ever heard of {} again",
        )
        self.bench.expect_none(
            [one for one in failed if one in self.store.kept_once],
            "a message that is reported as failed not to be saved",
            "{}: both",
        )
        told_twice = [one for one, at in (saved | failed).items() if len(at) > 1]
        self.bench.expect_none(
            told_twice + repeated(self.store.kept),
            "each message to be saved, or to fail, once",
            "{}: more than once",
        )

    def expect_order(self) -> None:
        """What is saved of each person is saved in the order in which they submitted it.

        Raises:
            Mismatch: names two messages that changed places.
        """
        places = {one.id: place for place, one in enumerate(self.submitted)}
        latest: dict[str, str] = {}
        for one in self.store.kept:
            who = one.partition("'")[0]
            before = latest.get(who, one)
            self.bench.expect(
                places[before] <= places[one],
                "the messages of one person to be saved in the order in which they were submitted",
                f"{before} was saved before {one}",
            )
            latest[who] = one

    # Behind the scenes: what ends the learner's tasks.

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **how: Any
    ) -> asyncio.Task[Any]:
        """Watch the learner's own tasks: an exception that ends one often goes unheard."""
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **how)
        code = getattr(work, "cr_code", None)
        if code is not None and code.co_filename == self.bench.work.__file__:
            task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)

    def _callback_failed(
        self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]
    ) -> None:
        if (error := context.get("exception")) is not None:
            self._crashed(error)

    def _crashed(self, error: BaseException) -> None:
        line = line_of(error, Path(str(self.bench.work.__file__)))
        if line and all(error is not before for before, _ in self._crashes):
            self._crashes.append((error, line))
            what = f"a task of yours ends with {type(error).__name__}: {error}"
            with suppress(RuntimeError):  # the loop is closing, and its clock gone
                self.bench.story.steps.append(StoryStep(now(), "", what, line))
