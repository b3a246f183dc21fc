"""What a comparison allows to claim, in sentences: title, cautions, verdicts, faults.

Owns the words that all exports share, as plain text; each export escapes and colours them in its
own way. Decides nothing: `bench/analysis.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import Audit
from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.report import Comparison, ModeReport, Report
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.view import words

ClaimTone = Literal["better", "worse", "same", "unknown", "unsafe"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of one mode, and what must be said together with it.

    Attributes:
        mode: its name.
        tone: `unsafe` whenever its audit, or its baseline's, is not clean: whatever its speed.
        mark: one character: ✓ better, ✗ worse, ~ no difference to claim, ? cannot tell, ! unsafe.
        sentence: ratio and interval, or why there is none.
        buts: what weakens the claim.
    """

    mode: str
    tone: ClaimTone
    mark: str
    sentence: str
    buts: list[str]


MARKS: dict[ClaimTone, str] = {
    "better": "✓",
    "worse": "✗",
    "same": "~",
    "unknown": "?",
    "unsafe": "!",
}


def versus(report: Report) -> str:
    """`naive against optimized and journal`: what was compared."""
    names = [words.printable(name) for name in report.modes]
    if not names:
        return "nothing was measured"
    first, *others = names
    return f"{first} against {_listed(others)}" if others else f"{first} alone"


def load(report: Report) -> str:
    """`midnight: 1,000 messages, 10 users in 1 room, ...`: under what load."""
    scenario = report.scenario
    rates = [scenario.get("rate_per_s"), scenario.get("rate_end_per_s")]
    rate = " to ".join(f"{one:,g}" for one in rates if one is not None)
    parts = [
        words.many(scenario["messages"], "message") + (f" at {rate} a second" if rate else ""),
        f"{words.many(scenario['users'], 'user')} in {words.many(scenario['rooms'], 'room')}",
        f"{words.many(report.history, 'message')} of history",
        words.many(report.rounds, "round") + (" of each mode" if len(report.modes) > 1 else ""),
    ]
    if scenario.get("slow_readers"):
        parts.insert(2, words.many(scenario["slow_readers"], "slow reader"))
    return f"{words.printable(scenario['name'])}: {', '.join(parts)}"


def cautions(report: Report) -> dict[str, str]:
    """What a reader must know before any figure: short name to sentence; empty if nothing."""
    found = {}
    if not report.measurement:
        found["not a measurement"] = (
            "the modes ran at the same time and took processor and disk from each other: "
            "a demonstration that proves nothing"
        )
    if not report.complete:
        done = ", ".join(
            f"{words.printable(name)} {len(mode.rounds)}" for name, mode in report.modes.items()
        )
        found["PARTIAL"] = (
            f"stopped early: of {words.many(report.rounds, 'round')} asked for, "
            f"these were done: {done or 'none'}"
        )
    if report.simulated:
        found["simulated disk"] = (
            f"{'; '.join(map(words.printable, report.simulated))}: these are the figures of a disk "
            "that this machine does not have"
        )
    in_flight = report.scenario.get("in_flight")
    if in_flight is not None:
        found["closed loop"] = (
            f"{in_flight:,} in flight per user: each waits for an answer before sending more, so "
            "a slow server gets less load. Good for finding a ceiling, bad for judging latency"
        )
    return found


def claims(report: Report) -> list[Claim]:
    """One claim for each mode after the first, on deliveries per second; unsafe ones without a
    comparison come first."""
    found = [
        _claim(comparison, report)
        for comparison in report.comparisons
        if comparison.metric == "throughput_per_s"
    ]
    claimed = {claim.mode for claim in found}
    for name, mode in report.modes.items():
        if name not in claimed and not mode.audit.clean:
            sentence = unsafe(name, mode.audit)
            found.insert(0, Claim(name, "unsafe", MARKS["unsafe"], sentence, _damages(mode)))
    return found


