"""What was not taken is bad in every respect: that defends nothing.

Fails: rejected
"""

from __future__ import annotations

BATCH_SIZE = 220
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
    "quiet": (10, 1.0),
    "steady": (1, 0.0),
    "rush": (1, 0.0),
    "midnight": (1, 0.0),
}

if __name__ == "__main__":
    from chatlab.course.simulation.evening import table

    print(table([(BATCH_SIZE, FLUSH_INTERVAL_S), (100, 0.05), *REJECTED.values(), (1_000, 0.075)]))
