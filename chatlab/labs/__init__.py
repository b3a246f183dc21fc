"""The labs, one folder each: what a lab measures, how that is shown, a README with its screen.

This table lets `chatlab --help` name every lab without importing one. Read `base.py` next.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chatlab.labs.base import Lab


class Entry(NamedTuple):
    """A lab's class, in `measure.py` of its folder, and what one sees in it: a sentence."""

    class_name: str
    summary: str


LABS: dict[str, Entry] = {
    "growth": Entry("Growth", "See what a long history does to the price of a message."),
    "tune": Entry(
        "Tune", "Find a good batch size and flush interval, and see why others are worse."
    ),
    "capacity": Entry("Capacity", "Find the highest steady rate that a mode keeps up with."),
    "pitfalls": Entry("Pitfalls", "Make five famous mistakes, and cure each by one flag."),
    "crash": Entry(
        "Crash", "Kill servers and cut their power, and see what is left of what they acked."
    ),
    "compression": Entry(
        "Compression", "See how many bytes compression saves, and what they cost."
    ),
    "rungs": Entry(
        "Rungs", "Measure what the upper rungs promise, and say which promises are kept."
    ),
    "generator": Entry(
        "Generator",
        "Measure the load generator itself, against a server that does next to nothing.",
    ),
    "watching": Entry(
        "Watching",
        "Measure what the live dashboard costs: the same load with it and without it, in turn.",
    ),
    "query_plan": Entry(
        "QueryPlan", "See what an index does: the history query with it and without it, measured."
    ),
}
"""The labs, by the names of their folders."""


def load(name: str) -> type[Lab]:
    """Import a lab."""
    module = import_module(f"chatlab.labs.{name}.measure")
    lab: type[Lab] = getattr(module, LABS[name].class_name)
    return lab
