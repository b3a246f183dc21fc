"""The promises that a mode had made at each moment of a recording, and what breaks them.

Pure: only a model of the disk, no parts. Read `workload.py` for where a recording comes from.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chatlab.bench.crash.workload import Recording
from chatlab.data.records import Message
from chatlab.disk.power_loss import State, Volume
from chatlab.disk.recording import Milestone


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A moment at which the power may fail.

    Attributes:
        step: the number of the last step that happened.
        promised: ids that must be there afterwards.
        possible: ids that may be there.
    """

    step: int
    promised: frozenset[str]
    possible: frozenset[str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the disk that is not as it should be.

    Attributes:
        cut, words: when the power failed, and how the disk differs from what had been shown.
        lost: ids of promised messages that are missing, in the order of their sending.
        error: why the folder cannot be used; empty if it can.
        wrong: what else is wrong with the messages; empty if nothing is.
    """

    cut: Cut
    words: str
    lost: list[str]
    error: str
    wrong: str


def cuts_of(recording: Recording) -> Iterator[Cut]:
    """The moments worth trying: each change, each sync, and each end of a row of acks.

    Acks in a row leave the disk alone and promise more and more: the last one is the strictest.
    """
    promised: set[str] = set()
    possible = set(recording.base)
    promised_more = False
    yield Cut(step=-1, promised=frozenset(), possible=frozenset(possible))
    for number, step in enumerate(recording.steps):
        if isinstance(step, Milestone):
            if step.what == "sent":
                possible.add(step.message_id)
            else:
                promised |= recording.base.keys() if step.what == "ready" else {step.message_id}
                promised_more = True
            following = recording.steps[number + 1 : number + 2]
            if not promised_more or (following and isinstance(following[0], Milestone)):
                continue
        yield Cut(step=number, promised=frozenset(promised), possible=frozenset(possible))
        promised_more = False


def states_at_cuts(recording: Recording, disk: Volume) -> Iterator[tuple[Cut, list[State], bool]]:
    """Each moment worth trying, what the disk may hold then, and whether there is yet more.

    Args:
        disk: as it was at the beginning of the recording.
    """
    applied = 0
    for cut in cuts_of(recording):
        for number in range(applied, cut.step + 1):
            disk.apply(number, recording.steps[number])
        applied = cut.step + 1
        yield cut, *disk.states()


def what_is_wrong(rooms: dict[str, list[Message]], cut: Cut, recording: Recording) -> str:
    """What is wrong with the messages found, each room's oldest first; empty if nothing.

    Missing ones are not looked for.
    """
    place = {id_: number for number, id_ in enumerate(recording.known)}
    for messages in rooms.values():
        latest: dict[str, int] = {}
        seen: set[str] = set()
        for message in messages:
            if message.id not in cut.possible or recording.known[message.id] != message:
                return f"{message.id} was never sent like this"
            if message.id in seen:
                return f"{message.id} is stored twice"
            if place[message.id] < latest.get(message.sender, -1):
                return f"{message.id} stands after a later message of its sender"
            seen.add(message.id)
            latest[message.sender] = place[message.id]
    return ""
