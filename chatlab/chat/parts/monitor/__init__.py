"""What can one see of a running server? `totals.py`: counts. `window.py`: rates and percentiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chatlab.chat.settings import Clock


class Monitor(ABC):
    """Turns what happens into figures that a person can act on.

    It is told of each event as it happens, and asked for figures whenever someone looks: perhaps
    twice a second, perhaps not for a week. What it keeps must stay small in either case.

    Totals, samples and their age are not its business: `metrics.py` keeps them, and asks for no
    percentile of so few samples that one odd one would decide it.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    def count(self, name: str, count: int) -> None:
        """So many events of a kind happen now. It is called for every message: be quick.

        Args:
            name: of the kind, e.g. "saved"; there are a handful.
            count: messages; -1 takes back one that was counted just before.
        """

    @abstractmethod
    def per_s(self, name: str) -> float:
        """How many events of a kind happen per second, now; 0 of a kind that was never counted."""

    @abstractmethod
    def percentile(self, samples: Sequence[float], fraction: float) -> float | None:
        """A sample below which, or at which, this share of all samples lies.

        Args:
            samples: at least one, in any order; they belong to the caller, and stay as they are.
            fraction: between 0 and 1: 0.5 asks for the p50, 0.99 for the p99.

        Returns:
            None if this monitor has no percentiles to give; a dash is shown then.
        """
