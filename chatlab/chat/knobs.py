"""The knobs that can stand in a mode's name: `optimized+batch-size=10`.

Each is an option of `chatlab serve`, under the same name. In the name of a mode it goes wherever
the mode goes, so that two settings can be compared like two modes: one change, measured.

Owns their names and bounds. What they do stands in `settings.py`; `modes.py` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that a mode's name can set.

    Attributes:
        field: of `Settings`.
        whole: whether it must be a whole number.
        lowest, highest: what it may be.
        unit: of the number, in words.
    """

    field: str
    whole: bool
    lowest: float
    highest: float
    unit: str

    @property
    def words(self) -> str:
        """`a whole number of messages, from 1 to 1,000,000`."""
        kind = "whole number" if self.whole else "number"
        return f"a {kind} of {self.unit}, from {self.lowest:,g} to {self.highest:,.0f}"


KNOBS: dict[str, Knob] = {
    "batch-size": Knob("batch_size_max", True, 1, 1_000_000, "messages"),
    "flush-interval": Knob("flush_interval_s", False, 0, 3_600, "seconds"),
    "cache-ttl": Knob("cache_ttl_s", False, 0, 86_400, "seconds"),
    "queue-limit": Knob("queue_limit", True, 1, 10_000_000, "messages"),
}


def value_of(name: str, text: str) -> float:
    """The number that a knob is set to.

    Args:
        name: of a knob that there is.
        text: as it stands in a mode's name.

    Raises:
        UsageError: it is no number for this knob; says what would be.
    """
    knob = KNOBS[name]
    try:
        value: float = int(text) if knob.whole else float(text)
    except ValueError:
        value = float("nan")
    if not knob.lowest <= value <= knob.highest:  # also if it is not a number at all
        raise UsageError(f"{name}={text}: it must be {knob.words}")
    return value
