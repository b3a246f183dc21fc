"""Test doubles for the checks of processors: a store and an outcome that write everything down.

The store's saves take virtual time, and fail by a plan; the outcome notes what becomes of each
message, and when. Both tell it as a story, and keep the calls that make no sense.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

from chatlab.chat.parts.message_seams import Entry
from chatlab.chat.parts.storage_seams import Store
from chatlab.chat.protocol import AckLevel
from chatlab.course.checks import Mismatch, words
from chatlab.course.simulation import Story, now
from chatlab.data.records import Message
from chatlab.disk.files import to_the_end
from chatlab.errors import StorageError

T = TypeVar("T")

ATTEMPTS_MAX = 1_000
"""Saves that a failing store answers; then it keeps silent, so that the check ends with a reason
instead of a limit on turns: code that tries so often without a pause has failed already."""
DISK_FULL = StorageError("write", "messages.json", "No space left on device")

Fails = Callable[[int, float], Exception | None]
"""Called with the number of an attempt, from 0, and the seconds at its end: what it fails with."""


def first_fail(count: int, error: Exception = DISK_FULL) -> Fails:
    """The first saves fail, and all others succeed."""
    return lambda attempt, _at_s: error if attempt < count else None


def down(from_s: float, until_s: float = float("inf")) -> Fails:
    """Every save fails that ends within that time."""
    return lambda _attempt, at_s: DISK_FULL if from_s <= at_s < until_s else None


def by_plan(plan: Sequence[Exception | None]) -> Fails:
    """Each save as planned, and all that come after the plan succeed."""
    return lambda attempt, _at_s: plan[attempt] if attempt < len(plan) else None


class SaveAttempt(NamedTuple):
    """A save that was asked for.

    Attributes:
        began_s: virtual seconds.
        ids: of its messages, in order.
        error: what it failed with; None if it succeeded.
    """

    began_s: float
    ids: tuple[str, ...]
    error: Exception | None


class DelayNotice(NamedTuple):
    """A call of `outcome.delayed`: when, about which messages, why, and for how long."""

    at_s: float
    ids: tuple[str, ...]
    error: object
    retry_in_s: float


class Mistakes:
    """Calls that make no sense. They are kept, because the learner's code may swallow exceptions.

    Attributes:
        found: so far.
    """

    def __init__(self, story: Story) -> None:
        self.found: list[Mismatch] = []
        self._story = story

    def report(self, expected: str, actual: str) -> Mismatch:
        """Keep a mistake of the line that runs now; returns it, to be raised."""
        self.found.append(Mismatch(expected, actual, self._story.line()))
        return self.found[-1]


class SimulatedStore(Store):
    """Keeps messages in memory; a save takes virtual time, and fails when it is planned to.

    A save that has begun goes to its end, even if the waiting task is cancelled: a thread that
    writes a file would, too.

    Args:
        story: hears of each save.
        mistakes: hears of calls that make no sense.
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
    """

    kept_in: ClassVar[str] = ""

    def __init__(
        self,
        story: Story,
        mistakes: Mistakes,
        save_s: float,
        chance: random.Random | None,
        fails: Fails,
    ) -> None:
        # Not the parent's: it works with files.
        self.attempts: list[SaveAttempt] = []
        self.kept: list[str] = []
        self.kept_once: set[str] = set()
        self.empty_saves = self.under_way = self.under_way_max = self.begun = 0
        self.ended = asyncio.Event()
        self.fails = fails
        self._story = story
        self._mistakes = mistakes
        self._save_s = save_s
        self._chance = chance

    @property
    def promise(self) -> AckLevel:
        return "written"

    async def save(self, batch: Sequence[Message]) -> None:
        messages, wrong = listed(batch, Message)
        if wrong:
            expected = "store.save to be given a list of messages: "
            raise self._mistakes.report(f"{expected}[entry.message for entry in batch]", wrong)
        ids = tuple(message.id for message in messages)
        if not ids:
            self.empty_saves += 1
            self._story.tell("a save of no messages at all")
            return
        self._story.tell(f"the save of {words(ids)} begins")
        if self.begun >= ATTEMPTS_MAX and self.fails(self.begun, now()) is not None:
            self._story.tell("the store has failed so often that it does not answer any more")
            tries = f"{ATTEMPTS_MAX:,} tries by now"
            self._mistakes.report("a pause after each save that fails", tries)
            await asyncio.Event().wait()
        self.begun += 1
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        await to_the_end(self._save(ids))

    async def history(self, room_id: str, limit: int) -> list[Message]:  # noqa: ARG002
        return []  # no processor asks for it

    async def _save(self, ids: tuple[str, ...]) -> None:
        began_s, number = now(), self.begun - 1
        share = 1.0 if self._chance is None else 2 * self._chance.random()
        await asyncio.sleep(self._save_s * share)
        error = self.fails(number, now())
        self.under_way -= 1
        self.attempts.append(SaveAttempt(began_s, ids, error))
        self.ended.set()
        self.ended.clear()
        if error is not None:
            self._story.tell(f"the save of {words(ids)} fails: {error}")
            raise error
        self._story.tell(f"the save of {words(ids)} ends")
        self.kept += ids
        self.kept_once.update(ids)


class OutcomeLog:
    """Writes down what becomes of each message, and when. Each call yields, as a real one may.

    Attributes:
        queued_at, saved_at, failed_at: id to the seconds of each call about it.
        delays: the calls about saves that failed and will be tried again.
        errors: with which messages were reported as failed.
        ack_s: how long `queued` takes, in virtual seconds: the client's connection is slow.
    """

    def __init__(self, story: Story, mistakes: Mistakes, store: SimulatedStore) -> None:
        self.queued_at: dict[str, list[float]] = {}
        self.saved_at: dict[str, list[float]] = {}
        self.failed_at: dict[str, list[float]] = {}
        self.delays: list[DelayNotice] = []
        self.errors: list[object] = []
        self.ack_s = 0.0
        self._story = story
        self._mistakes = mistakes
        self._store = store

    async def queued(self, entry: Entry) -> None:
        for id_ in self._ids("queued", [entry], "an entry"):
            self.queued_at.setdefault(id_, []).append(now())
        await asyncio.sleep(self.ack_s)

    async def saved(self, batch: Sequence[Entry]) -> None:
        ids = self._note(self.saved_at, "saved", batch)
        if early := [id_ for id_ in ids if id_ not in self._store.kept_once]:
            raise self._mistakes.report(
                "outcome.saved to be called for messages that store.save has saved",
                f"it was called for {words(early)}, not saved yet",
            )
        await asyncio.sleep(0)

    async def delayed(self, batch: Sequence[Entry], error: StorageError, retry_in_s: float) -> None:
        ids = self._note({}, "delayed", batch)
        self.delays.append(DelayNotice(now(), ids, error, retry_in_s))
        await asyncio.sleep(0)

    async def failed(self, batch: Sequence[Entry], error: StorageError) -> None:
        self._note(self.failed_at, "failed", batch)
        self.errors.append(error)
        await asyncio.sleep(0)

    def _note(
        self, book: dict[str, list[float]], what: str, batch: Sequence[Entry]
    ) -> tuple[str, ...]:
        ids = self._ids(what, batch, "a list of entries")
        if ids:
            self._story.tell(f"outcome.{what} hears of {words(ids)}")
        for id_ in ids:
            book.setdefault(id_, []).append(now())
        return ids

    def _ids(self, what: str, batch: object, wanted: str) -> tuple[str, ...]:
        entries, wrong = listed(batch, Entry)
        if wrong:
            raise self._mistakes.report(f"outcome.{what} to be given {wanted}", wrong)
        return tuple(entry.message.id for entry in entries)


def listed(batch: object, kind: type[T]) -> tuple[list[T], str]:
    """A batch as a list, and what is wrong with it if it should be one of `kind`."""
    if not isinstance(batch, Iterable):
        return [], type(batch).__name__
    together = list(batch)
    odd = [type(one).__name__ for one in together if not isinstance(one, kind)]
    return together, f"something of type {odd[0]} in it" if odd else ""
