"""Modes on the command line: checked before anything starts, and `mine` found out.

No code of a learner's runs in the process of a command: files are looked at, not loaded, and the
exercises are checked in processes of their own.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatlab.bench.report import Report
    from chatlab.chat.modes import Named

MINE = "mine"
_OF_A_PART = re.compile(r"\+(\w+)=mine(?=\+|$)")


def check_modes(*texts: str) -> list[Named]:
    """What each mode is made of.

    Raises:
        UsageError: a mode is unknown, or makes no sense here.
    """
    from chatlab.chat.modes import named
    from chatlab.chat.user_parts import current_user_parts

    if any(_asks_for_mine(text) for text in texts) and current_user_parts() is None:
        _find_mine(*texts)
    return [named(text) for text in texts]


def remember(report: Report) -> list[str]:
    """Keep the figures of a comparison with the learner's own code in it, for `chatlab learn`.

    Not those on a simulated disk: a later race would be held against them.

    Returns what a person should know of that, if anything.
    """
    if not report.complete or report.simulated or not any(map(_asks_for_mine, report.modes)):
        return []
    from chatlab.course.progress import ComparisonRecord, ModeRecord, add_race, moment
    from chatlab.course.workplace import find_workplace
    from chatlab.errors import UsageError

    modes = {
        name: ModeRecord(
            median=mode.throughput_per_s.median,
            low=mode.throughput_per_s.low,
            high=mode.throughput_per_s.high,
            clean=mode.audit.clean,
        )
        for name, mode in report.modes.items()
    }
    race = ComparisonRecord(
        when=moment(),
        scenario=str(report.scenario["name"]),
        history=report.history,
        rounds=report.rounds,
        measurement=report.measurement,
        modes=modes,
    )
    try:
        return add_race(find_workplace(), race)
    except UsageError as error:
        return [str(error)]


def _asks_for_mine(text: str) -> bool:
    return text.partition("+")[0] == MINE or bool(_OF_A_PART.search(text))


def _find_mine(*texts: str) -> None:
    """Check the exercises, say what is taken, and hand it on to whatever is started from here."""
    from chatlab.chat.user_parts import set_user_parts
    from chatlab.course.solved_parts import find_mine
    from chatlab.course.workplace import find_workplace

    workplace = find_workplace()
    found = asyncio.run(find_mine(workplace, lambda name: _say(f"mine: checking {name}")))
    set_user_parts(found.own)
    if any(text.partition("+")[0] == MINE for text in texts):
        taken = [f"{found.own.labels[role]} ({role})" for role in found.own.solved]
        taken += [f"{knob} {value}" for knob, value in found.own.knobs.items()]
        _say(f"mine: {', '.join(taken) or 'no exercise passes yet: all parts are naive'}")
        for name, why in found.not_passed.items():
            _say(f"mine: not {name}: {why}")
    for role in dict.fromkeys(role for text in texts for role in _OF_A_PART.findall(text)):
        label = found.own.labels.get(role)
        if label is not None and role not in found.own.solved:
            _say(f"{role}=mine: {label} does not pass its checks yet; here it is all the same")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