def unsafe(name: str, audit: Audit) -> str:
    """The warning that a mode goes wrong, and how."""
    return f"{words.printable(name)} is NOT SAFE: {audit.faults}. Its speed proves nothing."


def trust_line(check: TrustCheck) -> str:
    """`sender late, p99 of the worst round (ms): 3.1, allowed 20`."""
    value, limit = (
        f"{one:,.4g}" if isinstance(one, float) else str(one) for one in (check.value, check.limit)
    )
    return words.printable(f"{check.check}: {value}, allowed {limit}")


def ratio(comparison: Comparison) -> tuple[str, str]:
    """`2.5 x` and `2.4 to 2.7`: a ratio and its 95% interval, or what stands in their place."""
    if comparison.ratio is None:
        return words.DASH, "nothing to compare"
    times = f"{comparison.ratio:.3g} x"
    if comparison.low is None or comparison.high is None:
        return f"? {times}", "too few rounds"
    mark = "~ " if comparison.verdict == "same" else ""
    return f"{mark}{times}", f"{comparison.low:.3g} to {comparison.high:.3g}"


def _claim(comparison: Comparison, report: Report) -> Claim:
    mode = report.modes[comparison.mode]
    base = report.modes[comparison.baseline]
    name, base_name = map(words.printable, (comparison.mode, comparison.baseline))
    sentence, buts = _speed(comparison, name, base_name), _buts(comparison, report)
    if not mode.audit.clean:
        speed = f"measured anyway: {sentence.removeprefix(f'{name}: ')}"
        sentence = unsafe(comparison.mode, mode.audit)
        buts = [*_damages(mode), speed, *buts]
        return Claim(comparison.mode, "unsafe", MARKS["unsafe"], sentence, buts)
    if not base.audit.clean:
        but = f"the baseline {base_name} is NOT SAFE: a ratio to it means little"
        return Claim(comparison.mode, "unsafe", MARKS["unsafe"], sentence, [but, *buts])
    tone: ClaimTone = comparison.verdict
    return Claim(comparison.mode, tone, MARKS[tone], sentence, buts)


def _speed(comparison: Comparison, name: str, base: str) -> str:
    if comparison.ratio is None:
        return f"{name} against {base}: no valid rounds to compare."
    times = f"{comparison.ratio:.3g} x the deliveries per second of {base}"
    if comparison.low is None or comparison.high is None:
        return f"{name}: {times}; too few rounds to claim it ({ROUNDS_FOR_A_CLAIM} are needed)."
    interval = f"95% interval {comparison.low:.3g} to {comparison.high:.3g}"
    if comparison.verdict == "same":
        return f"{name}: no difference from {base} to claim ({interval})."
    return f"{name}: {times} ({interval})."


def _buts(comparison: Comparison, report: Report) -> list[str]:
    mode, base = report.modes[comparison.mode], report.modes[comparison.baseline]
    name, base_name = map(words.printable, (comparison.mode, comparison.baseline))
    buts = []
    ours, theirs = mode.ack_means, base.ack_means
    if ours != theirs:
        weaker = ACK_LEVELS.index(ours) < ACK_LEVELS.index(theirs)
        buts.append(
            f"its ack promises {'LESS' if weaker else 'more'}: {name} {ours} "
            f"({words.ACK_WORDS[ours]}), {base_name} {theirs} ({words.ACK_WORDS[theirs]})"
        )
    if comparison.mode == report.control:
        buts.append(f"{base_name} run again: it shows how much the same mode varies")
    for who, rounds in ((name, mode.rounds), (base_name, base.rounds)):
        invalid = sum(bool(one.invalid) for one in rounds)
        if invalid:
            buts.append(f"{invalid} of {words.many(len(rounds), 'round')} of {who} invalid")
    return buts


def _damages(mode: ModeReport) -> list[str]:
    """Why its store could not give back what it had saved, each reason once."""
    found = {one.damage for one in mode.rounds if one.damage}
    return [
        f"what it saved could not be read back: {words.printable(why)}" for why in sorted(found)
    ]


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
