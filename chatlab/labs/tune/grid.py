"""The pairs of batch size and flush interval that the tuning lab tries. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence


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
