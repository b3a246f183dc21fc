"""What may be said of a comparison, in sentences: title, cautions, verdicts, faults.

Owns the words that every export shares, as plain text; each export escapes and colours them in its
own way. Decides nothing: `bench/analysis.py` does. `figures.py`: the table below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import Audit
from chatlab.bench.report import Comparison, ModeReport, Report, TrustCheck
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.view import words

ClaimTone = Literal["better", "worse", "same", "unknown", "unsafe"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of one mode, and everything that must be said in the same breath.

    Attributes:
        mode: of which.
        tone: `unsafe` whenever its audit, or its baseline's, is not clean: whatever its speed.
        mark: one character: ✓ better, ✗ worse, ~ no difference to claim, ? cannot tell, ! unsafe.
        sentence: ratio and interval, or why there is none.
        buts: what weakens it.
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
        _many(scenario["messages"], "message") + (f" at {rate} a second" if rate else ""),
        f"{_many(scenario['users'], 'user')} in {_many(scenario['rooms'], 'room')}",
        f"{_many(report.history, 'message')} of history",
        _many(report.rounds, "round") + (" of each mode" if len(report.modes) > 1 else ""),
    ]
    if scenario.get("slow_readers"):
        parts.insert(2, _many(scenario["slow_readers"], "slow reader"))
    return f"{words.printable(scenario['name'])}: {', '.join(parts)}"


def cautions(report: Report) -> dict[str, str]:
    """What must be known before any figure is read: short name to sentence. Empty if nothing."""
    found = {}
    if not report.measurement:
        found["not a measurement"] = (
            "the modes ran at the same time and took processor and disk from each other: "
            "a demonstration, from which nothing can be concluded"
        )
    if not report.complete:
        done = ", ".join(
            f"{words.printable(name)} {len(mode.rounds)}" for name, mode in report.modes.items()
        )
        found["PARTIAL"] = (
            f"stopped early: of {_many(report.rounds, 'round')} asked for, done: {done or 'none'}"
        )
    if report.simulated:
        found["simulated disk"] = (
            f"{'; '.join(map(words.printable, report.simulated))}: the figures are those of a disk "
            "that this machine does not have"
        )
    in_flight = report.scenario.get("in_flight")
    if in_flight is not None:
        found["closed loop"] = (
            f"each user waits for an answer once {in_flight:,} are under way, so that a slow "
            "server is asked for less: good for finding a ceiling, bad for judging latency"
        )
    return found


def claims(report: Report) -> list[Claim]:
    """One claim for each mode after the first, on deliveries per second, then the rest unsafe."""
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
    """The sentence that shouts."""
    faults = what_went_wrong(audit)
    return f"{words.printable(name)} is NOT SAFE: {faults}. Its speed proves nothing."


def what_went_wrong(audit: Audit) -> str:
    """`12 acked and lost, 3 duplicated`; empty for a clean audit."""
    found = {
        "acked and lost": audit.lost,
        "duplicated": audit.duplicated,
        "shown to outsiders": audit.misdelivered,
        "reordered": audit.reordered,
        "corrupt": audit.corrupt,
        "never answered": audit.unanswered,
        "refused and there all the same": audit.misrefused,
    }
    return ", ".join(f"{count:,} {word}" for word, count in found.items() if count)


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
        speed = f"measured all the same: {sentence.removeprefix(f'{name}: ')}"
        sentence = unsafe(comparison.mode, mode.audit)
        buts = [*_damages(mode), speed, *buts]
        return Claim(comparison.mode, "unsafe", MARKS["unsafe"], sentence, buts)
    if not base.audit.clean:
        but = f"the baseline {base_name} is NOT SAFE: a ratio to it says little"
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
        buts.append(f"the same as {base_name}, run again: it shows how different the same can look")
    for who, rounds in ((name, mode.rounds), (base_name, base.rounds)):
        invalid = sum(bool(one.invalid) for one in rounds)
        if invalid:
            buts.append(f"{invalid} of {_many(len(rounds), 'round')} of {who} invalid")
    return buts


def _damages(mode: ModeReport) -> list[str]:
    """What its store said instead of what it had saved, each thing once."""
    found = {one.damage for one in mode.rounds if one.damage}
    return [f"reading back what it saved failed: {words.printable(why)}" for why in sorted(found)]


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
