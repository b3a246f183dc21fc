"""The lists that clients ask for: which rooms there are, and who is in one.

A list is bounded in entries and in bytes: usual clients close a connection over a frame of more
than 1 MiB. It says how many there are in all; pages show the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from chatlab.chat.protocol import (
    MEMBERS_LISTED_MAX,
    ROOMS_LISTED_MAX,
    ListRooms,
    MembersFrame,
    Ref,
    RoomInfo,
    RoomsFrame,
    encode,
)
from chatlab.chat.rooms import Presence
from chatlab.chat.rules import ROOM_TITLE_CHARS_MAX
from chatlab.data.records import Room
from chatlab.errors import Refusal

WELCOME_BYTES_MAX = 32 * 1024
LIST_BYTES_MAX = 256 * 1024
ID_CHARS_MAX = 1_000
"""A longer id can only have been written into the file by hand. It is not listed."""


def rooms_frame(
    rooms: Iterable[Room],
    user: str,
    presence: Presence,
    asked: ListRooms = ListRooms(),  # noqa: B008 (frozen)
    bytes_max: int = LIST_BYTES_MAX,
) -> RoomsFrame:
    """The rooms that `user` may see: the user's own first, then those with the most people in them;
    or, after a given one, in the order of their ids.

    Args:
        bytes_max: of all entries, as JSON.

    Raises:
        Refusal: `invalid_field`: no list can be as long as asked for.
    """
    if not 1 <= asked.limit <= ROOMS_LISTED_MAX:
        raise Refusal("invalid_field", f"limit is from 1 to {ROOMS_LISTED_MAX:,}")
    own: list[Room] = []
    others: list[Room] = []
    for room in rooms:
        if len(room.id) <= ID_CHARS_MAX:
            if user in room.participants:
                own.append(room)
            elif not room.private:
                others.append(room)
    mine = {room.id for room in own}

    ordered: Iterable[Room]
    if asked.after is None:
        ordered = chain(_fullest_first(own, presence), _fullest_first(others, presence))
    else:
        after = asked.after
        ordered = sorted((r for r in own + others if r.id > after), key=lambda room: room.id)
    infos = (
        RoomInfo(
            room.id,
            room.name[:ROOM_TITLE_CHARS_MAX],
            room.private,
            room.id in mine,
            len(presence.members(room.id)),
        )
        for room in ordered
    )
    listed = list(_fitting(islice(infos, asked.limit), bytes_max))
    return RoomsFrame(ref=asked.ref, rooms=listed, total=len(own) + len(others))


def welcome_rooms(rooms: Iterable[Room], user: str, presence: Presence) -> RoomsFrame:
    """What a newcomer is told unasked: fewer bytes, for there may be many newcomers."""
    return rooms_frame(rooms, user, presence, bytes_max=WELCOME_BYTES_MAX)


def _fullest_first(rooms: list[Room], presence: Presence) -> Iterator[Room]:
    """Of thousands of rooms few have people in them: only those are sorted."""
    peopled = presence.rooms()
    live = [room for room in rooms if room.id in peopled]
    yield from sorted(live, key=lambda room: -len(presence.members(room.id)))
    yield from (room for room in rooms if room.id not in peopled)


def _fitting(infos: Iterable[RoomInfo], bytes_max: int) -> Iterator[RoomInfo]:
    for info in infos:
        bytes_max -= len(encode(info)) + 1
        if bytes_max < 0:
            return
        yield info


def members_frame(room: Room, presence: Presence, ref: Ref) -> MembersFrame:
    """Who is in a room now, in the order in which they came; at most `MEMBERS_LISTED_MAX` names."""
    live = presence.members(room.id)
    return MembersFrame(
        ref=ref,
        room_id=room.id,
        live=[client.user for client in islice(live, MEMBERS_LISTED_MAX)],
        live_count=len(live),
        participants=len(room.participants),
    )
