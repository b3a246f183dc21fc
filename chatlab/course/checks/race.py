"""Checks of `04_race`: a lock for those who read a file, change it and write it back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatlab.chat.parts.lock import Lock
from chatlab.chat.parts.reader.direct import DirectReader
from chatlab.chat.parts.store.rewrite import RewriteStore
from chatlab.chat.parts.writer.truncate import TruncateWriter
from chatlab.chat.settings import Settings
from chatlab.course.checks import PEOPLE, CheckBench, Mismatch, check
from chatlab.course.simulation import now
from chatlab.data.records import CHATROOMS, MESSAGES, USERS, Message
from chatlab.disk.memory import SimulatedFiles
from chatlab.errors import StorageError

NAME = MESSAGES.name
ROOM = "general"
WITHIN_S = 1.0
STAY_S = 0.010


@check(
    "examples",
    asked="`async with lock.hold(name):` lets one in who comes alone, at once, again and again.",
    why="A lock is used for each message. If it is not given back, the second one waits for ever.",
)
async def holds(bench: CheckBench) -> None:
    door = _Door(bench)
    for _ in range(3):
        for name in (NAME, CHATROOMS.name):
            await bench.within(WITHIN_S, door.visit("alice", 0.0, name), "a visit of one alone")
    bench.equal(now(), 0.0, "seconds that one alone has waited")


@check(
    "interleavings",
    asked="Many save at the same time, some read meanwhile: not one message is lost, and nobody "
    "finds half a file.",
    why="alice reads, bob reads, alice writes, bob writes: bob has never seen alice's message, and "
    "writes it away. Both were told that theirs was saved. It happens under load alone, and no "
    "error ever shows.",
)
async def loses_nothing(bench: CheckBench) -> None:
    room = _SharedRoom(bench)
    await room.all_speak(2, apart_s=0.0)
    await room.all_speak(6, apart_s=0.01, readers=3)


@check(
    "faults",
    asked="Whoever fails, is cancelled inside, or gives up while waiting, gives the lock back; the "
    "next one gets in.",
    why="Clients hang up, disks fail, timeouts strike, most of all when much is going on. A lock "
    "that one failure keeps shut has stopped the server for everyone, until someone restarts it.",
)
async def gives_back(bench: CheckBench) -> None:
    for disturbance in (
        _a_failure_inside,
        _one_cancelled_inside,
        _one_who_gives_up,
        _one_who_gives_up_too_late,
    ):
        door = _Door(bench)
        bench.story.tell(f"a new try: {disturbance.__doc__}")
        await bench.within(WITHIN_S, disturbance(door), f"{disturbance.__doc__}: all visits")
        await bench.within(WITHIN_S, door.visit("zoe", 0.0), f"a visit after {disturbance.__doc__}")


async def _a_failure_inside(door: _Door) -> None:
    """one fails inside"""
    waiting = asyncio.create_task(door.visit("bob", STAY_S))
    try:
        await door.visit("alice", STAY_S, fails=True)
    except _Failure:
        await waiting
        return
    raise Mismatch("the error to reach whoever was inside", "hold() has swallowed it")


async def _one_cancelled_inside(door: _Door) -> None:
    """one is cancelled inside"""
    first = asyncio.create_task(door.visit("alice", STAY_S))
    second = asyncio.create_task(door.visit("bob", STAY_S))
    await asyncio.sleep(STAY_S / 2)
    await door.cancel("alice", first)
    await second


async def _one_who_gives_up(door: _Door) -> None:
    """one of those who wait gives up"""
    people = PEOPLE[:4]
    visits = [asyncio.create_task(door.visit(who, STAY_S)) for who in people]
    await asyncio.sleep(STAY_S / 2)
    number = door.bench.chance.randrange(1, len(visits))
    await door.cancel(people[number], visits.pop(number))
    await asyncio.gather(*visits)


async def _one_who_gives_up_too_late(door: _Door) -> None:
    """one gives up just when it is their turn"""
    others: list[asyncio.Task[None]] = []

    async def first() -> None:
        await door.visit("alice", STAY_S)
        others[0].cancel()  # it has its turn already, and does not know it yet
        door.bench.story.tell("bob gives up, just when alice has gone")

    leaving = asyncio.create_task(first())
    others += [asyncio.create_task(door.visit(who, STAY_S)) for who in ("bob", "carol")]
    await leaving
    await asyncio.gather(others[0], return_exceptions=True)
    await others[1]


@check(
    "interleavings",
    asked="One at a time gets in, in the order in which they came.",
    why="Without an order there is somebody who always comes last. For that person the server is "
    "slow for ever, and the average does not show it.",
)
async def fair(bench: CheckBench) -> None:
    door = _Door(bench)
    moments = sorted(bench.chance.random() for _ in PEOPLE)

    async def comes(who: str, moment: float) -> None:
        await asyncio.sleep(moment * 2 * STAY_S)
        await door.visit(who, bench.chance.random() * STAY_S)

    visits = [comes(*each) for each in zip(PEOPLE, moments, strict=True)]
    await bench.within(WITHIN_S, asyncio.gather(*visits), "all visits")
    bench.expect(
        door.came == door.entered,
        expected=f"to get in as they came: {', '.join(door.came)}",
        actual=f"{', '.join(door.entered)} got in",
    )


@check(
    "interleavings",
    asked="Work on different files goes on side by side; on one file, the next one gets in as "
    "soon as the one before has gone.",
    why="Who saves a message need not wait for someone who joins a room: these are two files. And "
    "a lock that looks at its door only now and then wastes the time between.",
)
async def side_by_side(bench: CheckBench) -> None:
    door = _Door(bench)
    names = (NAME, CHATROOMS.name, USERS.name)
    visits = [door.visit(who, STAY_S, name) for name in names for who in PEOPLE[:3]]
    await bench.within(WITHIN_S, asyncio.gather(*visits), "all visits")
    wanted_s = 3 * STAY_S
    bench.expect(
        now() < wanted_s + 0.0005,
        expected=f"three files, each with three visits of {STAY_S * 1000:.0f} ms, to take "
        f"{wanted_s * 1000:.0f} ms",
        actual=f"{now() * 1000:.1f} ms",
    )


class _Failure(Exception):
    """What goes wrong inside."""


class _Guarded(Lock):
    """The learner's lock; what is no async context manager is told as such."""

    def __init__(self, bench: CheckBench) -> None:
        self._lock: Lock = bench.part()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        held = self._lock.hold(name)
        if not hasattr(held, "__aenter__") or not hasattr(held, "__aexit__"):
            raise _no_manager(f"an object of type {type(held).__name__}")
        try:
            await held.__aenter__()
        except (TypeError, RuntimeError) as error:
            # `contextlib` complains of a hold() without a yield, in one of these ways.
            if "async iterator" in str(error) or "didn't yield" in str(error):
                raise _no_manager("a hold() that never yields") from error
            raise
        async with _leaving(held):
            yield


