"""How many messages a round of the growth lab may have. Pure arithmetic."""

from __future__ import annotations

MESSAGES_MIN = 10
ROUND_MAX_S = 8.0
ROUND_CUT_S = 2.5


def round_size(wanted: int, history: int, pace: tuple[int, float] | None) -> int:
    """How many messages a round may have, so that it ends in good time.

    Supposes the worst: a cost that grows as fast as the history does. A round that would then
    take longer than `ROUND_MAX_S` is cut to `ROUND_CUT_S`; others are left whole, because rounds
    of one size compare best: what is read once in a round is shared by its messages.

    Args:
        wanted: messages, if there is time for them.
        history: messages before the start.
        pace: the last round's mean history, in messages, and what it delivered per second.
    """
    if pace is None:
        return wanted
    history_before, delivered_per_s = pace
    slowdown = max(1.0, (history + wanted / 2) / max(1, history_before))
    per_s = delivered_per_s / slowdown
    if wanted <= ROUND_MAX_S * per_s:
        return wanted
    return min(wanted, max(MESSAGES_MIN, int(ROUND_CUT_S * per_s)))
