"""Your numbers. Save this file, and `chatlab learn` checks them.

They work as they are: no message is lost. But somebody guessed them. `README.md` beside this file
tells of the load and of the limits; `python work.py` prints what a pair of numbers does.

The server reads BATCH_SIZE and FLUSH_INTERVAL_S without running this file: write plain numbers.
"""

from __future__ import annotations

# TODO: choose.
BATCH_SIZE = 10
"""Messages; when so many wait, they are saved."""
FLUSH_INTERVAL_S = 1.0
"""Seconds; when the oldest has waited so long, they are saved, however few they are."""

# TODO: what do your numbers do? Up to 5 % beside it is fine.
MEASURED: dict[str, float] = {
    "quiet_p95_ms": 0,  # the delay that 95 of 100 stay below, in the quiet hour
    "steady_saves_per_s": 0,  # in the steady hour
    "rush_at_risk": 0,  # messages accepted and not saved, at most, in the rush
    "midnight_s": 0,  # seconds until all of midnight's messages are saved
}

# TODO: which pairs (batch size, interval in seconds) did you try and not take? Under each name, one
# that breaks the limits of that part of the evening, and of no other.
REJECTED: dict[str, tuple[int, float]] = {
    "quiet": (10, 1.0),
    "steady": (10, 1.0),
    "rush": (10, 1.0),
    "midnight": (10, 1.0),
}

if __name__ == "__main__":
    from chatlab.course.simulation.evening import table

    # Put in whatever you want to try.
    print(table([(BATCH_SIZE, FLUSH_INTERVAL_S), (100, 0.05), (100, 0.25)]))
