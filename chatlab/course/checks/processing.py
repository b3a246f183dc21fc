"""What the checks of processors share: people who write, a store, and an outcome that listens.

A `ProcessorHarness` puts a learner's processor between a store whose saves take virtual time and
an outcome that writes down what becomes of each message, and when. It tells all of it as a story.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from inspect import isawaitable
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, TypeVar

from chatlab.chat.parts.entry import Entry
from chatlab.chat.parts.processor import Processor, ProcessorStatistics
from chatlab.chat.parts.store import Store
from chatlab.chat.protocol import AckLevel, FrameStyle
from chatlab.chat.settings import Settings
from chatlab.course.checks import CheckBench, Mismatch
from chatlab.course.simulation import Story, StoryStep, now
from chatlab.data.records import Message
from chatlab.disk.files import to_the_end
from chatlab.errors import Overloaded, StorageError

R = TypeVar("R")

SAVE_S = 0.002
"""How long a save takes when nothing else is said, in virtual seconds."""
SLACK_S = 0.001
"""What a bound on time allows beyond the figures that it is made of."""
ATTEMPTS_MAX = 1_000
"""Saves that a store answers when it fails; then it keeps silent, so that a check comes to an end
that is not one of turns: whoever tries so often without a pause has failed already."""
DISK_FULL = StorageError("write", "messages.json", "No space left on device")

Fails = Callable[[int, float], Exception | None]
"""Told the number of an attempt, from 0, and the seconds at its end: what it fails with, if so."""


def never_fails(_attempt: int, _at_s: float) -> None:
    """A store without faults."""


class Person:
    """A client who writes; what it is sent is of no matter here."""

    frame_style: FrameStyle = "single"

    def __init__(self, user: str) -> None:
        self.user = user

    async def send(self, frame: bytes) -> None:  # noqa: ARG002
        await asyncio.sleep(0)

    def push(self, frame: bytes) -> None:
        pass

    def release(self) -> None:
        pass


class SaveAttempt(NamedTuple):
    """A save that was asked for.

    Attributes:
        began_s, ended_s: virtual seconds.
        ids: of its messages, in order.
        error: what it failed with; None if it succeeded.
    """

    began_s: float
    ended_s: float
    ids: tuple[str, ...]
    error: Exception | None


class SimulatedStore(Store):
    """Keeps messages in memory; a save takes virtual time, and fails when it is planned to.

    As with a thread that writes a file, a save that has begun goes to its end, also if the one who
    waits for it is cancelled.

    Args:
        story: hears of each save.
        save_s: how long a save takes; with `chance`, the mean of times from 0 to twice as long.
        chance: draws the times; None lets each save take just `save_s`.
        fails: the plan of failures.

    Attributes:
        attempts: the saves that have ended, in the order of their ends.
        kept, kept_once: the ids of what is saved: in order, and as a set.
        empty_saves: how often it was asked to save nothing; these do not count as attempts.
        under_way, under_way_max: saves that run now, and the most that ever did at once.
        begun: how many saves have begun.
        ended: set, and cleared again, whenever a save has ended.
        mistakes: calls that make no sense.
    """

    kept_in: ClassVar[str] = ""

    def __init__(
        self,
        story: Story,
        *,
        save_s: float = SAVE_S,
        chance: random.Random | None = None,
        fails: Fails = never_fails,
    ) -> None:
        # Not the parent's: it works with files.
        self.attempts: list[SaveAttempt] = []
        self.kept: list[str] = []
        self.kept_once: set[str] = set()
        self.empty_saves = self.under_way = self.under_way_max = self.begun = 0
        self.ended = asyncio.Event()
        self.mistakes: list[Mismatch] = []
        self.fails = fails
        self._story = story
        self._save_s = save_s
        self._chance = chance

    @property
    def promise(self) -> AckLevel:
        return "written"

    async def save(self, batch: Sequence[Message]) -> None:
        ids = self._ids(batch)
        if not ids:
            self.empty_saves += 1
            self._story.tell("a save of no messages at all")
            return
        self._story.tell(f"the save of {words(ids)} begins")
        error = self.fails(self.begun, now())
        if error is not None and self.begun >= ATTEMPTS_MAX:
            self._story.tell("the store has failed so often that it does not answer any more")
            tries = f"{ATTEMPTS_MAX:,} tries by now"
            self.mistakes.append(Mismatch("a pause after each save that fails", tries))
            await asyncio.Event().wait()
        self.begun += 1
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        await to_the_end(self._save(ids))

    async def history(self, room_id: str, limit: int) -> list[Message]:  # noqa: ARG002
        return []  # no processor asks for it

    @property
    def largest(self) -> int:
        """The most messages that were saved together."""
        return max((len(attempt.ids) for attempt in self.attempts), default=0)

    async def _save(self, ids: tuple[str, ...]) -> None:
        began_s, number = now(), self.begun - 1
        share = 1.0 if self._chance is None else 2 * self._chance.random()
        await asyncio.sleep(self._save_s * share)
        error = self.fails(number, now())
        self.under_way -= 1
        self.attempts.append(SaveAttempt(began_s, now(), ids, error))
        self.ended.set()
        self.ended.clear()
        if error is not None:
            self._story.tell(f"the save of {words(ids)} fails: {error}")
            raise error
        self._story.tell(f"the save of {words(ids)} ends")
        self.kept += ids
        self.kept_once.update(ids)

    def _ids(self, batch: object) -> tuple[str, ...]:
        if isinstance(batch, Iterable):
            together = list(batch)
            if all(isinstance(one, Message) for one in together):
                return tuple(one.id for one in together)
            found = f"something of type {type(together[0]).__name__} in it"
        else:
            found = f"{type(batch).__name__}"
        mistake = Mismatch(
            "store.save to be given a list of messages: [entry.message for entry in batch]",
            found,
            self._story.line(),
        )
        self.mistakes.append(mistake)
        raise mistake


class DelayNotice(NamedTuple):
    """A call of `outcome.delayed`: when, about which messages, why, and for how long."""

    at_s: float
    ids: tuple[str, ...]
    error: object
    retry_in_s: float


class OutcomeLog:
    """Writes down what becomes of each message, and when. Each call gives way, as a real one may.

    Attributes:
        queued_at, saved_at, failed_at: id to the seconds of each time that it was told.
        delays: what was told of saves that failed and will be tried again.
        errors: with which messages were reported as failed.
        ack_s: how long `queued` takes, in virtual seconds: the client's connection is slow.
        mistakes: calls that make no sense.
    """

    def __init__(self, story: Story, store: SimulatedStore) -> None:
        self.queued_at: dict[str, list[float]] = {}
        self.saved_at: dict[str, list[float]] = {}
        self.failed_at: dict[str, list[float]] = {}
        self.delays: list[DelayNotice] = []
        self.errors: list[object] = []
        self.ack_s = 0.0
        self.mistakes: list[Mismatch] = []
        self._story = story
        self._store = store

    async def queued(self, entry: Entry) -> None:
        self._note(self.queued_at, "queued", [entry])
        await asyncio.sleep(self.ack_s)

    async def saved(self, batch: Sequence[Entry]) -> None:
        ids = self._note(self.saved_at, "saved", batch)
        early = [one for one in ids if one not in self._store.kept_once]
        if early:
            raise self._mistake(
                "outcome.saved to be told of what store.save has saved",
                f"it was told of {words(early)}, not saved by then",
            )
        await asyncio.sleep(0)

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        self._story.tell(f"outcome.delayed hears of {words(self._ids('delayed', batch))}")
        self.delays.append(DelayNotice(now(), self._ids("delayed", batch), error, retry_in_s))
        await asyncio.sleep(0)

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        self._note(self.failed_at, "failed", batch)
        self.errors.append(error)
        await asyncio.sleep(0)

    def _note(
        self, book: dict[str, list[float]], what: str, batch: Sequence[Entry]
    ) -> tuple[str, ...]:
        ids = self._ids(what, batch)
        if what != "queued" and ids:
            self._story.tell(f"outcome.{what} hears of {words(ids)}")
        for one in ids:
            book.setdefault(one, []).append(now())
        return ids

    def _ids(self, what: str, batch: object) -> tuple[str, ...]:
        if isinstance(batch, Iterable):
            together = list(batch)
            if all(isinstance(one, Entry) for one in together):
                return tuple(one.message.id for one in together)
        single = "an entry" if what == "queued" else "a list of entries"
        raise self._mistake(f"outcome.{what} to be given {single}", "something else")

    def _mistake(self, expected: str, actual: str) -> Mismatch:
        mistake = Mismatch(expected, actual, self._story.line())
        self.mistakes.append(mistake)
        return mistake


class Submitted(NamedTuple):
    """A message that someone has handed over, and when, in virtual seconds."""

    entry: Entry
    at_s: float

    @property
    def id(self) -> str:
        """Of its message."""
        return self.entry.message.id


class ProcessorHarness:
    """A learner's processor between a store and an outcome that write everything down.

    To be used as `async with ProcessorHarness(bench) as stage`. It reports a call that makes no
    sense, and, with whatever is missing, a task of the learner's that ended with an exception.

    Args:
        bench: of the check.
        save_s: how long a save takes, in virtual seconds.
        by_chance: whether that is the mean of times that the seed draws.
        fails: the store's plan of failures.
        knobs: what differs from the settings' defaults.

    Attributes:
        handed: what was handed over and not refused, in that order.
        refused: what was handed over and refused as `Overloaded`.
    """

    def __init__(
        self,
        bench: CheckBench,
        *,
        save_s: float = SAVE_S,
        by_chance: bool = False,
        fails: Fails = never_fails,
        **knobs: Any,
    ) -> None:
        self.settings = Settings(**knobs)
        chance = random.Random(bench.chance.random()) if by_chance else None
        self.store = SimulatedStore(bench.story, save_s=save_s, chance=chance, fails=fails)
        self.outcome = OutcomeLog(bench.story, self.store)
        self.handed: list[Submitted] = []
        self.refused: list[Submitted] = []
        self.processor: Processor = bench.part(self.store, self.outcome, self.settings, now)
        self._bench = bench
        self._save_s = save_s * (2 if by_chance else 1)
        self._people: dict[str, Person] = {}
        self._written: dict[str, int] = {}
        self._sending: list[asyncio.Task[object]] = []
        self._crashes: list[tuple[BaseException, int]] = []

    async def __aenter__(self) -> ProcessorHarness:
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
        mistakes = self.store.mistakes + self.outcome.mistakes
        if mistakes and (error is None or isinstance(error, Exception)):
            raise mistakes[0] from error
        if isinstance(error, Mismatch) and self._crashes:
            crash, line = self._crashes[0]
            ended = f"a task of yours had ended with {type(crash).__name__}: {crash}"
            raise Mismatch(error.expected, f"{error.actual}; {ended}", line) from error

    # What people do.

    async def hand_over(self, who: str, *, tell: bool = True) -> Submitted:
        """Someone hands over a message, and waits until it is taken.

        Args:
            tell: as a step of the story; one of many in a moment would only fill it.

        Raises:
            Overloaded: it was not.
        """
        self._written[who] = number = self._written.get(who, 0) + 1
        person = self._people.setdefault(who, Person(who))
        message = Message(f"{who}'s message {number}", "general", who, "hello", _TIMESTAMP)
        handed = Submitted(Entry(message, number, person, now()), now())
        # Noted first: it may be saved before it returns.
        self.handed.append(handed)
        try:
            with self._bench.story.on_behalf_of(who) if tell else nullcontext():
                if tell:
                    self._bench.story.tell(f"hands over message {number}")
                await waited_for(self.processor.submit(handed.entry), "submit()")
        except Overloaded:
            self.handed.remove(handed)
            self.refused.append(handed)
            raise
        return handed

    async def try_to_hand_over(self, who: str) -> bool:
        """The same, by someone who can live with a refusal; returns whether it was taken."""
        try:
            await self.hand_over(who, tell=False)
        except Overloaded:
            return False
        return True

    def send(self, who: str, count: int = 1, *, apart_s: float = 0.0) -> None:
        """Someone begins to hand over messages, one after another, each taken before the next.

        Args:
            apart_s: how long they wait before each.
        """
        self.start(self._send(who, count, apart_s))

    def at_once(self, people: Sequence[str], count: int) -> None:
        """So many messages are handed over in the same moment, by people in turn."""
        self._bench.story.tell(f"{len(people)} people hand over {count:,} messages in one moment")
        for number in range(count):
            self.start(self.hand_over(people[number % len(people)], tell=False))

    def start(self, sending: Coroutine[Any, Any, object]) -> None:
        """Let people do something beside the check, which waits for them with `all_taken`."""
        self._sending.append(asyncio.create_task(sending))

    async def all_taken(self, within_s: float) -> None:
        """Wait until all that was sent is taken.

        Raises:
            Mismatch: that took longer.
        """
        sending, self._sending = self._sending, []
        began_s = now()
        done, pending = await asyncio.wait(sending, timeout=within_s) if sending else ((), ())
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
        if pending:
            raise Mismatch(
                f"every message to be taken within {ms(within_s)}: submit only puts it into the "
                "queue, and its sender can go on",
                f"{len(pending):,} of {len(sending):,} calls of submit had not returned after "
                f"{ms(now() - began_s)}",
            )

    async def drain(self, within_s: float) -> list[str]:
        """Shut down; the ids of what the processor says it could not save.

        Raises:
            Mismatch: it takes longer, or returns something else.
        """
        self._bench.story.tell("the server stops: drain() begins")
        draining = waited_for(self.processor.drain(), "drain()")
        returned: object = await self._bench.within(within_s, draining, "drain()")
        self._bench.story.tell("drain() returns")
        if isinstance(returned, Iterable):
            entries = list(returned)
            if all(isinstance(one, Entry) for one in entries):
                return [one.message.id for one in entries]
        raise Mismatch(
            "drain() to return a list of the entries that could not be saved, [] if there are none",
            f"it returned {type(returned).__name__}",
        )

    async def drain_all(self, within_s: float, why: str = "") -> None:
        """Shut down, and leave nothing unsaved.

        Args:
            why: for the words: what makes that possible.

        Raises:
            Mismatch: something is left, or it takes longer.
        """
        unsaved = await self.drain(within_s)
        self._bench.expect(
            not unsaved,
            expected=f"drain() to save everything, and to return []{why}",
            actual=f"it returned {words(unsaved)}",
        )
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
        raise Mismatch(
            "statistics() to return a ProcessorStatistics", f"it returned {type(found).__name__}"
        )

    def unsaved(self) -> list[Submitted]:
        """What was handed over, and is not yet said to be saved or failed."""
        ends = self.outcome.saved_at.keys() | self.outcome.failed_at.keys()
        return [one for one in self.handed if one.id not in ends]

    def expect_saved(
        self, within_s: float | None = None, handed: Sequence[Submitted] = (), when: str = "by now"
    ) -> None:
        """All of them (of all that was handed over) are saved, and that was told in time.

        Args:
            within_s: virtual seconds from the handing over to the news; None for any.
            handed: which; all if empty.
            when: for the words.

        Raises:
            Mismatch: names those that are missing, or else the one that waited longest.
        """
        wanted = handed or self.handed
        missing = [one.id for one in wanted if one.id not in self.store.kept_once]
        self._bench.expect(
            not missing,
            expected=f"all {len(wanted):,} messages to be saved {when}",
            actual=f"{words(missing)} not saved, {ms(now())} after the beginning",
        )
        silent = [one.id for one in wanted if one.id not in self.outcome.saved_at]
        if silent:
            raise Mismatch(
                "outcome.saved to be told of every message that is saved",
                f"it never heard of {words(silent)}",
            )
        if within_s is not None:
            waits = {one.id: self.outcome.saved_at[one.id][0] - one.at_s for one in wanted}
            slowest = max(waits, key=lambda one: waits[one])
            self._bench.expect(
                waits[slowest] <= within_s,
                expected=f"every message to be saved within {ms(within_s)} of its handing over",
                actual=f"{slowest} waited for {ms(waits[slowest])}",
            )

    def expect_none_twice(self) -> None:
        """Nothing is saved twice, and nothing is told twice.

        Raises:
            Mismatch: names what is.
        """
        twice = repeated(self.store.kept)
        self._bench.expect(
            not twice,
            expected="every message to be saved once",
            actual=f"{words(twice)}: saved more than once",
        )
        told = [one for one, at in self.outcome.saved_at.items() if len(at) > 1]
        self._bench.expect(
            not told,
            expected="outcome.saved to be told of each message once",
            actual=f"it heard more than once of {words(told)}",
        )

    def expect_order(self) -> None:
        """What is saved of each person is saved in the order in which they handed it over.

        Raises:
            Mismatch: names two messages that changed places.
        """
        places = {one.id: place for place, one in enumerate(self.handed)}
        latest: dict[str, str] = {}
        for one in self.store.kept:
            who = one.partition("'")[0]
            before = latest.get(who)
            if before is not None and places[before] > places[one]:
                raise Mismatch(
                    "the messages of one person to be saved in the order of their handing over",
                    f"{before} was saved before {one}",
                )
            latest[who] = one

    # What goes on behind the scene.

    async def _send(self, who: str, count: int, apart_s: float) -> None:
        for _ in range(count):
            if apart_s:
                await asyncio.sleep(apart_s)
            await self.hand_over(who)

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **how: Any
    ) -> asyncio.Task[Any]:
        """Watch the learner's own tasks: what ends one of them is often heard by nobody."""
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **how)
        code = getattr(work, "cr_code", None)
        if code is not None and code.co_filename == self._bench.work.__file__:
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
        line = self._line_of(error)
        if line and all(error is not before for before, _ in self._crashes):
            self._crashes.append((error, line))
            what = f"a task of yours ends with {type(error).__name__}: {error}"
            with suppress(RuntimeError):  # the loop is closing, and its clock gone
                self._bench.story.steps.append(StoryStep(now(), "", what, line))

    def _line_of(self, error: BaseException) -> int:
        """The innermost of the learner's lines that an exception came through; 0 if none."""
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._bench.work.__file__:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


_TIMESTAMP = "2026-01-01T00:00:00.000Z"


def waited_for(work: Awaitable[R], what: str) -> Awaitable[R]:
    """The same, if it can be waited for.

    Raises:
        Mismatch: the learner's method is no coroutine function.
    """
    if isawaitable(work):
        return work
    raise Mismatch(f"{what} to be waited for: `async def`", f"it returned a {type(work).__name__}")


def words(ids: Sequence[str]) -> str:
    """Messages, named or counted: "alice's message 3", "alice's message 3 and 99 others"."""
    if not ids:
        return "no messages"
    if len(ids) == 1:
        return ids[0]
    return f"{len(ids):,} messages ({ids[0]} to {ids[-1]})"


def repeated(ids: Sequence[str]) -> list[str]:
    """Those that stand there more than once."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for one in ids:
        if one in seen:
            again[one] = None
        seen.add(one)
    return list(again)


def ms(seconds: float) -> str:
    """`0.05` as "50 ms"."""
    return f"{seconds * 1000:,.0f} ms"
