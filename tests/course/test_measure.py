"""`01_measure`: right answers of other shapes pass, and what is wrong is told in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.course.judging import Mistake, changed, mistakes, right, tried

NAME = "01_measure"
HEAD = """
import math
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from fractions import Fraction
from chatlab.chat.parts.message_seams import Monitor

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
        if second > self.second:
            self.before = self.now if second == self.second + 1 else Counter()
            self.now = Counter()
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
SHAPES = {
    "every moment": EVERY_MOMENT + PERCENTILE,
    "two seconds": TWO_SECONDS + PERCENTILE,
    "a ring": RING + PERCENTILE,
    "a percentile by search": RING + BY_SEARCH,
}
RATE, RANK = "return events\n", "return ordered[rank - 1]"
MISTAKES: dict[str, Mistake] = {
    "no rate": ("starts: None", RATE, "return None\n"),
    "a text": ("starts: 0.0 (str)", RATE, "return str(events)\n"),
    "an async rate": ("starts: not `async def`", "def per_s", "async def per_s"),
    "async counting": ("starts: coroutine", "def count", "async def count"),
    "no name": ("starts: positional argument", "def per_s(self, name: str)", "def per_s(self)"),
    "no percentile": ("tail: None", RANK, "return None"),
    "a list": ("tail: (list)", RANK, "return ordered"),
    "no number": ("tail: nan (float)", RANK, "return float('nan')"),
    "one too far": ("nearest_rank: IndexError", RANK, "return ordered[rank]"),
}

test_a_window_or_a_percentile_of_another_shape_passes = right(
    NAME, {shape: HEAD + source for shape, source in SHAPES.items()}
)
test_what_comes_back_wrong_is_told_in_words = mistakes(NAME, MISTAKES)


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        # What is kept for ever in the class, or at the top of the file, is kept for ever, too.
        ("    def __init__", "    kept = []\n\n    def __init__", "memory"),
        ("class MyMonitor", "kept = []\n\n\nclass MyMonitor", "memory"),
        # All names are counted as one.
        ("self.ring.setdefault(name,", "self.ring.setdefault('all',", "starts"),
        # A window of three quarters of a second, called a second.
        ("latest - 20)", "latest - 15)", "steady"),
    ],
)
def test_what_is_wrong_elsewhere_is_found(tmp_path: Path, old: str, new: str, check: str) -> None:
    answer = changed(HEAD + RING + PERCENTILE, (old, new))
    if "kept" in new:
        owner = "self.kept" if "    kept" in new else "kept"
        answer = changed(answer, ("+= count", f"+= count; {owner}.append((count, slot))"))

    assert list(tried(NAME, tmp_path, answer)) == [check]
