"""Rooms: who may speak in them (`Rooms`, in `chatrooms.json`), and who is live in them
(`Presence`, in memory).

Every question to `Rooms` goes through the mode's reader, every change through its lock and writer:
a membership check costs what the mode costs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice

import msgspec

from chatlab.chat.parts.message_seams import Client
from chatlab.chat.parts.storage_seams import Lock, Reader, Writer
from chatlab.chat.protocol import (
    MEMBERS_LISTED_MAX,
    ROOMS_LISTED_MAX,
    AckLevel,
    MembersFrame,
    Ref,
    RoomInfo,
    RoomsFrame,
)
from chatlab.data.records import CHATROOMS, Room
from chatlab.errors import Refusal

ROOMS_MAX = 10_000
PARTICIPANTS_MAX = 10_000


class Rooms:
    """The rooms of one server.

    Each method raises `Refusal` when a rule forbids it, and `StorageError` when the disk fails.
    """

    def __init__(self, reader: Reader, writer: Writer, lock: Lock) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = lock
        # Members that `surely_member` found in the list `_sure_of`; a change makes a new list.
        self._sure: set[tuple[str, str]] = set()
        self._sure_of: list[Room] = []

    @property
    def promise(self) -> AckLevel:
        """How safe a change is once its method has returned."""
        return self._writer.promise

    async def all(self) -> list[Room]:
        """Every room."""
        # Under the lock: while a plain writer rewrites the file, only half of it exists.
        async with self._lock.hold(CHATROOMS.name):
            return await self._reader.read(CHATROOMS)

    def surely_member(self, room_id: str, user: str) -> bool:
        """Whether `user` is known to be a participant without reading the disk.

        If not, ask `require_member`.
        """
        rooms = self._reader.at_hand(CHATROOMS)
        if rooms is None:
            return False
        if rooms is not self._sure_of:
            self._sure_of, self._sure = rooms, set()
        if (room_id, user) not in self._sure:
            room = next((room for room in rooms if room.id == room_id), None)
            if room is None or user not in room.participants:
                return False
            self._sure.add((room_id, user))
        return True

    async def require_member(self, room_id: str, user: str) -> Room:
        """The room, if `user` may speak in it.

        Raises:
            Refusal: `no_such_room` or `not_a_member`.
        """
        room = _find(await self.all(), room_id)
        if user not in room.participants:
            raise Refusal("not_a_member", f"you are not in {room_id!r}: send join_room first")
        return room

    async def join(self, room_id: str, user: str) -> None:
        """Make `user` a participant of a public room, if it is not one already.

        Raises:
            Refusal: `no_such_room`; `not_a_member` if it is private; `room_full`.
        """

        def joined(room: Room) -> Room:
            if room.private and user not in room.participants:
                raise Refusal("not_a_member", f"{room_id!r} is private: ask to be invited")
            return _with(room, user)

        await self._change(room_id, joined)

    async def leave(self, room_id: str, user: str) -> None:
        """Remove `user` from the participants."""

        def left(room: Room) -> Room:
            others = tuple(name for name in room.participants if name != user)
            return msgspec.structs.replace(room, participants=others)

        await self._change(room_id, left)

    async def invite(self, room_id: str, host: str, guest: str) -> None:
        """Make `guest` a participant; `host` must be one."""

        def invited(room: Room) -> Room:
            if host not in room.participants:
                raise Refusal("not_a_member", f"only those in {room_id!r} may invite")
            return _with(room, guest)

        await self._change(room_id, invited)

    async def create(self, room: Room) -> None:
        """Add a room.

        Raises:
            Refusal: `room_exists`, or `too_many_rooms`.
        """
        async with self._lock.hold(CHATROOMS.name):
            rooms = await self._reader.read(CHATROOMS)
            if any(other.id == room.id for other in rooms):
                raise Refusal("room_exists", f"there is a room {room.id!r} already: join it")
            if len(rooms) >= ROOMS_MAX:
                raise Refusal("too_many_rooms", f"there are {ROOMS_MAX:,} rooms: join one of them")
            await self._write([*rooms, room])

    async def _change(self, room_id: str, change: Callable[[Room], Room]) -> None:
        async with self._lock.hold(CHATROOMS.name):
            rooms = await self._reader.read(CHATROOMS)
            before = _find(rooms, room_id)
            after = change(before)
            if after != before:
                await self._write([after if room is before else room for room in rooms])

    async def _write(self, rooms: list[Room]) -> None:
        await self._writer.replace(CHATROOMS.name, CHATROOMS.encode(rooms))
        self._reader.written(CHATROOMS, rooms)


class Presence:
    """The connected clients; bounded by the server's limit on connections."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        # Dicts rather than sets: members are served in the order in which they came.
        self._rooms: dict[str, dict[Client, None]] = {}

    def arrive(self, client: Client) -> bool:
        """Add a new connection; returns False, and adds nothing, if its user is connected."""
        if client.user in self._clients:
            return False
        self._clients[client.user] = client
        return True

    def leave(self, client: Client) -> None:
        """Remove a connection, from every room."""
        if self._clients.get(client.user) is client:
            del self._clients[client.user]
        for room_id in [room for room, members in self._rooms.items() if client in members]:
            self.exit(client, room_id)

    def enter(self, client: Client, room_id: str) -> None:
        """The client receives the room's messages from now on."""
        self._rooms.setdefault(room_id, {})[client] = None

    def exit(self, client: Client, room_id: str) -> None:
        """The client receives the room's messages no longer."""
        members = self._rooms.get(room_id, {})
        members.pop(client, None)
        if not members:
            self._rooms.pop(room_id, None)

    def members(self, room_id: str) -> Collection[Client]:
        """The clients live in a room, in the order in which they came."""
        return self._rooms.get(room_id, {}).keys()

    def clients(self) -> Iterable[Client]:
        """All connected clients."""
        return tuple(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)


def rooms_frame(
    rooms: Iterable[Room], user: str, presence: Presence, ref: Ref = None
) -> RoomsFrame:
    """The rooms that `user` may see, the user's own first, then those with the most people in them;
    at most `ROOMS_LISTED_MAX`."""
    infos = [
        RoomInfo(
            id=room.id,
            name=room.name,
            private=room.private,
            member=user in room.participants,
            live=len(presence.members(room.id)),
        )
        for room in rooms
        if not room.private or user in room.participants
    ]
    infos.sort(key=lambda room: (not room.member, -room.live))
    return RoomsFrame(ref=ref, rooms=infos[:ROOMS_LISTED_MAX], total=len(infos))


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


def _find(rooms: list[Room], room_id: str) -> Room:
    for room in rooms:
        if room.id == room_id:
            return room
    raise Refusal("no_such_room", f"there is no room {room_id[:64]!r}: create it with create_room")


def _with(room: Room, user: str) -> Room:
    if user in room.participants:
        return room
    if len(room.participants) >= PARTICIPANTS_MAX:
        raise Refusal("room_full", f"{room.id!r} has {PARTICIPANTS_MAX:,} participants already")
    return msgspec.structs.replace(room, participants=(*room.participants, user))
