"""Locks: one at a time for each file, first come first served; and what happens without."""

from __future__ import annotations

import asyncio

import pytest

from chatlab.chat.parts.lock.none import NoLock
from chatlab.chat.parts.storage_seams import Lock
from tests.support.parts import every
from tests.support.virtual_clock import settle

EVERY = pytest.mark.parametrize("part", every("lock"))
GUARDS = pytest.mark.parametrize("part", every("lock", without="none"))


class Visitors:
    """Who comes into a lock, and who is in there with whom."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self.came_in: list[str] = []
        self.inside: set[str] = set()
        self.inside_max = 0
        self.may_leave = asyncio.Event()

    async def visit(self, who: str, name: str) -> None:
        async with self.lock.hold(name):
            self.came_in.append(who)
            self.inside.add(who)
            self.inside_max = max(self.inside_max, len(self.inside))
            try:
                await self.may_leave.wait()
                await asyncio.sleep(0)
            finally:
                self.inside.remove(who)

    async def leave(self, *tasks: asyncio.Task[None]) -> None:
        """Let everyone go, and wait until these have."""
        self.may_leave.set()
        await asyncio.gather(*tasks)


async def enter(lock: Lock, *visits: tuple[str, str]) -> tuple[Visitors, list[asyncio.Task[None]]]:
    """Visitors who have come one after another: (who, file)."""
    visitors = Visitors(lock)
    tasks = [asyncio.create_task(visitors.visit(who, name)) for who, name in visits]
    await settle()
    return visitors, tasks


@GUARDS
async def test_one_is_inside_at_a_time_in_the_order_of_their_coming(part) -> None:
    names = [f"{n:02}" for n in range(20)]
    visitors, tasks = await enter(part(), *((name, "a.json") for name in names))
    assert visitors.inside == {"00"}
    await visitors.leave(*tasks)
    assert visitors.inside_max == 1
    assert visitors.came_in == names


@pytest.mark.parametrize(
    ("part", "second"),
    [(NoLock, "a.json"), *((one.values[0], "b.json") for one in every("lock"))],
)
async def test_different_files_or_any_without_a_lock_go_side_by_side(part, second: str) -> None:
    visitors, tasks = await enter(part(), ("1", "a.json"), ("2", second))
    assert visitors.inside == {"1", "2"}
    await visitors.leave(*tasks)


@EVERY
async def test_a_body_that_raises_gives_the_lock_back(part) -> None:
    lock = part()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(1), lock.hold("a.json"):
                raise ZeroDivisionError


@EVERY
async def test_a_body_that_is_cancelled_gives_the_lock_back(part) -> None:
    visitors, (first, second) = await enter(part(), ("1", "a.json"), ("2", "a.json"))
    first.cancel()
    await settle()
    assert visitors.inside == {"2"}
    await visitors.leave(second)


@GUARDS
async def test_a_waiter_who_is_cancelled_does_not_block_those_behind(part) -> None:
    visitors, (first, second, third) = await enter(part(), *((who, "a.json") for who in "123"))
    second.cancel()
    await settle()
    await visitors.leave(first, third)
    assert visitors.came_in == ["1", "3"]
