"""Modes on the command line: checked before anything starts; `mine` finds the solved exercises.

No learner's code runs in the process of a command: files are read, not loaded, and the exercises
are checked in child processes.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

from chatlab.chat.user_parts import MINE, current_user_parts, set_user_parts
from chatlab.errors import UsageError

if TYPE_CHECKING:
    from chatlab.bench.report import Report
    from chatlab.chat.modes import Named

_OF_A_PART = re.compile(r"\+(\w+)=mine(?=\+|$)")


def check_modes(*texts: str) -> list[Named]:
    """What each mode is made of.

    Raises:
        UsageError: a mode is unknown or not valid.
    """
    from chatlab.chat.modes import named

    if any(_asks_for_mine(text) for text in texts) and current_user_parts() is None:
        _find_mine(*texts)
    return [named(text) for text in texts]


def remember(report: Report) -> list[str]:
    """Keep the figures of a comparison with the learner's own code in it, for `chatlab learn`.

    Not those on a simulated disk: later ones would be compared with them.

    Returns notes for the user about it, if any.
    """
    if not report.complete or report.simulated or not any(map(_asks_for_mine, report.modes)):
        return []
    from chatlab.course.progress import (
        ComparisonRecord,
        ModeRecord,
        ProgressFile,
        compared,
        moment,
    )
    from chatlab.course.workplace import find_workplace

    record = ComparisonRecord(
        when=moment(),
        scenario=str(report.scenario["name"]),
        history=report.history,
        rounds=report.rounds,
        measurement=report.measurement,
        modes={
            name: ModeRecord(rate.median, rate.low, rate.high, mode.audit.clean)
            for name, mode in report.modes.items()
            if (rate := mode.throughput_per_s)
        },
    )
    try:
        kept = ProgressFile(find_workplace().state)
    except UsageError as error:
        return [str(error)]
    kept.update(lambda progress: compared(progress, record))
    return kept.notes


def _asks_for_mine(text: str) -> bool:
    return text.partition("+")[0] == MINE or bool(_OF_A_PART.search(text))


def _find_mine(*texts: str) -> None:
    """Check the exercises, say which are taken, and pass them on to every process started here."""
    from chatlab.course.solved_parts import find_mine
    from chatlab.course.workplace import find_workplace

    workplace = find_workplace()
    found = asyncio.run(find_mine(workplace, lambda name: _say(f"mine: checking {name}")))
    parts = found.user_parts
    set_user_parts(parts)
    if any(text.partition("+")[0] == MINE for text in texts):
        taken = [f"{parts.labels[role]} ({role})" for role in parts.solved]
        taken += [f"{knob} {value}" for knob, value in parts.knobs.items()]
        _say(f"mine: {', '.join(taken) or 'no exercise passes yet: all parts are naive'}")
        for name, why in found.not_passed.items():
            _say(f"mine: not {name}: {why}")
    for role in dict.fromkeys(role for text in texts for role in _OF_A_PART.findall(text)):
        label = parts.labels.get(role)
        if label is not None and role not in parts.solved:
            _say(f"{role}=mine: {label} does not pass its checks yet; it runs here all the same")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
