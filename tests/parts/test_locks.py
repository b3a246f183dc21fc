"""Locks: one at a time for each file, first come first served; and what happens without."""

from __future__ import annotations

import asyncio

import pytest

from chatlab.chat.parts.lock import Lock
from chatlab.chat.parts.lock.none import NoLock
from tests.support.parts import every
from tests.support.virtual_clock import settle

GUARDS = pytest.mark.parametrize("part", every("lock", without="none"))


class Visitors:
    """Who comes into a lock, and who is in there with whom."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self.came_in: list[str] = []
        self.inside: set[str] = set()
        self.inside_max = 0
        self.may_leave = asyncio.Event()

    async def visit(self, who: str, name: str = "a.json") -> None:
        async with self.lock.hold(name):
            self.came_in.append(who)
            self.inside.add(who)
            self.inside_max = max(self.inside_max, len(self.inside))
            try:
                await self.may_leave.wait()
                await asyncio.sleep(0)
            finally:
                self.inside.remove(who)


@GUARDS
async def test_only_one_is_inside_at_a_time(part) -> None:
    visitors = Visitors(part())
    tasks = [asyncio.create_task(visitors.visit(str(n))) for n in range(20)]
    await settle()
    assert visitors.inside == {"0"}

    visitors.may_leave.set()
    await asyncio.gather(*tasks)
    assert visitors.inside_max == 1
    assert len(visitors.came_in) == 20


@GUARDS
async def test_they_get_in_in_the_order_of_their_coming(part) -> None:
    visitors = Visitors(part())
    tasks = [asyncio.create_task(visitors.visit(f"{n:02}")) for n in range(20)]
    await settle()
    visitors.may_leave.set()
    await asyncio.gather(*tasks)

    assert visitors.came_in == sorted(visitors.came_in)


@pytest.mark.parametrize("part", every("lock"))
async def test_different_files_go_side_by_side(part) -> None:
    visitors = Visitors(part())
    tasks = [asyncio.create_task(visitors.visit(name, name)) for name in ("a.json", "b.json")]
    await settle()
    assert visitors.inside == {"a.json", "b.json"}

    visitors.may_leave.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("part", every("lock"))
async def test_a_body_that_raises_gives_the_lock_back(part) -> None:
    lock = part()
    with pytest.raises(ZeroDivisionError):
        async with lock.hold("a.json"):
            raise ZeroDivisionError

    async with asyncio.timeout(1), lock.hold("a.json"):
        pass


@pytest.mark.parametrize("part", every("lock"))
async def test_a_body_that_is_cancelled_gives_the_lock_back(part) -> None:
    visitors = Visitors(part())
    first = asyncio.create_task(visitors.visit("first"))
    await settle()
    second = asyncio.create_task(visitors.visit("second"))
    await settle()
    first.cancel()
    await settle()
    assert visitors.inside == {"second"}

    visitors.may_leave.set()
    await second


@GUARDS
async def test_a_waiter_who_is_cancelled_does_not_block_those_behind(part) -> None:
    visitors = Visitors(part())
    first, second, third = (asyncio.create_task(visitors.visit(who)) for who in "123")
    await settle()
    second.cancel()
    await settle()
    visitors.may_leave.set()
    await asyncio.gather(first, third)

    assert visitors.came_in == ["1", "3"]


async def test_without_a_lock_both_are_inside_at_once() -> None:
    visitors = Visitors(NoLock())
    tasks = [asyncio.create_task(visitors.visit(who)) for who in "12"]
    await settle()
    assert visitors.inside == {"1", "2"}

    visitors.may_leave.set()
    await asyncio.gather(*tasks)
