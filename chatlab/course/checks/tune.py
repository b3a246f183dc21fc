"""Checks of `10_tune`: two numbers for a given load, and the measurements that defend them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatlab.course.checks import CheckBench, Mismatch, check
from chatlab.course.simulation.evening import (
    MIDNIGHT_MAX_S,
    MIDNIGHT_SILENCE_MAX_MS,
    PARTS,
    QUIET_P95_MAX_MS,
    RUSH_AT_RISK_MAX,
    STEADY_P95_MAX_MS,
    STEADY_SAVES_MAX_PER_S,
    KnobPair,
    PartFigures,
    figure,
    live_through,
    whole,
)
from chatlab.course.solved_parts import NoPlainNumber, knobs_of
from chatlab.errors import UsageError

NEAR = 0.05
"""How far a stated figure may be from the measured one: who rounds is right."""
FIGURES = ("quiet_p95_ms", "steady_saves_per_s", "rush_at_risk", "midnight_s")


def _pair(bench: CheckBench) -> KnobPair:
    """The learner's two numbers.

    Raises:
        Mismatch: they are not there, or not plain.
    """
    try:
        knobs = knobs_of(Path(str(bench.work.__file__)))
    except UsageError as error:
        line = error.line if isinstance(error, NoPlainNumber) else 0
        what = error.what if isinstance(error, NoPlainNumber) else str(error)
        raise Mismatch("BATCH_SIZE and FLUSH_INTERVAL_S, as plain numbers", what, line) from error
    return KnobPair(int(knobs["batch-size"]), float(knobs["flush-interval"]))


async def _is_within(bench: CheckBench, part: str, wanted: str) -> None:
    """Hold one part of the evening against its limits."""
    pair = _pair(bench)
    seen = await live_through(pair, part)
    _tell(bench, pair, part, seen)
    over = seen.misses(part)
    bench.expect(not over, expected=wanted, actual=f"{' and '.join(over)}, with {pair}")


def _tell(bench: CheckBench, pair: KnobPair, part: str, seen: PartFigures) -> None:
    said = (
        f"all saved after {figure(seen.seconds)} s, longest silence {figure(seen.silence_ms)} ms"
        if part == "midnight"
        else f"delay p95 {figure(seen.p95_ms)} ms, {figure(seen.saves_per_s)} saves per second, at "
        f"most {seen.at_risk:,} at risk"
    )
    bench.story.tell(f"{part}, with {pair}: {said}")


@check("examples")
async def numbers(bench: CheckBench) -> None:
    """BATCH_SIZE and FLUSH_INTERVAL_S are plain numbers: the server reads them, and does not run
    the file.

    Numbers that others depend on should be found at once, and mean what they say.
    """
    _pair(bench)


@check(
    "examples",
    asked=f"In the quiet hour, 95 of 100 messages are saved within {QUIET_P95_MAX_MS:.0f} ms.",
    why="With two messages a second no batch ever fills. Each message waits for the interval, for "
    "company that does not come: the price that the few pay for what the many need.",
)
async def quiet(bench: CheckBench) -> None:
    await _is_within(bench, "quiet", f"a delay (p95) of at most {QUIET_P95_MAX_MS:.0f} ms")


@check(
    "counts",
    asked=f"In the steady hour, there are at most {STEADY_SAVES_MAX_PER_S:.0f} saves a second, and "
    f"95 of 100 messages are saved within {STEADY_P95_MAX_MS:.0f} ms.",
    why="Other programs need this disk, too, and the smallest save costs it nearly as much as a "
    "large one. At a steady load the interval sets how often it works, unless batches fill before.",
)
async def steady(bench: CheckBench) -> None:
    await _is_within(
        bench,
        "steady",
        f"at most {STEADY_SAVES_MAX_PER_S:.0f} saves per second, and a delay (p95) of at most "
        f"{STEADY_P95_MAX_MS:.0f} ms",
    )


@check(
    "examples",
    asked=f"In the rush before midnight, at most {RUSH_AT_RISK_MAX} messages are accepted and not "
    "yet saved.",
    why="Their senders have an ack that says `queued`. If the power fails now, so many people were "
    "told of a message that nobody will ever read.",
)
async def rush(bench: CheckBench) -> None:
    await _is_within(bench, "rush", f"at most {RUSH_AT_RISK_MAX} messages at risk")


@check(
    "examples",
    asked=f"At midnight, 5,000 messages at once are saved within {MIDNIGHT_MAX_S:g} s, and the "
    f"room is never silent for longer than {MIDNIGHT_SILENCE_MAX_MS:.0f} ms.",
    why="Small batches pay the price of a save too often. One giant batch pays it once, but until "
    "it is saved nobody hears anything, and then everyone hears everything at once.",
)
async def midnight(bench: CheckBench) -> None:
    await _is_within(
        bench,
        "midnight",
        f"at most {MIDNIGHT_MAX_S:g} s until the last one is saved, and at most "
        f"{MIDNIGHT_SILENCE_MAX_MS:.0f} ms of silence",
    )


@check(
    "examples",
    asked=f"MEASURED says what your numbers do, within {NEAR:.0%} of what is measured here.",
    why="A number without a measurement is an opinion. Whoever turns this knob next year must be "
    "able to see whether it still does what you saw.",
)
async def measured(bench: CheckBench) -> None:
    pair = _pair(bench)
    stated = _dictionary(bench, "MEASURED", FIGURES)
    seen = await whole(pair)
    found = (
        seen["quiet"].p95_ms,
        seen["steady"].saves_per_s,
        seen["rush"].at_risk,
        seen["midnight"].seconds,
    )
    for part, one in seen.items():
        _tell(bench, pair, part, one)
    for name, value in zip(FIGURES, found, strict=True):
        said = stated[name]
        is_number = isinstance(said, int | float) and not isinstance(said, bool)
        bench.expect(
            is_number and abs(said - value) <= NEAR * value,
            expected=f'MEASURED["{name}"] to be what is measured with {pair}: {figure(value)}',
            actual=f"{figure(said)}" if is_number else f"{said!r:.60}",
        )


@check("examples")
async def rejected(bench: CheckBench) -> None:
    """REJECTED has four pairs that you tried: each breaks the limits of the part under whose name
    it stands, and keeps all others.

    To defend a choice is to know its neighbours. A pair that breaks just one limit shows what that
    limit is good for, and which knob it holds back.
    """
    pairs = _dictionary(bench, "REJECTED", PARTS)
    for name in PARTS:
        pair = _as_pair(pairs[name], name)
        broken = []
        for part in PARTS:
            seen = await live_through(pair, part)
            if over := seen.misses(part):
                broken.append(f"{part} ({' and '.join(over)})")
                _tell(bench, pair, part, seen)
        alone = [one.split()[0] for one in broken] == [name]
        bench.expect(
            alone,
            expected=f'REJECTED["{name}"], with {pair}, to break the limits of {name} alone',
            actual=f"it breaks those of {', '.join(broken)}" if broken else "it breaks none",
        )


def _dictionary(bench: CheckBench, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    found = getattr(bench.work, name, None)
    wanted = ", ".join(f'"{key}"' for key in keys)
    bench.expect(
        isinstance(found, dict),
        expected=f"{name} = {{...}} at the top of the file, with {wanted}",
        actual="it is not there" if found is None else f"{found!r:.60}",
    )
    assert isinstance(found, dict)
    missing = [f'"{key}"' for key in keys if key not in found]
    bench.expect(
        not missing,
        expected=f"{name} to have {wanted}",
        actual=f"it lacks {', '.join(missing)}",
    )
    return found


def _as_pair(found: object, name: str) -> KnobPair:
    """A pair that can be tried.

    Raises:
        Mismatch: it is none.
    """
    match found:
        case (int() as batch, int() | float() as interval_s) if (
            not isinstance(batch, bool) and batch >= 1 and 0 <= interval_s <= 3_600
        ):
            return KnobPair(batch, float(interval_s))
    raise Mismatch(
        f'REJECTED["{name}"] to be a pair such as (100, 0.05): messages, and seconds up to 3,600',
        f"{found!r:.60}",
    )
