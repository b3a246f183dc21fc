"""What a comparison allows to claim, in sentences: title, cautions, verdicts, faults.

Owns the words that all exports share, as plain text; each export escapes and colours them in its
own way. Decides nothing: `bench/analysis.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatlab.bench.audit import Audit
from chatlab.bench.invalid_rounds import TrustCheck
from chatlab.bench.report import Comparison, ModeReport, Report, RoundReport
from chatlab.bench.statistics import ROUNDS_FOR_A_CLAIM
from chatlab.chat.protocol import ACK_LEVELS
from chatlab.view import words
from chatlab.view.compare import next_run

ClaimTone = Literal["better", "worse", "same", "unknown", "unsafe"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of one mode, and what must be said together with it.

    Attributes:
        mode: its name.
        tone: `unsafe` whenever its audit, or its baseline's, is not clean: whatever its speed.
        mark: one character: ✓ better, ✗ worse, ~ no difference to claim, ? cannot tell, ! unsafe.
        sentence: ratio and interval, or why there is none.
        promise: how its ack differs from the baseline's; empty if it does not.
        notes: what else weakens the claim, and what would help.
    """

    mode: str
    tone: ClaimTone
    mark: str
    sentence: str
    notes: list[str]
    promise: str = ""

    @property
    def buts(self) -> list[str]:
        """All that must be said together with the sentence."""
        return [self.promise, *self.notes] if self.promise else self.notes


REASONS_MAX = 3
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
    return f"{first} against {words.listed(others)}" if others else f"{first} alone"


def load(report: Report) -> str:
    """`midnight: 1,000 messages, 10 users in 1 room, ...`: under what load."""
    scenario = report.scenario
    rates = [scenario.get("rate_per_s"), scenario.get("rate_end_per_s")]
    rate = " to ".join(f"{one:,g}" for one in rates if one is not None)
    parts = [
        words.many(scenario["messages"], "message") + (f" at {rate} a second" if rate else ""),
        f"{words.many(scenario['users'], 'user')} in {words.many(scenario['rooms'], 'room')}",
        f"{words.many(report.history, 'message')} of history" if report.history else "no history",
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
        return words.DASH, "not comparable"
    times = f"{comparison.ratio:.3g} x"
    if comparison.low is None or comparison.high is None:
        return f"? {times}", "too few rounds"
    mark = "~ " if comparison.verdict == "same" else ""
    return f"{mark}{times}", f"{comparison.low:.3g} to {comparison.high:.3g}"


def _claim(comparison: Comparison, report: Report) -> Claim:
    mode = report.modes[comparison.mode]
    base = report.modes[comparison.baseline]
    name, base_name = map(words.printable, (comparison.mode, comparison.baseline))
    sentence, notes = _speed(comparison, name, base_name, report), _notes(comparison, report)
    promise = _promise(mode, base, name, base_name)
    tone: ClaimTone = comparison.verdict
    if not mode.audit.clean:
        tone, sentence = "unsafe", unsafe(comparison.mode, mode.audit)
        notes = [*_damages(mode), *notes]
    elif not base.audit.clean:
        tone = "unsafe"
        sentence = f"{name} is not comparable: its baseline {base_name} is NOT SAFE"
        notes.append("put a mode that is safe first")
    elif tone == "unknown":
        next_command = words.printable(next_run.command(comparison, report))
        notes.append(f"this would help: {next_command}")
    return Claim(comparison.mode, tone, MARKS[tone], sentence, notes, promise)


def _speed(comparison: Comparison, name: str, base: str, report: Report) -> str:
    if comparison.ratio is None:
        return f"{name} against {base}: no valid rounds to compare"
    times = f"{name} delivers {comparison.ratio:.3g} x as fast as {base}"
    if comparison.low is None or comparison.high is None:
        pairs = next_run.valid_pairs(comparison, report)
        return (
            f"{times}, not proven: {pairs} of {words.many(report.rounds, 'pair')} of rounds "
            f"count{'s' * (pairs == 1)}, and a claim needs {ROUNDS_FOR_A_CLAIM}"
        )
    interval = f"95% interval {comparison.low:.3g} to {comparison.high:.3g}"
    if comparison.verdict == "same":
        return f"{name}: no difference from {base} to claim ({interval})"
    return f"{times} ({interval})"


def _promise(mode: ModeReport, base: ModeReport, name: str, base_name: str) -> str:
    ours, theirs = mode.ack_means, base.ack_means
    if ours == theirs:
        return ""
    weaker = ACK_LEVELS.index(ours) < ACK_LEVELS.index(theirs)
    return (
        f"its ack promises {'LESS' if weaker else 'more'}: {name} {ours} "
        f"({words.ACK_WORDS[ours]}), {base_name} {theirs} ({words.ACK_WORDS[theirs]})"
    )


def _notes(comparison: Comparison, report: Report) -> list[str]:
    notes = []
    if comparison.mode == report.control:
        base_name = words.printable(comparison.baseline)
        notes.append(f"{base_name} run again: it shows how much the same mode varies")
    for name in (comparison.mode, comparison.baseline):
        notes += uncounted(name, report.modes[name].rounds)
    return notes


def uncounted(name: str, rounds: list[RoundReport]) -> list[str]:
    """How many rounds do not count, and why: the reasons of the first few."""
    name = words.printable(name)
    invalid = [one for one in rounds if one.invalid]
    if not invalid:
        return []
    why = [f"round {one.number}, {' and '.join(one.invalid)}" for one in invalid[:REASONS_MAX]]
    if len(invalid) > REASONS_MAX:
        why.append(f"and {len(invalid) - REASONS_MAX} more")
    some = f"{len(invalid)} of {words.many(len(rounds), 'round')} of {name}"
    return [f"{some} do{'es' * (len(invalid) == 1)} not count: {'; '.join(why)}"]


def _damages(mode: ModeReport) -> list[str]:
    """Why its store could not give back what it had saved, each reason once."""
    found = {one.damage for one in mode.rounds if one.damage}
    return [
        f"what it saved could not be read back: {words.printable(why)}" for why in sorted(found)
    ]
