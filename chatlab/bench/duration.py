"""About how long a round takes: a guess, for what a command says before it starts.

It knows the plan of the load and what rewriting a file costs, and takes everything else to be
quick. On another machine it may be wrong by a factor of three. Rounds that are done say it better.
"""

from __future__ import annotations

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
