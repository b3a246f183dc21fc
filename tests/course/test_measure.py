"""`01_measure`: right answers of other shapes pass, and what is wrong is told in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.course.judging import changed, failed, first_miss, solution

NAME = "01_measure"
HEAD = """
import math
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from fractions import Fraction
from chatlab.chat.parts.monitor import Monitor

class MyMonitor(Monitor):
"""
PERCENTILE = """
    def percentile(self, samples, fraction):
        ordered = sorted(samples)
        return ordered[max(0, math.ceil(Fraction(str(fraction)) * len(ordered)) - 1)]
"""
EVERY_MOMENT = """
    def __init__(self, clock):
        super().__init__(clock)
        self.events = defaultdict(deque)

    def recent(self, name):
        events = self.events[name]
        while events and events[0][0] <= self.clock() - 1:
            events.popleft()
        return events

    def count(self, name, count):
        self.recent(name).append((self.clock(), count))

    def per_s(self, name):
        return sum(count for _, count in self.recent(name))
"""
TWO_SECONDS = """
    def __init__(self, clock):
        super().__init__(clock)
        self.second, self.now, self.before = 0, Counter(), Counter()

    def turn(self):
        second = int(self.clock())
        if second == self.second + 1:
            self.before, self.now = self.now, Counter()
        elif second > self.second:
            self.before, self.now = Counter(), Counter()
        self.second = second

    def count(self, name, count):
        self.turn()
        self.now[name] += count

    def per_s(self, name):
        self.turn()
        return self.now[name] + self.before[name] * (1 - self.clock() % 1)
"""
RING = """
    def __init__(self, clock):
        super().__init__(clock)
        self.ring = {}

    def count(self, name, count):
        ring = self.ring.setdefault(name, [[-99, 0] for _ in range(20)])
        slot = int(self.clock() * 20)
        if ring[slot % 20][0] != slot:
            ring[slot % 20] = [slot, 0]
        ring[slot % 20][1] += count

    def per_s(self, name):
        latest = int(self.clock() * 20)
        return float(sum(n for at, n in self.ring.get(name, ()) if at > latest - 20))
"""
BY_SEARCH = """
    def percentile(self, samples, fraction):
        candidates = sorted(set(samples))
        shares = [sum(one <= c for one in samples) for c in candidates]
        return candidates[bisect_left(shares, max(1, Fraction(str(fraction)) * len(samples)))]
"""


@pytest.mark.parametrize("rates", [EVERY_MOMENT, TWO_SECONDS, RING])
async def test_a_window_of_another_shape_passes(tmp_path: Path, rates: str) -> None:
    assert await failed(NAME, tmp_path, HEAD + rates + PERCENTILE) == []


async def test_a_percentile_found_in_another_way_passes(tmp_path: Path) -> None:
    assert await failed(NAME, tmp_path, HEAD + RING + BY_SEARCH) == []


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        # What is kept for ever at the top of the file, or of the class, is kept for ever, too.
        ("    def __init__", "    kept = []\n\n    def __init__", "memory"),
        ("class MyMonitor", "kept = []\n\n\nclass MyMonitor", "memory"),
        # All names are counted as one.
        ("self.ring.setdefault(name,", "self.ring.setdefault('all',", "starts"),
        # A window of three quarters of a second, called a second.
        ("latest - 20)", "latest - 15)", "steady"),
    ],
)
async def test_what_is_wrong_elsewhere_is_found(
    tmp_path: Path, old: str, new: str, check: str
) -> None:
    answer = changed(HEAD + RING + PERCENTILE, (old, new))
    if "kept" in new:
        owner = "self.kept" if "    kept" in new else "kept"
        answer = changed(answer, ("+= count", f"+= count; {owner}.append((count, slot))"))

    assert await failed(NAME, tmp_path, answer) == [check]


@pytest.mark.parametrize(
    ("changes", "check", "told"),
    [
        ((("return events\n", "return None\n"),), "starts", "None"),
        ((("return events\n", "return str(events)\n"),), "starts", "0.0 (str)"),
        ((("def per_s", "async def per_s"),), "starts", "not `async def`"),
        ((("def count", "async def count"),), "starts", "coroutine"),
        ((("def per_s(self, name: str)", "def per_s(self)"),), "starts", "positional argument"),
        ((("return ordered[rank - 1]", "return None"),), "tail", "None"),
        ((("return ordered[rank - 1]", "return ordered"),), "tail", "(list)"),
        ((("return ordered[rank - 1]", "return float('nan')"),), "tail", "nan (float)"),
        ((("return ordered[rank - 1]", "return ordered[rank]"),), "nearest_rank", "IndexError"),
    ],
)
async def test_what_comes_back_wrong_is_told_in_words(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], check: str, told: str
) -> None:
    miss = await first_miss(NAME, tmp_path, changed(solution(NAME), *changes))

    assert (miss.check, miss.verdict) == (check, "failed")
    assert told in miss.actual
