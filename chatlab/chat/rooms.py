"""Rooms: who may speak in them (`Rooms`, in `chatrooms.json`), and who is live in them
(`Presence`, in memory).

Every question to `Rooms` goes through the mode's reader, every change through its lock and writer:
a membership check costs what the mode costs. A private room answers those who are not in it as one
that does not exist.

What strangers leave behind makes way when there is no more room: `making_way.py`. `room_lists.py`
makes the lists that clients ask for; `rates.py` bounds the changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from chatlab.chat.making_way import all_thinned, thinned, without, without_abandoned
from chatlab.chat.parts.message_seams import Client
from chatlab.chat.parts.storage_seams import Lock, Reader, Writer
from chatlab.chat.protocol import AckLevel
from chatlab.chat.rates import ChangeRates
from chatlab.chat.settings import Clock
from chatlab.data.records import CHATROOMS, USERS, Room
from chatlab.errors import Refusal

ROOMS_MAX = 10_000
PRIVATE_ROOMS_MAX = 5_000
"""Private rooms never make way: their history is nobody else's. So others keep the other half."""
ROOMS_ALONE_MAX = 100
"""Rooms in which one user is the only participant: no more of them for that user."""
PARTICIPANTS_MAX = 10_000
PARTICIPANTS_IN_ALL_MAX = 100_000
"""Of all rooms together: each change writes all of them."""


