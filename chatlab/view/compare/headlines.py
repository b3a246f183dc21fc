"""The lines that a result begins with: verdict, promise, trust.

What was found, what an ack then promises, and whether the instrument can be believed: who reads no
further has read what matters. The claims themselves are made in `claims.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chatlab.bench.report import Report
from chatlab.chat.protocol import ACK_LEVELS, AckLevel
from chatlab.view import words
from chatlab.view.compare.claims import ClaimTone, claims, trust_line, uncounted, versus

SURVIVES: dict[AckLevel, str] = {
    "queued": "a crash loses it",
    "written": "survives a crash, not a power cut",
    "synced": "survives a power cut",
}
"""What becomes of an acked message: `ACK_WORDS` in short."""

_Lines = Iterator[tuple[str, ClaimTone]]


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the lines that a result begins with.

    Attributes:
        label: `Verdict`, `Promise` or `Trust`; empty on a line that goes on under the same label.
        text: in plain words, after its mark.
        tone: as of a claim.
    """

    label: str
    text: str
    tone: ClaimTone


def headlines(report: Report) -> list[Headline]:
    """The lines under each label, in their order.

    Args:
        report: of at least one mode.
    """
    groups = {"Verdict": _verdicts, "Promise": _promises, "Trust": _trust}
    return [
        Headline("" if number else label, text, tone)
        for label, lines in groups.items()
        for number, (text, tone) in enumerate(lines(report))
    ]


def _verdicts(report: Report) -> _Lines:
    said: set[str] = set()
    for claim in claims(report):
        yield f"{claim.mark} {claim.sentence}", claim.tone
        for note in claim.notes:
            if note not in said:  # the baseline's rounds are part of every claim
                yield f"  {note}", "same"
        said.update(claim.notes)
    if len(report.modes) == 1 and not report.comparisons:
        why = "name a second mode to compare it with" if report.complete else "no other ran yet"
        yield f"  {versus(report)}: {why}", "same"
        for name, mode in report.modes.items():
            yield from ((f"  {note}", "same") for note in uncounted(name, mode.rounds))


def _promises(report: Report) -> _Lines:
    """One line, or one for each level that differs from the baseline's."""
    levels = {words.printable(name): mode.ack_means for name, mode in report.modes.items()}
    base_name, base = next(iter(levels.items()))
    others = [level for level in ACK_LEVELS if level != base and level in levels.values()]
    for level in others:
        names = [name for name, promised in levels.items() if promised == level]
        promise = "promises" if len(names) == 1 else "promise"
        weaker = ACK_LEVELS.index(level) < ACK_LEVELS.index(base)
        mark, how = ("!", "LESS") if weaker else (" ", "more")
        said = f"{mark} {words.listed(names)} {promise} {how}: {level} ({SURVIVES[level]})"
        yield f"{said}; {base_name}: {base}", "same"
    if not others:
        yield f"  an ack means {base}: {SURVIVES[base]}", "same"


def _trust(report: Report) -> _Lines:
    failed, checks = [one for one in report.trust if not one.ok], len(report.trust)
    mark, said = "✓", f"all {checks} checks of the instrument held"
    if failed:
        mark, said = "!", f"{len(failed)} of {words.many(checks, 'check')} of the instrument failed"
    rounds = [one for mode in report.modes.values() for one in mode.rounds]
    valid = sum(not one.invalid for one in rounds)
    counted = "all " * (len(rounds) > 1) if valid == len(rounds) else f"{valid} of "
    said += f"; {counted}{words.many(len(rounds), 'round')} count{'s' * (len(rounds) == 1)}"
    noisy = sum(one.noisy for one in rounds)
    stray = f", {noisy} stand{'s' * (noisy == 1)} out" if noisy else ""
    tone: ClaimTone = "worse" if failed else "same"
    yield f"{mark} {said}{stray}", tone
    for check in failed:
        yield f"  {trust_line(check)}", tone
