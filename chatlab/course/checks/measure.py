"""Checks of `01_measure`: a monitor that shows what happens now, and how bad the worst of it is."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from types import FunctionType, MethodType, ModuleType
from typing import Any

from chatlab.chat.parts.message_seams import Monitor
from chatlab.course.checks import CheckBench, check
from chatlab.course.simulation import now, virtual_loop

NEAR = 0.15
"""How far from the truth a rate may be: buckets of a tenth of a second are fine."""
ROOM_BYTES = 4_096
"""Memory that may be added over time: a number has grown, a table was made again."""


class MonitorHarness:
    """The learner's monitor, whose figures must be numbers, on a clock that is moved by hand."""

    def __init__(self, bench: CheckBench) -> None:
        self.bench = bench
        self.monitor: Monitor = bench.part(now)

    def per_s(self, name: str) -> float:
        """The rate of a name.

        Raises:
            Mismatch: it is no number.
        """
        return self._number(self.monitor.per_s(name), f'per_s("{name}")')

    def percentile(self, samples: Sequence[float], fraction: float) -> float:
        """Of these very samples; raises likewise."""
        given = "(...)" if isinstance(samples, tuple) else "[...]"
        found = self.monitor.percentile(samples, fraction)
        return self._number(found, f"percentile({given}, {fraction:g})")

    def expect_rate(self, name: str, wanted: float, when: str) -> None:
        """Go on if a rate is near what it should be; `when` begins the sentence."""
        found = self.per_s(name)
        self.bench.expect(
            abs(found - wanted) <= NEAR * wanted,
            f"{when}: about {wanted:,g} per second",
            f"{found:,.4g} per second",
        )

    def expect_percentile(self, samples: Sequence[float], fraction: float) -> None:
        """Go on if a percentile is what its definition says."""
        found = self.percentile(list(samples), fraction)
        of = "one sample" if len(samples) == 1 else f"{len(samples):,} samples in no order"
        place, wanted = _by_definition(samples, fraction)
        self.bench.expect(
            found == wanted,
            f"the p{fraction * 100:g} of {of}: {wanted:,g} ms, number {place:,} of them in "
            "ascending order",
            f"{found:,g} ms{_place_of(found, samples)}",
        )

    def count_steadily(self, times: int, *, every_s: float, count: int = 1) -> None:
        """Let time pass, and count events called "saved", again and again."""
        for _ in range(times):
            _pass(every_s)
            self.monitor.count("saved", count)

    def bytes_held(self) -> int:
        """The memory of what can be reached from the monitor, or from the learner's module: a
        learner may keep everything at the top of the file."""
        work = self.bench.work
        at_the_top = [value for name, value in vars(work).items() if not name.startswith("__")]
        found: dict[int, object] = {}
        rest: list[object] = [self.monitor, *at_the_top]
        while rest:
            one = rest.pop()
            if id(one) in found or isinstance(one, ModuleType | FunctionType | MethodType):
                continue
            if isinstance(one, type) and one.__module__ != work.__name__:
                continue
            if isinstance(one, asyncio.AbstractEventLoop):
                continue
            found[id(one)] = one
            rest += gc.get_referents(one)
        return sum(map(sys.getsizeof, found.values()))

    def _number(self, found: Any, what: str) -> float:
        is_one = isinstance(found, int | float) and not isinstance(found, bool)
        is_one = is_one and math.isfinite(found)
        self.bench.expect(is_one, f"{what} to return a number", _named(found))
        return float(found)


def _named(value: object) -> str:
    if asyncio.iscoroutine(value):
        value.close()
        return "a coroutine: the method is `def`, not `async def`"
    return "None" if value is None else f"{str(value)[:60]} ({type(value).__name__})"


def _by_definition(samples: Sequence[float], fraction: float) -> tuple[int, float]:
    """The place of a percentile, from 1, and its value, exactly: 0.95 is meant as it is written."""
    place = max(1, math.ceil(len(samples) * Fraction(str(fraction))))
    return place, sorted(samples)[place - 1]


def _place_of(found: float, samples: Sequence[float]) -> str:
    if found in samples:
        return f", number {sorted(samples).index(found) + 1:,}"
    mean = sum(samples) / len(samples)
    return ", which is their mean" if math.isclose(found, mean) else ", which is none of them"


def _pass(seconds: float) -> None:
    """Let virtual time pass at once: nothing in here waits for it."""
    virtual_loop().jump(seconds)


@check("examples")
async def starts(bench: CheckBench) -> None:
    """A name that was never counted has a rate of 0, and counting returns at once.

    A dashboard asks for figures before the first message has come.
    """
    harness = MonitorHarness(bench)
    bench.equal(harness.per_s("saved"), 0.0, 'per_s("saved") before anything was counted')
    _pass(1.0)
    bench.equal(harness.monitor.count("acked", 5), None, 'count("acked", 5)')
    bench.equal(harness.per_s("saved"), 0.0, 'per_s("saved"), of which none were counted')
    _pass(0.5)
    found = harness.per_s("acked")
    expected = 'per_s("acked") to be more than 0, half a second after 5 were counted'
    bench.expect(found > 0, expected, f"{found:g}")


