"""The labs, one folder each: what a lab measures, how that is shown, a README with its screen.

This table lets `chatlab --help` name every lab without importing one. Read `base.py` next.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatlab.labs.base import Lab

LABS = {
    "growth": "See what a long history does to the price of a message.",
    "tune": "Find a good batch size and flush interval, and see why others are worse.",
    "capacity": "Find the highest steady rate that a mode keeps up with.",
    "pitfalls": "Make five famous mistakes, and cure each by one flag.",
    "crash": "Kill servers and cut their power, and see what is left of what they acked.",
    "compression": "See how many bytes compression saves, and what they cost.",
    "rungs": "Measure what the upper rungs promise, and say which promises are kept.",
    "generator": "Measure the load generator itself, against a server that does next to nothing.",
    "watching": (
        "Measure what the live dashboard costs: the same load with it and without it, in turn."
    ),
    "query_plan": "See what an index does: the history query with it and without it, measured.",
}
"""What one sees in each lab: a sentence by the name of its folder."""


def load(name: str) -> type[Lab]:
    """Import a lab: `GrowthOfX` in the `measure.py` of the folder `growth_of_x`."""
    module = import_module(f"chatlab.labs.{name}.measure")
    lab: type[Lab] = getattr(module, name.title().replace("_", ""))
    return lab
