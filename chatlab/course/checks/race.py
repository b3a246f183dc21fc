"""Checks of `04_race`: a lock for those who read a file, change it and write it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.storage_seams import Lock
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.settings import Settings
from chatlab.course.checks import PEOPLE, CheckBench, Mismatch, check, ms
from chatlab.course.checks.messages import one, whole_for
from chatlab.course.simulation import now
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message

NAME = MESSAGES.name
WITHIN_S = 1.0
STAY_S = 0.010


@check("examples")
async def holds(bench: CheckBench) -> None:
    """`async with lock.hold(name):` lets in someone who comes alone, at once, again and again.

    The server takes the lock for each message. If it is not released, the second message waits for
    ever.
    """
    harness = LockHarness(bench)
    for _ in range(3):
        for name in (NAME, CHATROOMS.name):
            visit = harness.visit("alice", 0.0, name)
            await bench.within(WITHIN_S, visit, "a visit of one alone")
    bench.equal(now(), 0.0, "seconds that one alone has waited")


@check("interleavings")
async def loses_nothing(bench: CheckBench) -> None:
    """Many save at the same time while some read: no message is lost, and nobody finds half a file.

    alice reads, bob reads, alice writes, bob writes: bob has never seen alice's message, and
    overwrites it. Both were told that theirs was saved. It happens only under load, and no error
    ever shows.
    """
    file = SharedFile(bench)
    await file.all_save(2, apart_s=0.0)
    await file.all_save(6, apart_s=0.01, readers=3)


@check("faults")
async def gives_back(bench: CheckBench) -> None:
    """Whoever fails, is cancelled inside, or gives up while waiting, releases the lock; the next
    one gets in.

    Clients hang up, disks fail, timeouts strike, most of all when the server is busy. A lock that
    stays shut after one failure has stopped the server for everyone, until someone restarts it.
    """
    for what, disturbance in DISTURBANCES.items():
        harness = LockHarness(bench)
        bench.story.tell(f"a new try: {what}")
        await bench.within(WITHIN_S, disturbance(harness), f"{what}: all visits")
        await bench.within(WITHIN_S, harness.visit("zoe", 0.0), f"a visit after {what}")


async def _fails_inside(harness: LockHarness) -> None:
    waiting = asyncio.create_task(harness.visit("bob"))
    try:
        await harness.visit("alice", fails=True)
    except FailedInside:
        await waiting
        return
    raise Mismatch("the error to reach whoever was inside", "hold() has swallowed it")


async def _is_cancelled_inside(harness: LockHarness) -> None:
    first = asyncio.create_task(harness.visit("alice"))
    second = asyncio.create_task(harness.visit("bob"))
    await asyncio.sleep(STAY_S / 2)
    await harness.cancel("alice", first)
    await second


async def _gives_up(harness: LockHarness) -> None:
    people = PEOPLE[:4]
    visits = [asyncio.create_task(harness.visit(who)) for who in people]
    await asyncio.sleep(STAY_S / 2)
    number = harness.bench.chance.randrange(1, len(visits))
    await harness.cancel(people[number], visits.pop(number))
    await asyncio.gather(*visits)


async def _gives_up_too_late(harness: LockHarness) -> None:
    others: list[asyncio.Task[None]] = []

    async def first() -> None:
        await harness.visit("alice")
        others[0].cancel()  # it has its turn already, and does not know it yet
        harness.bench.story.tell("bob gives up, just when alice has gone")

    leaving = asyncio.create_task(first())
    others += [asyncio.create_task(harness.visit(who)) for who in ("bob", "carol")]
    await leaving
    await asyncio.gather(others[0], return_exceptions=True)
    await others[1]


DISTURBANCES: dict[str, Callable[[LockHarness], Awaitable[None]]] = {
    "one fails inside": _fails_inside,
    "one is cancelled inside": _is_cancelled_inside,
    "one of those who wait gives up": _gives_up,
    "one gives up just when it is their turn": _gives_up_too_late,
}


@check("interleavings")
async def fair(bench: CheckBench) -> None:
    """One at a time gets in, in the order in which they came.

    Without an order, somebody may always come last. For that user the server is slow for ever, and
    the average does not show it.
    """
    harness = LockHarness(bench)
    moments = sorted(bench.chance.random() for _ in PEOPLE)

    async def comes(who: str, moment: float) -> None:
        await asyncio.sleep(moment * 2 * STAY_S)
        await harness.visit(who, bench.chance.random() * STAY_S)

    visits = [comes(*each) for each in zip(PEOPLE, moments, strict=True)]
    await bench.within(WITHIN_S, asyncio.gather(*visits), "all visits")
    bench.expect(
        harness.came == harness.entered,
        f"everyone to get in as they came: {', '.join(harness.came)}",
        f"{', '.join(harness.entered)} got in",
    )


@check("interleavings")
async def side_by_side(bench: CheckBench) -> None:
    """Work on different files goes on side by side; on one file, the next one gets in as soon as
    the one before leaves.

    Saving a message need not wait for someone who joins a room: these are two files. And a lock
    that checks only now and then wastes the time between.
    """
    harness = LockHarness(bench)
    names = (NAME, CHATROOMS.name, USERS.name)
    visits = [harness.visit(who, STAY_S, name) for name in names for who in PEOPLE[:3]]
    await bench.within(WITHIN_S, asyncio.gather(*visits), "all visits")
    wanted_s = 3 * STAY_S
    bench.expect(
        now() < wanted_s + 0.0005,
        f"three files, each with three visits of {ms(STAY_S)}, to take {ms(wanted_s)}",
        f"{now() * 1000:.1f} ms",
    )


class FailedInside(Exception):
    """What goes wrong while someone holds the lock."""


class CheckedLock(Lock):
    """The learner's lock; one that is no async context manager is reported as such."""

    def __init__(self, bench: CheckBench) -> None:
        self._lock: Lock = bench.part()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        held = self._lock.hold(name)
        expected = "hold() to be an async context manager: @asynccontextmanager, and one yield"
        if not hasattr(held, "__aenter__") or not hasattr(held, "__aexit__"):
            raise Mismatch(expected, f"an object of type {type(held).__name__}")
        async with AsyncExitStack() as leaving:
            try:
                await leaving.enter_async_context(held)
            except (TypeError, RuntimeError) as error:
                # `contextlib` complains of a hold() without a yield, in one of these ways.
                if "async iterator" in str(error) or "didn't yield" in str(error):
                    raise Mismatch(expected, "a hold() that never yields") from error
                raise
            yield