@check("examples")
async def last_second(bench: CheckBench) -> None:
    """A rate counts the events of the last second: a burst shows at once, and is soon over.

    After a quiet hour, a rate since the start shows a burst as a ripple, and keeps showing it for
    the rest of the day. It tells nobody that trouble has begun, or that it is over.
    """
    _pass(bench.chance.random())
    harness = MonitorHarness(bench)
    _pass(20.0)
    for number in range(120):
        harness.monitor.count("accepted", 1 if number < 100 else -1)
    harness.monitor.count("saved", 40)
    bench.story.tell("after 20 s of silence: 100 accepted, 20 of them taken back, 40 saved")
    _pass(0.05)
    for name, wanted in (("accepted", 80), ("saved", 40)):
        harness.expect_rate(name, wanted, f"{name}, 0.05 s after the burst")
    _pass(2.5)
    bench.story.tell("2.5 s of silence")
    found = harness.per_s("accepted")
    expected = "accepted, 2.5 s after the burst: 0 per second"
    bench.expect(abs(found) < 1, expected, f"{found:,.4g} per second")
    harness.monitor.count("accepted", 50)
    bench.story.tell("50 accepted")
    _pass(0.05)
    harness.expect_rate("accepted", 50, "accepted, 0.05 s after a second burst")


@check("examples")
async def steady(bench: CheckBench) -> None:
    """A steady load has a steady rate, at whatever moment you look.

    A counter that starts again each second shows 0, then half, then all of the same load. People
    see a saw where there is a straight line, and look for the cause in the server.
    """
    _pass(bench.chance.random())
    harness = MonitorHarness(bench)
    _pass(10.0)
    seen = []
    for step in range(1_500):
        _pass(0.002)
        harness.monitor.count("saved", 2)
        if step >= 750 and step % 7 == 0:
            seen.append((harness.per_s("saved"), now()))
    bench.story.tell("for 3 s, two are saved every 2 ms; from 1.5 s on, someone looks")
    for rate, at_s in (min(seen), max(seen)):
        bench.expect(
            abs(rate - 1_000) <= NEAR * 1_000,
            "about 1,000 per second at every moment: two are saved every 2 ms",
            f"from {min(seen)[0]:,.0f} to {max(seen)[0]:,.0f} per second, e.g. "
            f"{rate:,.0f} at {at_s:,.3f} s",
        )


@check("counts")
async def memory(bench: CheckBench) -> None:
    """A monitor that runs for a long time does not need more and more memory, even when nobody
    looks.

    Whatever grows with every message ends the server some night, and the monitor was meant to warn
    of such things. Most of the time, nobody asks for a rate.
    """
    harness = MonitorHarness(bench)
    harness.count_steadily(2_000, every_s=0.0001)
    bench.story.tell("2,000 are saved within 0.2 s")
    held = []
    for when in ("then", "and once more"):
        harness.count_steadily(400, every_s=0.15, count=100)  # a busy minute
        harness.count_steadily(400, every_s=72.0)  # eight quiet hours
        held.append(harness.bytes_held())
        bench.story.tell(f"{when} a busy minute and 8 quiet hours: it holds {held[-1]:,} bytes")
    bench.expect(
        held[1] <= held[0] + ROOM_BYTES,
        f"as much memory after the second 8 hours as after the first: {held[0]:,} bytes",
        f"{held[1]:,} bytes",
    )
    harness.count_steadily(150, every_s=0.01, count=3)
    harness.expect_rate("saved", 300, "after all that, with 3 saved each 10 ms")


@check("examples")
async def tail(bench: CheckBench) -> None:
    """A percentile shows what the unlucky users get, not the average.

    98 of 100 messages take 10 ms and two take 2 s. The mean says 50 ms, which no message took. The
    p50 says what most users get, the p99 what the unlucky ones get.
    """
    samples = [10.0] * 98 + [2_000.0] * 2
    bench.chance.shuffle(samples)
    bench.story.tell("98 messages of 100 take 10 ms, two take 2,000 ms")
    harness = MonitorHarness(bench)
    for fraction in (0.5, 0.95, 0.99):
        harness.expect_percentile(samples, fraction)


@check("examples")
async def nearest_rank(bench: CheckBench) -> None:
    """A percentile is the smallest sample with at least that share of all samples at or below it.

    That is the nearest-rank definition: the result is always a value that was really measured. Off
    by one place, the p99 of 100 samples is the slowest of all, and one odd sample decides it.
    """
    harness = MonitorHarness(bench)
    for fraction in (0.5, 0.99):
        harness.expect_percentile([42.0], fraction)
    for count in (2, 4, 7, 20, 99, 100, 101, 200, bench.chance.randrange(201, 1_000)):
        samples = _samples(bench, count)
        for fraction in (0.5, 0.95, 0.99, 0.0, 1.0):
            harness.expect_percentile(samples, fraction)


@check("examples")
async def untouched(bench: CheckBench) -> None:
    """The samples stay as they were given, in a list or a tuple.

    They belong to the caller. Sorted in place, they lose the order in which they came. Code that
    relies on it later, to drop the oldest, drops the fastest instead.
    """
    harness = MonitorHarness(bench)
    samples = _samples(bench, 50)
    given = list(samples)
    _, wanted = _by_definition(samples, 0.95)
    found = harness.percentile(given, 0.95)
    bench.expect(
        given == samples,
        "the list of samples as it was before the call",
        "it is sorted" if given == sorted(samples) else "its content has changed",
    )
    bench.equal(found, wanted, "the p95 of 50 samples")
    found = harness.percentile(tuple(samples), 0.95)
    bench.equal(found, wanted, "the p95 of the same samples in a tuple")


def _samples(bench: CheckBench, count: int) -> list[float]:
    return [round(bench.chance.expovariate(1 / 30), 3) for _ in range(count)]
