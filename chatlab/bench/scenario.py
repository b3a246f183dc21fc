"""The load: a scenario, and the plan that a seed makes of it.

A plan lists every message before the first is sent: when, by whom, in which room, which text. The
same scenario and seed give the same plan, message for message.
"""

from __future__ import annotations

import math
import random
import tomllib
from pathlib import Path

import msgspec

from chatlab.data.folder import starting_data
from chatlab.disk.text_files import read_text
from chatlab.errors import UsageError

RUN_ID = "0"
"""Marks the messages of a run on a server that serves no other run."""
PATIENCE_MIN_S = 30.0
PATIENCE_PER_S = 1_000
"""A server gets at least a second for this many messages, however fast they are sent."""
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
    """The description of a load.

    Open loop, unless `in_flight` is given: messages are sent on time, however slow the server is.
    In a closed loop each user sends the next message only when one of theirs has come back, so a
    slow server gets less load: good for finding a ceiling, bad for judging latency.

    Attributes:
        name: of the scenario.
        words: one sentence about it.
        messages: how many in total.
        users: how many connections; user n is in room n modulo `rooms`.
        rooms: how many rooms.
        room: a room that exists, in which people may chat; all users join it, and leave it at the
            end. None: the load makes its own rooms.
        rate_per_s: messages per second, evenly spaced; None: all at once, at midnight.
        rate_end_per_s: if given, the rate changes evenly to this over the run.
        in_flight: if given, a closed loop, with this many messages in flight per user.
        slow_readers: further connections in the rooms that hardly read what they get. They are
            obstacles, and count neither as users nor as receivers.
        history: messages in the server's data folder before the start.
    """

    name: str
    words: str
    messages: int = 1_000
    users: int = 10
    rooms: int = 1
    room: str | None = None
    rate_per_s: float | None = None
    rate_end_per_s: float | None = None
    in_flight: int | None = None
    slow_readers: int = 0
    history: int = 0

    @property
    def planned_s(self) -> float:
        """How long the sending takes; 0 for all at once, or for as fast as answers come."""
        if self.rate_per_s is None or self.in_flight is not None:
            return 0.0
        return 2 * self.messages / (self.rate_per_s + (self.rate_end_per_s or self.rate_per_s))

    @property
    def deadline_s(self) -> float:
        """After how many seconds a load should give up, unless its user says otherwise."""
        patience_s = max(PATIENCE_MIN_S, 3 * self.planned_s, self.messages / PATIENCE_PER_S)
        return math.ceil(self.planned_s + patience_s)


class PlannedSend(msgspec.Struct, frozen=True, gc=False):
    """One message of a plan.

    Attributes:
        at_s: when to send it, in seconds after the start.
        user: number of its sender.
        room: number of its room.
        text: its text.
    """

    at_s: float
    user: int
    room: int
    text: str


def plan(scenario: Scenario, seed: int) -> list[PlannedSend]:
    """The messages of a scenario, in order of their times."""
    chance = random.Random(seed)
    sends = []
    for number in range(scenario.messages):
        user = chance.randrange(scenario.users)
        at_s = _time_s(scenario, number)
        sends.append(PlannedSend(at_s, user, user % scenario.rooms, chance.choice(_GREETINGS)))
    return sends


def _time_s(scenario: Scenario, number: int) -> float:
    """When a message is to be sent."""
    if scenario.rate_per_s is None or scenario.in_flight is not None:
        return 0.0
    first, last = scenario.rate_per_s, scenario.rate_end_per_s or scenario.rate_per_s
    if first == last:
        return number / first
    # With a rate that goes from `first` to `last` over T (`planned_s`) seconds, t seconds bring
    # first x t + (last - first) x t^2 / 2T messages; this is that, solved for t.
    growth = (last - first) / scenario.planned_s
    return (math.sqrt(first * first + 2 * growth * number) - first) / growth


def content_of(run_id: str, number: int, text: str) -> str:
    """A message's content: a mark by which it is recognised wherever it turns up, then its text.

    Args:
        run_id: of its run.
        number: its place in the plan.
        text: what it says.
    """
    return f"{run_id}/{number} {text}"


def number_of(run_id: str, content: str) -> int | None:
    """The number in a content made by `content_of` for the same run; None for anything else."""
    mark, _, _ = content.partition(" ")
    run, _, number = mark.rpartition("/")
    return int(number) if run == run_id and number.isdecimal() else None


def members(scenario: Scenario, room: int) -> int:
    """How many users are in a room."""
    return len(range(room, scenario.users, scenario.rooms))


def names() -> list[str]:
    """The scenarios that come with chatlab."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario that comes with chatlab, or one in a TOML file of the user's.

    Args:
        name: one of `names()`, or a path that ends in `.toml`.

    Raises:
        UsageError: no scenario has that name, or the file is not one.
    """
    path = Path(name) if name.endswith(".toml") else _folder() / f"{name}.toml"
    if name.endswith(".toml") and path.exists() and not path.is_file():
        raise UsageError(f"{path} is a folder, or no ordinary file: name a file with a scenario")
    if not path.is_file():
        raise UsageError(
            f"unknown scenario {name!r}; there are: {', '.join(names())}; or name a .toml file"
        )
    try:
        described = tomllib.loads(read_text(path))
        return _sensible(msgspec.convert(described, Scenario))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is not a scenario: {error}") from error


def override(scenario: Scenario, **fields: float | str | None) -> Scenario:
    """The scenario with the given fields replaced; None leaves a field as it is.

    Raises:
        UsageError: the result makes no sense; the text says why.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    return _sensible(msgspec.structs.replace(scenario, **given))


def _sensible(scenario: Scenario) -> Scenario:
    if scenario.rooms > scenario.users:
        raise UsageError(
            f"{scenario.rooms} rooms for {scenario.users} users: each room needs at least one; "
            "raise --users or lower --rooms"
        )
    if scenario.room is not None and scenario.rooms > 1:
        raise UsageError(
            f"scenario {scenario.name!r} has {scenario.rooms} rooms of its own, and --room takes "
            "all into one: add --rooms 1"
        )
    if min(scenario.messages, scenario.users, scenario.rooms) < 1 or scenario.history < 0:
        raise UsageError(f"scenario {scenario.name!r} needs at least 1 message, user and room")
    rates = (scenario.rate_per_s, scenario.rate_end_per_s)
    if any(rate is not None and not 0 < rate < math.inf for rate in rates):
        raise UsageError(f"scenario {scenario.name!r}: a rate must be a number above 0")
    if scenario.slow_readers < 0:
        raise UsageError(f"scenario {scenario.name!r}: slow readers cannot be below 0")
    if scenario.rate_end_per_s is not None and scenario.rate_per_s is None:
        raise UsageError("--rate-end needs a --rate to start from")
    if scenario.in_flight is not None and scenario.in_flight < 1:
        raise UsageError("--in-flight needs to be at least 1")
    return scenario


def _folder() -> Path:
    return starting_data() / "scenarios"
