"""A hundred, because it is a round number: midnight pays for fifty saves.

Fails: midnight
"""

from __future__ import annotations

BATCH_SIZE = 100
"""Messages; when so many wait, they are saved."""
FLUSH_INTERVAL_S = 0.075
"""Seconds; when the oldest has waited so long, they are saved, however few they are."""

MEASURED: dict[str, float] = {
    "quiet_p95_ms": 95.4,
    "steady_saves_per_s": 12.4,
    "rush_at_risk": 338,
    "midnight_s": 1.46,
}

REJECTED: dict[str, tuple[int, float]] = {
    "quiet": (200, 0.2),  # the interval is what a lonely message waits for
    "steady": (220, 0.04),  # and it is how often the disk works at a steady load
    "rush": (400, 0.11),  # both knobs a little up: more gathers before each save, and during it
    "midnight": (150, 0.075),  # 34 saves instead of 23, at 20 ms each
}

if __name__ == "__main__":
    from chatlab.course.simulation.evening import table

    print(table([(BATCH_SIZE, FLUSH_INTERVAL_S), (100, 0.05), *REJECTED.values(), (1_000, 0.075)]))
