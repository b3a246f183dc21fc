"""The command that would settle what a comparison could not.

Rounds are missing because they were not asked for, because they do not count, or because none can
count: then the load generator is at its limit, and only a lighter load helps.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from math import ceil, floor, log10

from chatlab.bench.report import Comparison, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM

ROUNDS_MAX = 1_000
ROUNDS_TO_GIVE_UP = 3
"""Without one that counts: fewer may have met a busy moment of the machine."""


def valid_pairs(comparison: Comparison, report: Report) -> int:
    """How many rounds count on both sides."""
    sides = [report.modes[name].rounds for name in (comparison.baseline, comparison.mode)]
    return sum(not (a.invalid or b.invalid) for a, b in zip(*sides, strict=False))


def command(comparison: Comparison, report: Report) -> str:
    """The command of a report, changed so that its next run can make a claim.

    Args:
        comparison: one without a verdict.
        report: of which it is a part.
    """
    # Modes that ran at once would all be valid in turn.
    pairs = valid_pairs(comparison, report) if report.measurement else 1
    done = min(len(report.modes[one].rounds) for one in (comparison.baseline, comparison.mode))
    words = _without(shlex.split(report.command), {"--rounds": 1, "--race": 0})
    rounds = min(ROUNDS_MAX, ceil(ROUNDS_FOR_A_CLAIM * done / pairs)) if pairs else report.rounds
    # The usual number need not be named.
    words += ["--rounds", str(rounds)] if rounds > ROUNDS_FOR_A_CLAIM else []
    if not pairs and done >= ROUNDS_TO_GIVE_UP:
        words = _without(words, {"--rate": 1, "--rate-end": 1, "--in-flight": 1})
        words += ["--rate", f"{_lighter_per_s(report):g}"]
    return shlex.join(words)


def _lighter_per_s(report: Report) -> float:
    """Half of the rate at which the load generator failed, in one digit."""
    planned = report.scenario.get("rate_end_per_s") or report.scenario.get("rate_per_s")
    measured = max(mode.throughput_per_s.median for mode in report.modes.values())
    half = (planned or measured) / 2
    unit = 10 ** floor(log10(half)) if half > 0 else 1
    return max(1.0, floor(half / unit) * unit)


def _without(words: list[str], options: dict[str, int]) -> list[str]:
    """The words of a command without some options, each of which takes so many words."""

    def kept() -> Iterator[str]:
        skip = 0
        for word in words:
            name = word.partition("=")[0]
            if skip:
                skip -= 1
            elif name in options:
                skip = options[name] if name == word else 0
            else:
                yield word

    return list(kept())
