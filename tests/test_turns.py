"""Clients take turns: who is quiet does not wait behind those who flood the server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from chatlab.chat.turns import (
    FEW,
    FULL_SHARES,
    PIECE_S,
    QUIET_PER_S,
    TURN_S,
    Pieces,
    Sharer,
    Shares,
    Turns,
)
from tests.support.parts import FakeClient, FakeClock, entry
from tests.support.virtual_clock import settle

SIZE = 10


class Crowd:
    """Clients who say what they are given, and a record of who was heard when."""

    def __init__(self, size: int = SIZE) -> None:
        self.clock = FakeClock()
        self.turns = Turns(size, self.clock)
        self.heard: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def flood(self, name: str, *, takes_s: float = 0.0, waits: bool = False) -> None:
        """Somebody of whom there is always more, and whose messages take so long.

        Args:
            waits: whether each message waits for something, as for the disk.
        """

        async def for_ever() -> AsyncIterator[str]:
            while True:
                yield name

        async def listen() -> None:
            async for frame in self.turns.taken(for_ever(), Endless(name)):
                self.heard.append(frame)
                self.clock.advance(takes_s)
                if waits or not takes_s:
                    await asyncio.sleep(0)

        self._tasks.append(asyncio.create_task(listen()))

    def say(self, name: str, count: int = 1) -> asyncio.Task[None]:
        """Somebody who says a little, and is not behind."""

        async def little() -> AsyncIterator[str]:
            for _ in range(count):
                yield name

        async def listen() -> None:
            async for frame in self.turns.taken(little(), FakeClient(name)):
                self.heard.append(frame)

        return asyncio.create_task(listen())

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


class Endless(FakeClient):
    def behind(self) -> int:
        return FEW + 1


async def test_only_one_of_a_crowd_that_floods_is_heard_at_a_time_and_each_as_much() -> None:
    crowd = Crowd()
    for n in range(20):
        crowd.flood(f"flooder-{n}", waits=True)
    for _ in range(SIZE * 200):
        await asyncio.sleep(0)
    await crowd.end()

    turns = [crowd.heard[at : at + SIZE] for at in range(0, len(crowd.heard) - SIZE, SIZE)]
    assert len(turns) > 60
    assert all(len(set(turn)) == 1 for turn in turns), "nobody comes in between"
    shares = Counter(turn[0] for turn in turns).values()
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("flooders", [1, 4, 100])
async def test_who_is_quiet_is_heard_within_a_turn_however_many_flood(flooders: int) -> None:
    crowd = Crowd()
    for n in range(flooders):
        crowd.flood(f"flooder-{n}")
    await settle()
    before = len(crowd.heard)
    await crowd.say("quiet")
    await crowd.end()

    assert crowd.heard.index("quiet") - before <= SIZE


async def test_a_turn_ends_after_its_time_too() -> None:
    crowd = Crowd()
    for name in ("slow", "other"):
        crowd.flood(name, takes_s=TURN_S * 0.4)
    await settle()
    await crowd.end()

    begin = crowd.heard.index("other")
    assert crowd.heard[begin : begin + 9] == ["other"] * 3 + ["slow"] * 3 + ["other"] * 3


async def test_who_says_too_much_is_no_longer_quiet_and_is_again_after_a_while() -> None:
    crowd = Crowd()
    crowd.turns.halt()  # so that nobody who needs a turn is heard
    talker = crowd.say("talker", SIZE + 5)
    await settle()
    assert crowd.heard == ["talker"] * SIZE
    talker.cancel()

    crowd.heard.clear()
    patient = FakeClient("patient")

    async def slowly() -> AsyncIterator[str]:
        for _ in range(5 * SIZE):
            crowd.clock.advance(1 / QUIET_PER_S)
            yield "patient"

    async for frame in crowd.turns.taken(slowly(), patient):
        crowd.heard.append(frame)
    assert len(crowd.heard) == 5 * SIZE


async def test_whoever_leaves_in_a_turn_or_in_the_line_holds_up_nobody() -> None:
    crowd = Crowd()
    for n in range(3):
        crowd.flood(f"flooder-{n}", waits=True)
    await asyncio.sleep(0)
    in_turn, in_line, _ = crowd._tasks
    in_turn.cancel()
    in_line.cancel()
    await asyncio.wait([in_turn, in_line])
    crowd.heard.clear()
    await settle()
    await crowd.end()

    assert set(crowd.heard) == {"flooder-2"}


async def test_who_has_no_room_in_the_queue_waits_for_it_outside_of_a_turn() -> None:
    crowd = Crowd()
    room = asyncio.Event()

    class Full(Endless):
        def has_room(self) -> bool:
            return room.is_set()

        async def room(self) -> None:
            await room.wait()

    async def for_ever() -> AsyncIterator[str]:
        while True:
            yield "full"

    async def listen() -> None:
        async for frame in crowd.turns.taken(for_ever(), Full("full")):
            crowd.heard.append(frame)
            await asyncio.sleep(0)

    crowd._tasks.append(asyncio.create_task(listen()))
    crowd.flood("flooder", waits=True)
    await settle()
    assert set(crowd.heard) == {"flooder"}
    room.set()
    await settle()
    assert "full" in crowd.heard
    await crowd.end()


async def test_a_halt_gives_no_more_turns_until_it_goes_on() -> None:
    crowd = Crowd()
    for n in range(2):
        crowd.flood(f"flooder-{n}", waits=True)
    await settle()
    crowd.turns.halt()
    await settle()
    heard = len(crowd.heard)
    await settle()
    assert len(crowd.heard) == heard
    crowd.turns.go_on()
    await settle()
    assert len(crowd.heard) > heard
    await crowd.end()


async def test_without_turns_it_is_first_come_first_served() -> None:
    crowd = Crowd(size=0)
    for n in range(5):
        crowd.flood(f"flooder-{n}", waits=True)
    for _ in range(10):
        await asyncio.sleep(0)
    await crowd.end()

    assert len(set(crowd.heard[:5])) == 5


async def test_a_batch_that_takes_long_is_sent_in_pieces_and_one_message_is_not() -> None:
    clock = FakeClock()
    pieces = Pieces(clock)
    batch = [entry(n) for n in range(6)]
    heard: list[int] = []
    others: list[int] = []
    loop = asyncio.get_running_loop()
    for one in batch:
        loop.call_soon(others.append, one.accepted_at)
        await pieces.before(one, batch)
        clock.advance(PIECE_S * 0.6)
        heard.append(len(others))
    assert heard == [0, 0, 3, 3, 5, 5], "others go on before every second message"

    await pieces.before(batch[0], batch[:1])
    assert len(others) == 5, "batches of one message keep their order"


# How much each may have unsaved.


def test_few_clients_have_whole_shares_and_many_have_less_each() -> None:
    shares = Shares(100)
    clients = [Sharer(shares) for _ in range(2 * FULL_SHARES)]

    def fill(client: Sharer) -> int:
        count = 0
        while client.reserved_at_once():
            count += 1
        return count

    assert [fill(one) for one in clients[:FULL_SHARES]] == [100] * FULL_SHARES
    assert fill(clients[FULL_SHARES]) == 100 * FULL_SHARES // (FULL_SHARES + 1)
    for one in clients[: FULL_SHARES + 1]:
        while one.has_room() is False:
            one.release()
    assert [one.has_room() for one in clients] == [True] * len(clients)


async def test_who_has_its_share_waits_until_something_is_saved_and_no_longer() -> None:
    shares = Shares(2)
    one = Sharer(shares)
    assert (one.reserved_at_once(), one.reserved_at_once(), one.reserved_at_once()) == (1, 1, 0)
    others = [Sharer(shares) for _ in range(3 * FULL_SHARES)]
    for other in others:
        assert other.reserved_at_once()  # each may have one, however many they are
    waits = asyncio.create_task(one.reserve())
    await settle()
    one.release()
    await settle()
    assert not waits.done()  # its share is 1 by now
    one.release()
    await settle()
    assert waits.done()
    for other in others:
        other.release()
    assert (shares.sharing, shares.size) == (1, 2)
