"""What load is applied: a scenario, and the plan that a seed makes of it.

A plan lists every message before the first is sent: when, by whom, where and what. The same
scenario and seed give the same plan, message for message. Open loop: the plan does not care how
the server keeps up.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import msgspec

from chatlab.chat.errors import UsageError
from chatlab.chat.folder import starting_data

_GREETINGS = (
    "Happy New Year!",
    "Happy New Year to everyone in here!",
    "Gelukkig nieuwjaar!",
    "Feliz año nuevo!",
    "新年快乐!",
    "Three, two, one ... here we are.",
    "Best wishes, health and low latency to all of you.",
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A load, described.

    Attributes:
        name: what it is called.
        words: one sentence about it.
        messages: how many in all.
        users: how many connections; user n is in room n modulo `rooms`.
        rooms: how many rooms.
        rate_per_s: messages per second, evenly spaced; None: all at once, at midnight.
        history: messages that the server's data folder holds before the start.
    """

    name: str
    words: str
    messages: int = 1_000
    users: int = 10
    rooms: int = 1
    rate_per_s: float | None = None
    history: int = 0


class PlannedSend(msgspec.Struct, frozen=True, gc=False):
    """One message of a plan.

    Attributes:
        at_s: when, in seconds after the start.
        user: its sender's number.
        room: its room's number.
        text: what it says.
    """

    at_s: float
    user: int
    room: int
    text: str


def plan(scenario: Scenario, seed: int) -> list[PlannedSend]:
    """The messages of a scenario, in order of their times."""
    chance = random.Random(seed)
    gap_s = 0.0 if scenario.rate_per_s is None else 1 / scenario.rate_per_s
    sends = []
    for number in range(scenario.messages):
        user = chance.randrange(scenario.users)
        sends.append(
            PlannedSend(number * gap_s, user, user % scenario.rooms, chance.choice(_GREETINGS))
        )
    return sends


def members(scenario: Scenario, room: int) -> int:
    """How many users are in a room."""
    return len(range(room, scenario.users, scenario.rooms))


def names() -> list[str]:
    """The scenarios that come with chatlab."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario that comes with chatlab.

    Raises:
        UsageError: there is none of that name.
    """
    path = _folder() / f"{name}.toml"
    if name not in names():
        raise UsageError(f"unknown scenario {name!r}; there are: {', '.join(names())}")
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario)


def override(scenario: Scenario, **fields: float | None) -> Scenario:
    """The scenario with other values in the fields that are not None.

    Raises:
        UsageError: the result makes no sense; the text says why.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    changed: Scenario = msgspec.structs.replace(scenario, **given)
    if changed.rooms > changed.users:
        raise UsageError(
            f"{changed.rooms} rooms for {changed.users} users: each room needs at least one; "
            "raise --users or lower --rooms"
        )
    return changed


def _folder() -> Path:
    return starting_data() / "scenarios"
