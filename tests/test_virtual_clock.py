"""The virtual clock that other tests rely on: it jumps, but never past work that is under way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.virtual_clock import Deadlock, now, on_virtual_clock, run


def test_an_hour_costs_nothing() -> None:
    began = time.perf_counter()
    run(asyncio.sleep(3600))

    assert time.perf_counter() - began < 10


@on_virtual_clock
async def test_timers_fire_in_order_and_on_time() -> None:
    fired: list[tuple[str, float]] = []

    async def fire(name: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        fired.append((name, now()))

    await asyncio.gather(fire("late", 2), fire("early", 0.5), fire("middle", 1.25))

    assert fired == [("early", 0.5), ("middle", 1.25), ("late", 2)]


@on_virtual_clock
async def test_time_stands_still_while_a_thread_works() -> None:
    may_end = threading.Event()
    timer = asyncio.create_task(asyncio.sleep(0.001))
    work = asyncio.get_running_loop().run_in_executor(None, may_end.wait, 10)
    threading.Timer(0.02, may_end.set).start()
    await work

    assert now() == 0
    await timer
    assert now() == pytest.approx(0.001)


def test_waiting_for_what_nobody_will_do_is_reported() -> None:
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(wait_for_ever())
