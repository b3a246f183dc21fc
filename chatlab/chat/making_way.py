"""Who and what makes way when there is no more room, so that strangers lock nobody out.

A stranger is neither in `users.json` nor connected. One who has to leave a public room may join it
again at any time; a public room that is gone can be created again, and its messages, which stay in
the store, are there again. So nothing is lost. Of private rooms neither is true: they stay as they
are.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from chatlab.data.records import Room

IsStranger = Callable[[str], bool]


def thinned(room: Room, is_stranger: IsStranger) -> Room:
    """A public room without the stranger who has been in it longest; else the same room."""
    stranger = None if room.private else next(filter(is_stranger, room.participants), None)
    return room if stranger is None else without(room, stranger)


def all_thinned(rooms: list[Room], is_stranger: IsStranger) -> list[Room]:
    """All rooms, the fullest that can be thinned; else the same list."""
    for room in sorted(rooms, key=lambda room: -len(room.participants)):
        if (thinner := thinned(room, is_stranger)) is not room:
            return [thinner if one is room else one for one in rooms]
    return rooms


def without_abandoned(
    rooms: list[Room], is_peopled: Callable[[Room], bool], is_stranger: IsStranger
) -> list[Room]:
    """All rooms but the oldest public one that is left to strangers; else the same list. Rooms
    that nobody has entered yet go last.

    Args:
        is_peopled: whether somebody is live in a room.
    """
    left = [
        room
        for room in rooms
        if not room.private and not is_peopled(room) and all(map(is_stranger, room.participants))
    ]
    gone = min(left, key=lambda room: not room.participants, default=None)
    return rooms if gone is None else [room for room in rooms if room is not gone]


def without(room: Room, user: str) -> Room:
    """A room without one of its participants."""
    return replace(room, participants=tuple(name for name in room.participants if name != user))
