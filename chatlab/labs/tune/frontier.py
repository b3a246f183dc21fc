"""The tuning lab's arithmetic: the pairs to try, the Pareto frontier, and one pair to recommend.

A choice is on the frontier if no other is at least as good in both figures and better in one.
"""

from __future__ import annotations

from collections.abc import Sequence

ENOUGH = 0.8
ALIKE = 1.1

RULE = (
    f"of all with at least {ENOUGH:.0%} of the best throughput, those whose p95 is within "
    f"{ALIKE - 1:.0%} of the lowest; of these, the smallest batch"
)


def pairs(
    batch_sizes: Sequence[int], intervals_ms: Sequence[float], *, one_is_full: bool
) -> list[tuple[int, float | None]]:
    """The grid. With `one_is_full` a batch size of 1 stands once: its interval never matters."""
    return [
        pair
        for size in batch_sizes
        for pair in (
            [(size, None)]
            if size == 1 and one_is_full
            else [(size, interval_ms) for interval_ms in intervals_ms]
        )
    ]


def words_of(batch_size: int, interval_ms: float | None) -> str:
    """A pair, as people say it."""
    return f"batch {batch_size:,}" + ("" if interval_ms is None else f", {interval_ms:,g} ms")


def frontier(choices: Sequence[tuple[float, float]]) -> list[bool]:
    """Which choices nothing beats.

    Args:
        choices: for each, a gain (more is better) and a price (less is better).
    """
    return [not any(_beats(other, one) for other in choices) for one in choices]


def recommended(choices: Sequence[tuple[float, float]], sizes: Sequence[float]) -> int | None:
    """The place of the choice to recommend, by `RULE`; None if there is none.

    Args:
        choices: gain and price of each.
        sizes: the batch size of each. Of two that cost the same in a quiet hour, the one with
            fewer messages in a batch loses less when something goes wrong.
    """
    if not choices:
        return None
    enough = ENOUGH * max(gain for gain, _ in choices)
    good = [place for place, (gain, _) in enumerate(choices) if gain >= enough]
    cheap = ALIKE * min(choices[place][1] for place in good)
    alike = [place for place in good if choices[place][1] <= cheap]
    return min(alike, key=lambda place: (sizes[place], choices[place][1]))


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    no_worse = one[0] >= other[0] and one[1] <= other[1]
    return no_worse and one != other
