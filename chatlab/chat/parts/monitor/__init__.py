"""What does a running server show? `totals.py`: counts. `window.py`: rates and percentiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chatlab.chat.settings import Clock


class Monitor(ABC):
    """Turns events into figures that a person can act on.

    It counts each event as it happens, and makes figures when someone looks: perhaps twice a
    second, perhaps not for a week. What it keeps must stay small in either case.

    `metrics.py` keeps the totals and the samples, and asks for no percentile of too few samples.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    def count(self, name: str, count: int) -> None:
        """Count events that happen now. This is called for every message: be quick.

        Args:
            name: of the kind, e.g. "saved"; there are a handful.
            count: how many; -1 takes back the one counted just before.
        """

    @abstractmethod
    def per_s(self, name: str) -> float:
        """Events of a kind per second, now; 0 for a kind that was never counted."""

    @abstractmethod
    def percentile(self, samples: Sequence[float], fraction: float) -> float | None:
        """The sample that this share of all samples is at or below.

        Args:
            samples: at least one, in any order; they belong to the caller: do not change them.
            fraction: between 0 and 1: 0.5 asks for the p50, 0.99 for the p99.

        Returns:
            None if this monitor has no percentiles; people see a dash.
        """