class Rooms:
    """The rooms of one server.

    Args:
        reader, writer, lock: how `chatrooms.json` is read and changed.
        presence: who is connected.
        clock: seconds.

    Each method raises `Refusal` when a rule forbids it, `slow_down` too for one that changes
    something, and `StorageError` when the disk fails.
    """

    def __init__(
        self, reader: Reader, writer: Writer, lock: Lock, presence: Presence, clock: Clock
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = lock
        self._presence = presence
        self._pay = ChangeRates(clock, presence.peer).pay
        # What is known of the list `_sure_of`; a change makes a new list.
        self._sure_of: list[Room] = []
        self._by_id: dict[str, Room] = {}
        self._sure: set[tuple[str, str]] = set()  # members that `surely_member` found

    @property
    def promise(self) -> AckLevel:
        """How safe a change is once its method has returned."""
        return self._writer.promise

    async def all(self) -> list[Room]:
        """Every room."""
        if (known := self._reader.at_hand(CHATROOMS)) is not None:
            return known
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
        if rooms is self._sure_of and (room_id, user) in self._sure:
            return True
        room = self._index(rooms).get(room_id)
        if room is None or user not in room.participants:
            return False
        self._sure.add((room_id, user))
        return True

    async def require_member(self, room_id: str, user: str) -> Room:
        """The room, if `user` may speak in it.

        Raises:
            Refusal: `no_such_room`, also if it is private, or `not_a_member`.
        """
        room = self._open_to(user, await self.all(), room_id)
        if user not in room.participants:
            raise Refusal("not_a_member", f"you are not in {room_id!r}: send join_room first")
        return room

    async def join(self, room_id: str, user: str) -> None:
        """Make `user` a participant of a public room, if it is not one already.

        Raises:
            Refusal: `no_such_room`, also if it is private; `room_full`.
        """

        async def joined(room: Room) -> Room:
            return await self._with(room, user)

        await self._change(room_id, user, joined)

    async def leave(self, room_id: str, user: str) -> None:
        """Remove `user` from the participants."""

        async def left(room: Room) -> Room:
            return without(room, user) if user in room.participants else room

        await self._change(room_id, user, left)

    async def invite(self, room_id: str, host: str, guest: str) -> None:
        """Make `guest` a participant; `host` must be one.

        Raises:
            Refusal: `no_such_room`, `not_a_member`, `room_full`; `no_such_user` for a stranger.
        """

        async def invited(room: Room) -> Room:
            if host not in room.participants:
                raise Refusal("not_a_member", f"only those in {room_id!r} may invite")
            if guest not in room.participants and (await self._is_stranger())(guest):
                raise Refusal(
                    "no_such_user",
                    f"{guest!r} is not connected: have them connect, then invite them",
                )
            return await self._with(room, guest)

        await self._change(room_id, host, invited)

    async def create(self, room: Room, creator: str) -> None:
        """Add a room.

        Raises:
            Refusal: `room_exists`, or `too_many_rooms`.
        """
        async with self._lock.hold(CHATROOMS.name):
            rooms = await self._reader.read(CHATROOMS)
            if room.id in self._index(rooms):
                text = f"there is a room {room.id!r} already: join it, or choose another name"
                raise Refusal("room_exists", text)
            if sum(other.participants == (creator,) for other in rooms) >= ROOMS_ALONE_MAX:
                text = f"you are alone in {ROOMS_ALONE_MAX} rooms: leave some of them first"
                raise Refusal("too_many_rooms", text)
            if room.private and sum(other.private for other in rooms) >= PRIVATE_ROOMS_MAX:
                text = f"there are {PRIVATE_ROOMS_MAX:,} private rooms: create a public one"
                raise Refusal("too_many_rooms", text)
            if len(rooms) >= ROOMS_MAX:
                before = rooms
                rooms = without_abandoned(rooms, self._is_peopled, await self._is_stranger())
                if rooms is before:
                    text = f"there are {ROOMS_MAX:,} rooms: join one of them"
                    raise Refusal("too_many_rooms", text)
            self._pay(creator)
            await self._write([*rooms, room])

    async def _change(
        self, room_id: str, user: str, change: Callable[[Room], Awaitable[Room]]
    ) -> None:
        async with self._lock.hold(CHATROOMS.name):
            rooms = await self._reader.read(CHATROOMS)
            before = self._open_to(user, rooms, room_id)
            after = await change(before)
            if after is not before:
                self._pay(user)
                await self._write([after if room is before else room for room in rooms])

    async def _write(self, rooms: list[Room]) -> None:
        if sum(len(room.participants) for room in rooms) > PARTICIPANTS_IN_ALL_MAX:
            rooms = all_thinned(rooms, await self._is_stranger())
        await self._writer.replace(CHATROOMS.name, CHATROOMS.encode(rooms))
        self._reader.written(CHATROOMS, rooms)

    def _index(self, rooms: list[Room]) -> Mapping[str, Room]:
        """The rooms by their ids; kept as long as the list is the same one."""
        if rooms is not self._sure_of:
            self._sure_of, self._sure = rooms, set()
            # Of two with one id, the first counts.
            self._by_id = {room.id: room for room in reversed(rooms)}
        return self._by_id

    def _open_to(self, user: str, rooms: list[Room], room_id: str) -> Room:
        """The room, if `user` may know of it."""
        room = self._index(rooms).get(room_id)
        if room is None or (room.private and user not in room.participants):
            raise Refusal(
                "no_such_room",
                f"there is no room {room_id[:64]!r} that you may enter: ask somebody in it to "
                "invite you, or create it with create_room",
            )
        return room

    async def _with(self, room: Room, user: str) -> Room:
        if user in room.participants:
            return room
        if len(room.participants) >= PARTICIPANTS_MAX:
            full, room = room, thinned(room, await self._is_stranger())
            if room is full:
                text = f"{room.id!r} has {PARTICIPANTS_MAX:,} participants already"
                raise Refusal("room_full", text)
        return msgspec.structs.replace(room, participants=(*room.participants, user))

    def _is_peopled(self, room: Room) -> bool:
        return bool(self._presence.members(room.id))

    async def _is_stranger(self) -> Callable[[str], bool]:
        users = {user.id for user in await self._reader.read(USERS)}
        return lambda name: name not in users and not self._presence.is_here(name)


class Presence:
    """The connected clients; bounded by the server's limit on connections."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._peers: dict[str, Any] = {}
        # Dicts rather than sets: members are served in the order in which they came.
        self._rooms: dict[str, dict[Client, None]] = {}

    def arrive(self, client: Client, peer: Any = None) -> bool:
        """Add a new connection; returns False, and adds nothing, if its user is connected.

        Args:
            peer: the other end of its socket: host, port and more, or None if that is not known.
        """
        if client.user in self._clients:
            return False
        self._clients[client.user] = client
        self._peers[client.user] = peer
        return True

    def is_here(self, user: str) -> bool:
        """Whether a user is connected."""
        return user in self._clients

    def peer(self, user: str) -> Any:
        """The other end of a user's socket."""
        return self._peers.get(user)

    def leave(self, client: Client) -> None:
        """Remove a connection, from every room."""
        if self._clients.get(client.user) is client:
            del self._clients[client.user]
            del self._peers[client.user]
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

    def rooms(self) -> Collection[str]:
        """The rooms in which somebody is live."""
        return self._rooms.keys()

    def clients(self) -> Iterable[Client]:
        """All connected clients."""
        return tuple(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)
