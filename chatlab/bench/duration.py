"""About how long rounds take: a guess before the first, and what is left once some are done.

The guess knows the plan of the load and what rewriting a file costs, and takes all else to be
quick. On another machine it may be wrong by a factor of three. Rounds that are done say it better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from chatlab.bench.scenario import Scenario
from chatlab.chat.modes import named

ROUND_S = 0.5
"""To start a server and a load generator, to stop both, and to audit."""
SAVE_S = 0.001
"""To rewrite a short file, or to append to a long one, and to deliver."""
REWRITE_S = 0.7e-6
"""... for each message that a rewritten file holds. Measured on a machine with two cores."""
BATCH = 100
CEILING_S = 1.5
"""A round of a ceiling, with the usual load."""


def guessed_round_s(mode: str, scenario: Scenario) -> float:
    """About how long one round of a mode takes."""
    parts = named(mode).sources
    batch = 1 if parts["processor"] == "immediate" else BATCH
    held = scenario.history + scenario.messages / 2 if parts["store"] == "rewrite" else 0
    saving_s = scenario.messages / batch * (SAVE_S + held * REWRITE_S)
    return ROUND_S + max(scenario.planned_s, saving_s)


def left_s(order: Sequence[str], taken_s: Mapping[str, Sequence[float]]) -> float | None:
    """About how long the rounds take that are not done.

    Args:
        order: the mode of each round, those that are done first.
        taken_s: by mode, how long its finished rounds took.

    Returns:
        None until each mode has done a round.
    """
    if not all(taken_s.values()):
        return None
    done = sum(map(len, taken_s.values()))
    return sum(mean(taken_s[name]) for name in order[done:])
