"""Checks of `01_measure`: a monitor that shows what happens now, and how bad the worst of it is."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from types import FunctionType, MethodType, ModuleType
from typing import Any

from chatlab.chat.parts.monitor import Monitor
from chatlab.course.checks import CheckBench, check
from chatlab.course.simulation import VirtualClockLoop, now

NEAR = 0.15
"""How far from the truth a rate may be: buckets of a tenth of a second are fine."""
ROOM_BYTES = 4_096
"""How much more memory may be held after a while: a number that has grown, a table made anew."""


def _monitor(bench: CheckBench) -> Monitor:
    made: Monitor = bench.part(now)
    return made


def _loop() -> VirtualClockLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    return loop


def _pass(seconds: float) -> None:
    """Let virtual time pass in one go: nothing in here waits for it."""
    _loop().jump(seconds)


def _rate(bench: CheckBench, monitor: Monitor, name: str) -> float:
    """What the monitor says of a rate, if it is a number at all."""
    return _number(bench, monitor.per_s(name), f'per_s("{name}")')


def _number(bench: CheckBench, found: Any, what: str) -> float:
    is_one = isinstance(found, int | float) and not isinstance(found, bool)
    bench.expect(
        is_one and math.isfinite(found),
        expected=f"{what} to return a number",
        actual=f"{_named(found)}",
    )
    return float(found)


def _named(value: object) -> str:
    if asyncio.iscoroutine(value):
        value.close()
        return "a coroutine: the method is `def`, not `async def`"
    return "None" if value is None else f"{str(value)[:60]} ({type(value).__name__})"


def _is_near(bench: CheckBench, found: float, wanted: float, when: str) -> None:
    bench.expect(
        abs(found - wanted) <= NEAR * wanted,
        expected=f"{when}: about {wanted:,g} per second",
        actual=f"{found:,.4g} per second",
    )


@check(
    "examples",
    asked="Whatever was not counted has a rate of 0, and counting returns at once.",
    why="A dashboard asks for figures before the first message has come.",
)
async def starts(bench: CheckBench) -> None:
    monitor = _monitor(bench)
    bench.equal(_rate(bench, monitor, "saved"), 0.0, 'per_s("saved") before anything was counted')
    _pass(1.0)
    bench.equal(monitor.count("acked", 5), None, 'count("acked", 5)')
    bench.equal(_rate(bench, monitor, "saved"), 0.0, 'per_s("saved"), of which none were counted')
    _pass(0.5)
    found = _rate(bench, monitor, "acked")
    bench.expect(
        found > 0,
        expected='per_s("acked") to be more than 0, half a second after 5 were counted',
        actual=f"{found:g}",
    )


@check(
    "examples",
    asked="A rate counts the events of the last second: a burst shows at once, and is over soon.",
    why="After a quiet hour, a rate since the start shows a burst as a ripple, and shows it for "
    "the rest of the day. Who looks at it sees neither that trouble began nor that it is over.",
)
async def last_second(bench: CheckBench) -> None:
    _pass(bench.chance.random())
    monitor = _monitor(bench)
    _pass(20.0)
    for number in range(120):
        monitor.count("accepted", 1 if number < 100 else -1)
    monitor.count("saved", 40)
    bench.story.tell("after 20 s of silence: 100 accepted, 20 of them taken back, 40 saved")
    _pass(0.05)
    for name, wanted in (("accepted", 80), ("saved", 40)):
        found = _rate(bench, monitor, name)
        _is_near(bench, found, wanted, f"{name}, 0.05 s after the burst")
    _pass(2.5)
    bench.story.tell("2.5 s of silence")
    found = _rate(bench, monitor, "accepted")
    bench.expect(
        abs(found) < 1,
        expected="accepted, 2.5 s after the burst: 0 per second",
        actual=f"{found:,.4g} per second",
    )
    monitor.count("accepted", 50)
    bench.story.tell("50 accepted")
    _pass(0.05)
    _is_near(bench, _rate(bench, monitor, "accepted"), 50, "accepted, 0.05 s after a second burst")


@check(
    "examples",
    asked="A steady rate reads steady, at whatever moment one looks.",
    why="A counter that starts anew each second shows 0, then half, then all of the same load. "
    "People see a saw where there is a straight line, and look for its cause in the server.",
)
async def steady(bench: CheckBench) -> None:
    _pass(bench.chance.random())
    monitor = _monitor(bench)
    _pass(10.0)
    seen = []
    for step in range(1_500):
        _pass(0.002)
        monitor.count("saved", 2)
        if step >= 750 and step % 7 == 0:
            seen.append((_rate(bench, monitor, "saved"), now()))
    bench.story.tell("for 3 s, two are saved every 2 ms; from 1.5 s on, someone looks")
    for rate, at_s in (min(seen), max(seen)):
        bench.expect(
            abs(rate - 1_000) <= NEAR * 1_000,
            expected="about 1,000 per second at every moment: two are saved every 2 ms",
            actual=f"from {min(seen)[0]:,.0f} to {max(seen)[0]:,.0f} per second, e.g. "
            f"{rate:,.0f} at {at_s:,.3f} s",
        )


@check(
    "counts",
    asked="A monitor that runs on and on holds no more and more memory, also when nobody looks.",
    why="What grows with every message ends the server some night, and the monitor was meant to "
    "warn of such things. Most of the time, nobody asks for a rate.",
)
async def memory(bench: CheckBench) -> None:
    monitor = _monitor(bench)
    _count_steadily(monitor, 2_000, every_s=0.0001)
    bench.story.tell("2,000 are saved within 0.2 s")
    held = []
    for when in ("then", "and once more"):
        _busy_then_quiet(monitor)
        held.append(_bytes_held(bench, monitor))
        bench.story.tell(f"{when} a busy minute and 8 quiet hours: it holds {held[-1]:,} bytes")
    bench.expect(
        held[1] <= held[0] + ROOM_BYTES,
        expected=f"as much memory after the second 8 hours as after the first: {held[0]:,} bytes",
        actual=f"{held[1]:,} bytes",
    )
    _count_steadily(monitor, 150, every_s=0.01, count=3)
    _is_near(bench, _rate(bench, monitor, "saved"), 300, "after all that, with 3 saved each 10 ms")


def _busy_then_quiet(monitor: Monitor) -> None:
    """40,000 events in a minute, in 400 batches; then one every 72 s for 8 hours."""
    _count_steadily(monitor, 400, every_s=0.15, count=100)
    _count_steadily(monitor, 400, every_s=72.0)


def _count_steadily(monitor: Monitor, times: int, *, every_s: float, count: int = 1) -> None:
    jump = _loop().jump
    for _ in range(times):
        jump(every_s)
        monitor.count("saved", count)


def _bytes_held(bench: CheckBench, monitor: Monitor) -> int:
    """The memory of what can be reached from a monitor, or from the learner's module."""
    found: dict[int, object] = {}
    rest: list[object] = [monitor, *_of_the_module(bench.work)]
    while rest:
        one = rest.pop()
        if id(one) in found or isinstance(one, ModuleType | FunctionType | MethodType):
            continue
        if isinstance(one, type) and one.__module__ != bench.work.__name__:
            continue
        if isinstance(one, asyncio.AbstractEventLoop):
            continue
        found[id(one)] = one
        rest += gc.get_referents(one)
    return sum(map(sys.getsizeof, found.values()))