@asynccontextmanager
async def _leaving(held: contextlib.AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        if not await held.__aexit__(type(error), error, error.__traceback__):
            raise
    else:
        await held.__aexit__(None, None, None)


def _no_manager(actual: str) -> Mismatch:
    return Mismatch(
        "hold() to be an async context manager: @asynccontextmanager, and one yield", actual
    )


class _Door:
    """Watches who goes in and out.

    Attributes:
        came, entered: who, in order.
    """

    def __init__(self, bench: CheckBench) -> None:
        self.bench = bench
        self.came: list[str] = []
        self.entered: list[str] = []
        self._lock = _Guarded(bench)
        self._inside: dict[str, str] = {}

    async def visit(
        self, who: str, stay_s: float, name: str = NAME, *, fails: bool = False
    ) -> None:
        """Go in, stay, and go; there must be nobody else inside.

        Raises:
            _Failure: if that is what is wanted.
        """
        with self.bench.story.on_behalf_of(who):
            self.came.append(who)
            self.bench.story.tell(f"comes, for {name}")
            async with self._lock.hold(name):
                other = self._inside.get(name)
                self.bench.story.tell("is in")
                self.bench.expect(
                    other is None,
                    expected=f"one at a time to hold {name}",
                    actual=f"{who} got in while {other} was inside",
                )
                self._inside[name] = who
                self.entered.append(who)
                try:
                    await asyncio.sleep(stay_s)
                finally:
                    del self._inside[name]
                    self.bench.story.tell("fails" if fails else "goes")
                if fails:
                    raise _Failure

    async def cancel(self, who: str, visit: asyncio.Task[None]) -> None:
        """Cancel a visit, and see it end."""
        self.bench.story.tell(f"{who} is cancelled")
        visit.cancel()
        ended = await asyncio.gather(visit, return_exceptions=True)
        if isinstance(ended[0], Mismatch):
            raise ended[0]


class _SharedRoom:
    """People who save into one file, by the naive server's own parts and the learner's lock."""

    def __init__(self, bench: CheckBench) -> None:
        self._bench = bench
        self._said = [_message("zoe", 0)]
        self._files: SimulatedFiles = bench.files({NAME: MESSAGES.encode(self._said)})
        settings = Settings()
        reader = DirectReader(self._files, settings, now)
        writer = TruncateWriter(self._files)
        self._store = RewriteStore(self._files, reader, writer, _Guarded(bench), settings)

    async def all_speak(self, people: int, *, apart_s: float, readers: int = 0) -> None:
        """Each says one thing, at most so long apart; nothing may be missing afterwards."""
        work = [self._says(_message(who, len(self._said))) for who in PEOPLE[:people]]
        work += [self._reads(who) for who in PEOPLE[people : people + readers]]
        together = self._bench.together(*work, apart_s=apart_s)
        await self._bench.within(WITHIN_S, together, f"saves of {people} people")
        self._expect_all()

    async def _says(self, message: Message) -> None:
        try:
            await self._store.save([message])
        except StorageError as error:
            raise _half(message.sender, error) from error
        self._said.append(message)
        self._bench.story.tell("is told: saved")

    async def _reads(self, who: str) -> None:
        try:
            await self._store.history(ROOM, 100)
        except StorageError as error:
            raise _half(who, error) from error

    def _expect_all(self) -> None:
        try:
            kept = MESSAGES.decode(self._files.disk.contents[NAME])
        except StorageError as error:
            raise Mismatch(f"{NAME} to be whole at the end", str(error)) from error
        ids = [message.id for message in kept]
        lost = [message.sender for message in self._said if message.id not in ids]
        self._bench.expect(
            not lost,
            expected=f"all {len(self._said)} messages to be in {NAME}",
            actual=f"{len(kept)} are there. What {' and '.join(lost)} said is gone, and was acked",
        )
        self._bench.equal(len(ids), len(self._said), f"messages in {NAME}")


def _message(who: str, number: int) -> Message:
    timestamp = "2026-12-31T23:59:59.000Z"
    return Message(f"{who}-{number}", ROOM, who, f"{who} says hello", timestamp)


def _half(who: str, error: StorageError) -> Mismatch:
    return Mismatch(
        f"{who} to find {NAME} whole",
        f"{who} read it while someone else was writing it, and found half of it ({error})",
    )