class LockHarness:
    """Watches who takes the learner's lock, and who gives it back.

    Attributes:
        came, entered: who, in order.
    """

    def __init__(self, bench: CheckBench) -> None:
        self.bench = bench
        self.came: list[str] = []
        self.entered: list[str] = []
        self._lock = CheckedLock(bench)
        self._inside: dict[str, str] = {}

    async def visit(
        self, who: str, stay_s: float = STAY_S, name: str = NAME, *, fails: bool = False
    ) -> None:
        """Go in, stay, and go; there must be nobody else inside.

        Raises:
            FailedInside: if `fails`.
        """
        with self.bench.story.on_behalf_of(who):
            self.came.append(who)
            self.bench.story.tell(f"comes, for {name}")
            async with self._lock.hold(name):
                other = self._inside.get(name)
                self.bench.story.tell("is in")
                actual = f"{who} got in while {other} was inside"
                self.bench.expect(other is None, f"one at a time to hold {name}", actual)
                self._inside[name] = who
                self.entered.append(who)
                try:
                    await asyncio.sleep(stay_s)
                finally:
                    del self._inside[name]
                    self.bench.story.tell("fails" if fails else "goes")
                if fails:
                    raise FailedInside

    async def cancel(self, who: str, visit: asyncio.Task[None]) -> None:
        """Cancel a visit, and see it end."""
        self.bench.story.tell(f"{who} is cancelled")
        visit.cancel()
        ended = await asyncio.gather(visit, return_exceptions=True)
        if isinstance(ended[0], Mismatch):
            raise ended[0]


class SharedFile:
    """People who save into one file, by the naive server's own parts and the learner's lock."""

    def __init__(self, bench: CheckBench) -> None:
        self._bench = bench
        self._said = [one("zoe-0", sender="zoe")]
        self._files = bench.files({NAME: MESSAGES.encode(self._said)})
        settings = Settings()
        parts = DirectReader(self._files, settings, now), TruncateWriter(self._files)
        self._store = RewriteStore(self._files, *parts, CheckedLock(bench), settings)

    async def all_save(self, people: int, *, apart_s: float, readers: int = 0) -> None:
        """Each saves one message, and others read; nothing may be missing afterwards.

        Args:
            apart_s: seconds between the first and the last to begin, at most.
        """
        number = len(self._said)
        work = [self._saves(one(f"{who}-{number}", sender=who)) for who in PEOPLE[:people]]
        work += [self._reads(who) for who in PEOPLE[people : people + readers]]
        together = self._bench.together(*work, apart_s=apart_s)
        await self._bench.within(WITHIN_S, together, f"saves of {people} people")
        with self._bench.no_error(f"{NAME} to be whole at the end"):
            kept = MESSAGES.decode(self._files.disk.contents[NAME])
        ids = [message.id for message in kept]
        lost = [message.sender for message in self._said if message.id not in ids]
        self._bench.expect(
            not lost,
            f"all {len(self._said)} messages to be in {NAME}",
            f"{len(kept)} are there. What {' and '.join(lost)} said is gone, and was acked",
        )
        self._bench.equal(len(ids), len(self._said), f"messages in {NAME}")

    async def _saves(self, message: Message) -> None:
        with whole_for(self._bench, message.sender):
            await self._store.save([message])
        self._said.append(message)
        self._bench.story.tell("is told: saved")

    async def _reads(self, who: str) -> None:
        with whole_for(self._bench, who):
            await self._store.history("general", 100)