def _of_the_module(work: ModuleType) -> Iterable[object]:
    """What stands at the top of the learner's file: someone may keep everything there."""
    return [value for name, value in vars(work).items() if not name.startswith("__")]


@check(
    "examples",
    asked="A percentile tells what the unlucky ones meet, and not the average.",
    why="98 of 100 messages take 10 ms and two take 2 s. The mean says 50 ms, which nobody has "
    "seen. The p50 says what most people meet, the p99 what the unlucky ones meet.",
)
async def tail(bench: CheckBench) -> None:
    monitor = _monitor(bench)
    samples = [10.0] * 98 + [2_000.0] * 2
    bench.chance.shuffle(samples)
    bench.story.tell("98 messages of 100 take 10 ms, two take 2,000 ms")
    for fraction, wanted in ((0.5, 10.0), (0.95, 10.0), (0.99, 2_000.0)):
        _is_percentile(bench, monitor, samples, fraction, wanted)


@check(
    "examples",
    asked="A percentile is the smallest sample that this share of all samples is no larger than.",
    why="That is the nearest-rank definition: always a value that was really measured. Off by one "
    "place, the p99 of 100 samples is the slowest of all, and one odd sample decides it.",
)
async def nearest_rank(bench: CheckBench) -> None:
    monitor = _monitor(bench)
    _is_percentile(bench, monitor, [42.0], 0.5, 42.0)
    _is_percentile(bench, monitor, [42.0], 0.99, 42.0)
    for count in (2, 4, 7, 20, 99, 100, 101, 200, bench.chance.randrange(201, 1_000)):
        samples = [round(bench.chance.expovariate(1 / 30), 3) for _ in range(count)]
        for fraction in (0.5, 0.95, 0.99, 0.0, 1.0):
            wanted = _by_definition(samples, fraction)
            _is_percentile(bench, monitor, samples, fraction, wanted)


@check(
    "examples",
    asked="The samples are left as they were given, and may be a list or a tuple.",
    why="They belong to someone else. Sorted in place, they lose the order in which they came, and "
    "whoever trusts it next, to let the oldest go, throws away the fastest instead.",
)
async def untouched(bench: CheckBench) -> None:
    monitor = _monitor(bench)
    samples = [round(bench.chance.expovariate(1 / 30), 3) for _ in range(50)]
    given = list(samples)
    wanted = _by_definition(samples, 0.95)
    found = _number(bench, monitor.percentile(given, 0.95), "percentile([...], 0.95)")
    bench.expect(
        given == samples,
        expected="the list of samples as it was before the call",
        actual="it is sorted" if given == sorted(samples) else "its content has changed",
    )
    bench.equal(found, wanted, "the p95 of 50 samples")
    found = _number(bench, monitor.percentile(tuple(samples), 0.95), "percentile((...), 0.95)")
    bench.equal(found, wanted, "the p95 of the same samples in a tuple")


def _by_definition(samples: Sequence[float], fraction: float) -> float:
    return sorted(samples)[_rank(len(samples), fraction) - 1]


def _rank(count: int, fraction: float) -> int:
    """The place, from 1, exactly: 0.95 is meant as it is written."""
    return max(1, math.ceil(count * Fraction(str(fraction))))


def _is_percentile(
    bench: CheckBench, monitor: Monitor, samples: Sequence[float], fraction: float, wanted: float
) -> None:
    found = _number(
        bench, monitor.percentile(list(samples), fraction), f"percentile([...], {fraction:g})"
    )
    of = "one sample" if len(samples) == 1 else f"{len(samples):,} samples in no order"
    place = _rank(len(samples), fraction)
    bench.expect(
        found == wanted,
        expected=f"the p{fraction * 100:g} of {of}: {wanted:,g} ms, number {place:,} of them in "
        "ascending order",
        actual=f"{found:,g} ms{_place_of(found, samples)}",
    )


def _place_of(found: float, samples: Sequence[float]) -> str:
    if found in samples:
        return f", number {sorted(samples).index(found) + 1:,}"
    mean = sum(samples) / len(samples)
    return ", which is their mean" if math.isclose(found, mean) else ", which is none of them"
