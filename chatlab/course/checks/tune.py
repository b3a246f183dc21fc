"""Checks of `10_tune`: two numbers for a given load, and the measurements that defend them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatlab.course.checks import CheckBench, Mismatch, check
from chatlab.course.simulation.evening import (
    PARTS,
    KnobPair,
    PartFigures,
    figure,
    limits_of,
    simulate,
    simulate_all,
)
from chatlab.course.solved_parts import NoPlainNumber, knobs_of
from chatlab.errors import UsageError

NEAR = 0.05
"""How far a stated figure may be from the measured one: rounding is right."""
FIGURES = {
    "quiet_p95_ms": ("quiet", "p95_ms"),
    "steady_saves_per_s": ("steady", "saves_per_s"),
    "rush_at_risk": ("rush", "at_risk"),
    "midnight_s": ("midnight", "seconds"),
}
"""What MEASURED states, to the part of the evening and the figure that it is."""


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


async def _is_within(bench: CheckBench, part: str) -> None:
    """Hold one part of the evening against its limits."""
    pair = _pair(bench)
    found = await simulate(pair, part)
    _tell(bench, pair, part, found)
    over = found.over(part)
    wanted = [f"at most {limit.at_most:g} {limit.words}" for limit in limits_of(part)]
    bench.expect(not over, ", and ".join(wanted), f"{' and '.join(over)}, with {pair}")


def _tell(bench: CheckBench, pair: KnobPair, part: str, found: PartFigures) -> None:
    said = (
        f"all saved after {figure(found.seconds)} s, longest silence {figure(found.silence_ms)} ms"
        if part == "midnight"
        else f"delay p95 {figure(found.p95_ms)} ms, {figure(found.saves_per_s)} saves per second, "
        f"at most {found.at_risk:,} at risk"
    )
    bench.story.tell(f"{part}, with {pair}: {said}")


@check("examples")
async def numbers(bench: CheckBench) -> None:
    """BATCH_SIZE and FLUSH_INTERVAL_S are plain numbers: the server reads them, without running the
    file.

    Numbers that others depend on should be easy to find, and mean what they say.
    """
    _pair(bench)


@check("examples")
async def quiet(bench: CheckBench) -> None:
    """In the quiet hour, 95 of 100 messages are saved within 150 ms.

    With two messages a second no batch ever fills. Each message waits the whole interval, for
    others that do not come: the few pay the price for what the many need.
    """
    await _is_within(bench, "quiet")


@check("counts")
async def steady(bench: CheckBench) -> None:
    """In the steady hour, there are at most 15 saves a second, and 95 of 100 messages are saved
    within 300 ms.

    Other programs need this disk, too, and the smallest save costs it nearly as much as a large
    one. At a steady load, the interval sets how often it works, unless batches fill earlier.
    """
    await _is_within(bench, "steady")


@check("examples")
async def rush(bench: CheckBench) -> None:
    """In the rush before midnight, at most 360 messages are accepted and not yet saved.

    Their senders have an ack that says `queued`. If the power fails now, that many people were told
    of a message that nobody will ever read.
    """
    await _is_within(bench, "rush")


@check("examples")
async def midnight(bench: CheckBench) -> None:
    """At midnight, 5,000 messages at once are saved within 1.6 s, and the room is never silent for
    longer than 125 ms.

    Small batches pay the price of a save too often. One giant batch pays it once, but until it is
    saved nobody hears anything, and then everyone hears everything at once.
    """
    await _is_within(bench, "midnight")


@check("examples")
async def measured(bench: CheckBench) -> None:
    """MEASURED says what your numbers do, within 5% of what is measured here.

    A number without a measurement is an opinion. Whoever turns this knob next year must be able to
    see whether it still does what you saw.
    """
    pair = _pair(bench)
    stated = _dictionary(bench, "MEASURED", tuple(FIGURES))
    found = await simulate_all(pair)
    for part, one in found.items():
        _tell(bench, pair, part, one)
    for name, (part, attribute) in FIGURES.items():
        said, value = stated[name], getattr(found[part], attribute)
        is_number = isinstance(said, int | float) and not isinstance(said, bool)
        bench.expect(
            is_number and abs(said - value) <= NEAR * value,
            f'MEASURED["{name}"] to be what is measured with {pair}: {figure(value)}',
            figure(said) if is_number else f"{said!r:.60}",
        )


@check("examples")
async def rejected(bench: CheckBench) -> None:
    """REJECTED has four pairs that you tried: each breaks the limits of the part that it is named
    after, and keeps all others.

    To defend a choice, know its neighbours. A pair that breaks just one limit shows what that limit
    is good for, and which knob it holds back.
    """
    pairs = _dictionary(bench, "REJECTED", PARTS)
    for name in PARTS:
        pair = _as_pair(pairs[name], name)
        broken = {}
        for part, found in (await simulate_all(pair)).items():
            if over := found.over(part):
                broken[part] = f"{part} ({' and '.join(over)})"
                _tell(bench, pair, part, found)
        bench.expect(
            [*broken] == [name],
            f'REJECTED["{name}"], with {pair}, to break the limits of {name} alone',
            f"it breaks those of {', '.join(broken.values())}" if broken else "it breaks none",
        )


def _dictionary(bench: CheckBench, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    found = getattr(bench.work, name, None)
    wanted = ", ".join(f'"{key}"' for key in keys)
    if not isinstance(found, dict):
        actual = "it is not there" if found is None else f"{found!r:.60}"
        raise Mismatch(f"{name} = {{...}} at the top of the file, with {wanted}", actual)
    missing = [f'"{key}"' for key in keys if key not in found]
    bench.expect(not missing, f"{name} to have {wanted}", f"it lacks {', '.join(missing)}")
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
